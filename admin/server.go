// Package admin is what operators and applications reach: health, metrics, and the JSON API with its OpenAPI
// description, for holders of tokens.
//
// It is private: a listener of its own, never the public one of unsub. It keeps no session and sets no cookie, so no
// other site can act in somebody's name. It listens nowhere itself and decides nothing: the policy does, and events go
// through gate.Intake like everybody's. It may be imported by the wiring, and imports gate.
package admin

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/consentgate/consentgate/gate"
)

// storeTimeout is how long a request waits for the store; a batch of events gets it for each trip.
const storeTimeout = 10 * time.Second

// Store is what the API reads and writes.
type Store interface {
	gate.Reader
	gate.Applier
	gate.Historian
	gate.BlockLog
}

// Keys turn addresses into ids, and what the store keeps of them into addresses.
type Keys interface {
	gate.Sealer
	Unseal(sealed string) (string, error)
}

// Links writes the addresses of public pages.
type Links interface {
	Preferences(id gate.ID) string
}

// Settings are what a reload may change.
type Settings struct {
	Tokens        []Token
	Policy        *gate.Policy
	Streams       []*gate.Stream
	DefaultStream string // of a check that names none; empty: each must
	Links         Links  // nil: there is no public page
	OpenMetrics   bool   // metrics without a token
}

// Part is something that has to work before the program can serve.
type Part struct {
	Name string // "store"
	Up   func() bool
}

// Options of New.
type Options struct {
	Settings Settings
	Store    Store
	Keys     Keys
	Parts    []Part                                      // of /readyz
	Metrics  http.Handler                                // of /metrics; nil: there is none
	Stats    Stats                                       // nil: the API has no stats
	Acts     Acts                                        // nil: the API has no audit log
	Confirm  Confirm                                     // nil: the API asks nobody to confirm
	Erase    Erase                                       // nil: the API erases nothing
	Audit    func(ctx context.Context, a gate.Act) error // what people with power over others' data did; nil: nobody keeps it
	Count    func(gate.Counter)                          // requests that were refused; nil: nobody counts

	RefusedDelay time.Duration // how long a wrong token waits; 0: a second
	Now          func() time.Time
	Log          *slog.Logger
}

// Server is the http.Handler of the private listener.
type Server struct {
	opt Options
	set atomic.Pointer[Settings]
	mux *http.ServeMux
	doc []byte // the OpenAPI document
	log *slog.Logger
}

// New returns the handler of
//
//	GET /              a page that names the rest
//	GET /healthz       200: the program runs
//	GET /readyz        200: it can serve; 503 with the part that cannot
//	GET /metrics       for Prometheus
//	GET /openapi.json  the description of the API
//	/api/v1/…          the API
//
// Errors of the API are problem details (RFC 9457).
func New(o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Count == nil {
		o.Count = func(gate.Counter) {}
	}
	if o.RefusedDelay == 0 {
		o.RefusedDelay = defaultRefusedDelay
	}
	s := &Server{opt: o, mux: http.NewServeMux(), log: o.Log}
	s.Reload(o.Settings)
	g := &guard{
		tokens: func() []Token { return s.set.Load().Tokens },
		delay:  o.RefusedDelay, waiting: make(chan struct{}, refusedAtOnce), count: o.Count, log: o.Log,
	}
	s.mux.HandleFunc("GET /{$}", index)
	s.mux.HandleFunc("GET /healthz", alive)
	s.mux.HandleFunc("GET /readyz", s.ready)
	if o.Metrics != nil {
		s.mux.Handle("GET /metrics", s.metrics(g))
	}
	return s, s.describe(s.api(g))
}

// Reload replaces the settings; requests under way keep theirs.
func (s *Server) Reload(set Settings) { s.set.Store(&set) }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'; base-uri 'none'")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cache-Control", "no-store")
	defer s.survive(w)
	if by, pattern := s.mux.Handler(r); pattern == "" {
		refuse(by, w, r)
		return
	}
	s.mux.ServeHTTP(w, r) // which, unlike Handler, finds what {…} stands for
}

// survive answers a request whose handler panicked, and logs it where people look. A handler that means to break the
// connection does.
func (s *Server) survive(w http.ResponseWriter) {
	fault := recover()
	if fault == nil {
		return
	}
	if err, ok := fault.(error); ok && errors.Is(err, http.ErrAbortHandler) {
		panic(fault)
	}
	s.log.Error("admin request failed", "err", fault, "stack", string(debug.Stack()))
	newProblem(http.StatusInternalServerError, "this did not work; the log of the gate says why").write(w)
}

// refuse answers with a problem where the mux would answer 404 or 405 in plain text.
func refuse(by http.Handler, w http.ResponseWriter, r *http.Request) {
	said := &statusOnly{header: make(http.Header)}
	by.ServeHTTP(said, r)
	p := newProblem(http.StatusNotFound, "there is nothing here: /openapi.json lists what there is")
	if methods := said.header.Get("Allow"); said.status == http.StatusMethodNotAllowed {
		p = newProblem(said.status, "this address takes "+methods)
		p.header = http.Header{"Allow": {methods}}
	}
	p.write(w)
}

// statusOnly is a ResponseWriter that keeps status and header.
type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header         { return s.header }
func (s *statusOnly) WriteHeader(status int)      { s.status = status }
func (s *statusOnly) Write(p []byte) (int, error) { return len(p), nil }

// audit notes an act of the request's holder before it is done. What cannot be noted is not done.
func (s *Server) audit(ctx context.Context, act string, id gate.ID, detail string) error {
	if s.opt.Audit == nil {
		return nil
	}
	t := holder(ctx)
	err := s.opt.Audit(ctx, gate.Act{
		Time: s.opt.Now(), Actor: "token:" + t.Name, Role: string(t.Role), Name: act, Subject: id, Detail: detail,
	})
	if err != nil {
		return s.failed(err)
	}
	return nil
}

// describe writes the OpenAPI document once: it is the same for everybody.
func (s *Server) describe(api huma.API) (err error) {
	if s.doc, err = api.OpenAPI().MarshalJSON(); err != nil {
		return err
	}
	s.mux.HandleFunc("GET /openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		_, _ = w.Write(s.doc) // the reader may have left
	})
	return nil
}
