// Package hooks is the door for what providers and list managers report of a person: a bounce, a complaint, an
// unsubscription, a subscription. One request is checked the way its provider proves itself, read in the shape that the
// provider documents, and handed on as events.
//
// A report can only be as good as its proof. Refusals are made durable before the provider hears that it may forget
// them; what cannot be is answered 503, and every provider sends that again. Since an event's id comes from the
// provider's own, the same report counts once however often it arrives, and since it keeps the time of the act, one that
// arrives days late, or is replayed by somebody who got hold of it, undoes nothing that the person did since. Nothing
// here confirms a consent, so that nothing here can reopen a refusal.
//
// The package imports gate. It listens nowhere: internal/app serves it on the public listener.
package hooks

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// quiet is how long after a refused request the next ones of its kind are counted and not logged.
const quiet = 10 * time.Second

// takeTimeout is how long a provider waits for the store at most; SNS gives up after 15 s.
const takeTimeout = 8 * time.Second

// Why a request is not taken.
var (
	errForged     = errors.New("not proven to be the provider's")
	errUnreadable = errors.New("not in the provider's form")
)

// Refusals makes refusals durable.
type Refusals interface {
	// Report returns once no crash can lose any of the refusals; applied says that the store has them all. After an error
	// they have to be reported again.
	Report(ctx context.Context, refusals []gate.Change) (applied bool, err error)
}

// Settings are the providers that may speak, by name.
type Settings map[string]Source

// Source is how one provider proves itself, and what its reports mean here. Each provider uses some of the proofs; see
// Providers.
type Source struct {
	Topics    []string         // ARNs of SNS
	PublicKey *ecdsa.PublicKey // of the signature
	Secret    string           // HMAC key, bearer token, or a header's or the URL's secret
	Header    string           // that carries the secret
	Username  string           // of Basic authentication
	Password  string

	Groups  map[string]string // the provider's list, group, topic or message stream → purpose
	Purpose string            // of everything else; empty: every marketing purpose
	Method  gate.Method       // what a subscription counts as; empty: imported, which permits nothing
}

// Store takes what is no refusal, and remembers which of Mailgun's tokens were used.
type Store interface {
	gate.Applier
	// Enter is gate.Ledger's: it takes the lease of key for owner and ttl; free is false where somebody else has it.
	Enter(ctx context.Context, key, owner string, ttl time.Duration) (members []string, free bool, err error)
}

// Options of New.
type Options struct {
	Settings Settings
	Refusals Refusals
	Store    Store
	Keys     gate.Sealer
	Fetch    Fetch              // nil: HTTPS
	Count    func(gate.Counter) // requests and reports that were not taken; nil: not counted
	Now      func() time.Time
	Log      *slog.Logger
}

// Handler serves /hooks/{provider}. All methods may be called at the same time.
type Handler struct {
	o       Options
	mux     *http.ServeMux
	memory  memory
	large   chan struct{} // a token for each large body that is held
	noise   noise
	current atomic.Pointer[map[string]entrance]
}

// memory is what outlives a reload.
type memory struct {
	certificates *certificates
	tokens       *tokens
	store        Store
}

// entrance is one provider's.
type entrance struct {
	source      Source
	read        reading
	secretInURL bool
}

// request is a provider's request.
type request struct {
	*http.Request
	body []byte
	now  time.Time
}

// reading checks a request and reads it. The error wraps errForged or errUnreadable; any other is trouble that may pass.
type reading func(r request) (reports, error)

// New returns the handler of
//
//	POST /hooks/{provider}            reports: 200 once the store has them, 202 once they are durable, 503 otherwise
//	POST /hooks/{provider}/{secret}   the same, for a provider that proves itself by the URL only
//	GET  /hooks/{provider}/{secret}   200: the provider looks whether the URL is there
//
// A provider that is not configured is answered 404, and one that does not prove itself 401: 403 would tell some to stop
// for good, and a wrong secret is mended by the operator.
func New(o Options) (*Handler, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Count == nil {
		o.Count = func(gate.Counter) {}
	}
	if o.Fetch == nil {
		o.Fetch = fetchHTTPS
	}
	h := &Handler{
		o: o, mux: http.NewServeMux(), large: make(chan struct{}, maxLarge),
		memory: memory{certificates: newCertificates(o.Fetch), tokens: new(tokens), store: o.Store},
	}
	for _, path := range []string{"/hooks/{provider}", "/hooks/{provider}/{secret}"} {
		h.mux.HandleFunc(path, h.serve)
	}
	return h, h.Reload(o.Settings)
}

// Reload puts other settings in force, or returns what is wrong with them.
func (h *Handler) Reload(s Settings) error {
	entrances, err := s.entrances(h.memory)
	if err != nil {
		return err
	}
	h.current.Store(&entrances)
	return nil
}

// Check returns what is wrong with the settings.
func (s Settings) Check() error {
	_, err := s.entrances(memory{})
	return err
}

// ServeHTTP answers a provider.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	h.mux.ServeHTTP(w, r)
}

// serve finds the provider. A URL with a secret in it belongs to those that prove themselves by nothing else.
func (h *Handler) serve(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("provider")
	in, ok := (*h.current.Load())[name]
	switch {
	case !ok || (r.PathValue("secret") != "") != in.secretInURL:
		http.NotFound(w, r)
	case r.Method == http.MethodPost:
		h.post(w, r, name, in)
	case in.secretInURL && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		h.answer(w, r, name, http.StatusOK, in.source.checkURL(r))
	default:
		allow := "POST"
		if in.secretInURL {
			allow = "GET, HEAD, POST"
		}
		w.Header().Set("Allow", allow)
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	}
}

func (h *Handler) post(w http.ResponseWriter, r *http.Request, name string, in entrance) {
	got, err := h.read(w, r, in)
	if err != nil {
		h.answer(w, r, name, 0, err)
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), takeTimeout)
	defer cancel()
	status, err := h.take(ctx, name, in.source, got)
	h.answer(w, r, name, status, err)
}

// answer tells the provider a status and nothing else; err, where there is one, decides it.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, name string, status int, err error) {
	if err != nil {
		status = h.refused(r, name, err)
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "60")
	}
	w.WriteHeader(status)
}

// refused counts and logs a request that is not taken, and returns its status.
func (h *Handler) refused(r *http.Request, name string, err error) int {
	status, log := http.StatusServiceUnavailable, h.o.Log.Warn
	_, tooLarge := errors.AsType[*http.MaxBytesError](err)
	switch {
	case tooLarge:
		status, log = http.StatusRequestEntityTooLarge, h.o.Log.Error
	case errors.Is(err, errForged):
		status = http.StatusUnauthorized
		h.o.Count(gate.Counter{What: gate.CountForged})
	case errors.Is(err, errUnreadable):
		status, log = http.StatusBadRequest, h.o.Log.Error
		h.o.Count(gate.Counter{What: gate.CountUnreadable})
	}
	if h.noise.worthALine(name, status, h.o.Now()) {
		from, _, _ := net.SplitHostPort(r.RemoteAddr)
		log("a webhook was not taken", "provider", name, "from", from, "answer", status, "error", err)
	}
	return status
}

// noise keeps requests that anybody can send from filling the log. The zero noise is silence.
type noise struct {
	mu   sync.Mutex
	last map[noiseKey]time.Time
}

type noiseKey struct {
	provider string
	status   int
}

// worthALine reports whether none of the kind was logged in the last seconds.
func (n *noise) worthALine(provider string, status int, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	k := noiseKey{provider, status}
	if last, ok := n.last[k]; ok && now.Sub(last) < quiet {
		return false
	}
	if n.last == nil {
		n.last = make(map[noiseKey]time.Time)
	}
	n.last[k] = now
	return true
}
