package admin

import (
	"encoding/json"
	"io"
	"net/http"
)

// indexText is what a person finds who opens the listener in a browser.
const indexText = `consentgate, the private side.

/healthz        the program runs
/readyz         it can serve
/metrics        for Prometheus
/openapi.json   what the API under /api/v1/ offers; docs/api.md has an example of each
`

func index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, indexText)
}

// health is the JSON of /healthz and /readyz. It names parts and nothing else: it is for everybody who may connect.
type health struct {
	Status string            `json:"status"`          // "ok" or "unavailable"
	Parts  map[string]string `json:"parts,omitempty"` // "ok" or "unavailable", by name
}

const (
	statusOK          = "ok"
	statusUnavailable = "unavailable"
)

func alive(w http.ResponseWriter, _ *http.Request) { writeHealth(w, health{Status: statusOK}) }

func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	h := health{Status: statusOK, Parts: make(map[string]string, len(s.opt.Parts))}
	for _, p := range s.opt.Parts {
		h.Parts[p.Name] = statusOK
		if !p.Up() {
			h.Parts[p.Name], h.Status = statusUnavailable, statusUnavailable
		}
	}
	writeHealth(w, h)
}

func writeHealth(w http.ResponseWriter, h health) {
	w.Header().Set("Content-Type", "application/json")
	if h.Status != statusOK {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(h) // the reader may have left
}

// metrics asks for a token of a viewer, but where the settings say that everybody may read them.
func (s *Server) metrics(g *guard) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.set.Load().OpenMetrics {
			if _, refusal := g.admit(r.Context(), r.Header.Get("Authorization"), r.RemoteAddr, []Role{RoleViewer}); refusal != nil {
				refusal.write(w)
				return
			}
		}
		s.opt.Metrics.ServeHTTP(w, r)
	})
}
