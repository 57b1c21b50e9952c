package admin

import (
	"encoding/json"
	"errors"
	"maps"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/consentgate/consentgate/gate"
)

// problem is an error as its client reads it: problem details for HTTP APIs (RFC 9457). Its text is ours alone, never
// a Go error's: that could name hosts.
type problem struct {
	huma.ErrorModel
	header http.Header
}

func newProblem(status int, detail string) *problem {
	return &problem{ErrorModel: huma.ErrorModel{Status: status, Title: http.StatusText(status), Detail: detail}}
}

// GetHeaders implements huma.HeadersError.
func (p *problem) GetHeaders() http.Header { return p.header }

// write answers a request that never reached an operation.
func (p *problem) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), p.header)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p.ErrorModel) // the reader may have left
}

// retryAfter is how many seconds a client should leave a store that does not answer.
const retryAfter = "5"

// failed turns what the store said into a problem. What it was is logged, and not told.
func (s *Server) failed(err error) error {
	if !errors.Is(err, gate.ErrUnavailable) {
		s.log.Error("admin request failed", "err", err)
		return newProblem(http.StatusInternalServerError, "this did not work; the log of the gate says why")
	}
	s.log.Warn("admin request deferred", "err", err)
	return unavailable("the consent store does not answer: try again")
}

func unavailable(detail string) *problem {
	p := newProblem(http.StatusServiceUnavailable, detail)
	p.header = http.Header{"Retry-After": {retryAfter}}
	return p
}

// address reads a recipient that a request names.
func address(text string) (gate.Address, error) {
	a, err := gate.ParseAddress(text)
	if err != nil {
		return a, newProblem(http.StatusUnprocessableEntity, "recipient: "+err.Error()+"; write it as local@domain")
	}
	return a, nil
}

// discreet leaves out of validation errors the values that were sent: they hold addresses, and answers get logged.
func discreet(_ huma.Context, _ string, v any) (any, error) {
	if m, ok := v.(*huma.ErrorModel); ok {
		for _, e := range m.Errors {
			e.Value = nil
		}
	}
	return v, nil
}
