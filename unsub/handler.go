// Package unsub is what the public sees: the links in the header, the one-click and the pages behind them, sign-up forms
// and the message that asks to confirm, and the withdrawals and confirmations that come of it.
//
// A withdrawal goes to the journal before anybody is told that it counts, and to the store after that (Withdrawals).
// Reading a page never changes anything: link scanners follow every link, and only a POST is an act. The package
// listens nowhere; it is an http.Handler for a listener of its own, away from the dashboard's. It may be imported by
// the wiring, and imports gate and the journal.
package unsub

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// storeTimeout is how long a page waits for the store.
const storeTimeout = time.Second

// Store is what the pages read and write, withdrawals aside.
type Store interface {
	gate.Historian
	gate.Applier
}

// Options of New.
type Options struct {
	Tokens      Tokens
	Streams     *Streams
	Withdrawals *Withdrawals
	Store       Store
	Texts       Texts                               // nil: a wording is shown by its id
	Unseal      func(sealed string) (string, error) // the addresses that the store keeps
	Confirm     Confirm                             // nil: the pages offer nothing that would need a confirmation
	Caps        gate.RequestCaps                    // of what Confirm may be asked
	SignUps     SignUps
	Brand       Brand
	Purposes    PurposeNames
	Now         func() time.Time
	Log         *slog.Logger
}

// Confirm sends the message that asks a person to confirm, after the request was recorded. An error is shown as what it
// is: no message, nothing promised.
type Confirm func(ctx context.Context, r ConfirmRequest) error

// ConfirmRequest is what a person asked for on the preference page.
type ConfirmRequest struct {
	ID       gate.ID
	Address  gate.Address
	Purpose  string
	Stream   string // one of the purpose's streams, for the token of the confirmation page
	Language string // of the page
}

type handler struct {
	Options
	pages *pages
	busy  rates // of the forms
}

// New returns the handler of the public endpoints:
//
//	GET  /u/{token}   the page of a message's link
//	POST /u/{token}   one-click (RFC 8058) or the page's button: withdraws from the purpose of the token's stream
//	GET  /p/{token}   the preference page, by an unsubscribe or a preference token
//	POST /p/{token}   stop=, undo=, ask= or send=PURPOSE; "*" is every marketing purpose
//	GET  /c/{token}   the confirmation page
//	POST /c/{token}   confirm=yes: confirms the open request for the purpose of the token's stream
//	POST /s/{form}    a sign-up by a form of somebody's page: 202 once the journal has it
//	GET  /style.css, /brand.css, /logo
//
// A GET changes nothing. A POST that withdraws answers 200 once the store has it and 202 once the journal has it; 503
// says that nothing was recorded. A token that is not ours answers 404, whatever is wrong with it.
func New(o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	h := &handler{Options: o, pages: newPages(o.Brand, o.Purposes)}
	mux := http.NewServeMux()
	for path, page := range map[string]struct{ get, post http.HandlerFunc }{
		"/u/{token}": {h.landing, h.landingPost},
		"/p/{token}": {h.preferences, h.preferencesPost},
		"/c/{token}": {h.confirmation, h.confirmationPost},
	} {
		mux.HandleFunc("GET "+path, page.get)
		mux.HandleFunc("POST "+path, page.post)
		mux.HandleFunc(path, h.otherMethod)
	}
	mux.HandleFunc("POST /s/{form}", h.signUp)
	mux.HandleFunc("GET /style.css", h.pages.style)
	mux.HandleFunc("GET /brand.css", o.Brand.serveCSS)
	if o.Brand.Logo.Data != nil {
		mux.HandleFunc("GET /logo", o.Brand.serveLogo)
	}
	mux.HandleFunc("/", h.notFound)
	return guarded(mux)
}

// guarded sets the headers that keep a page from loading, telling or keeping anything.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "+
			"frame-ancestors 'none'; base-uri 'none'")
		h.Set("Referrer-Policy", "no-referrer") // the URL is the token
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Robots-Tag", "noindex")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func (h *handler) otherMethod(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Allow", "GET, HEAD, POST, OPTIONS")
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	h.refuse(w, r, http.StatusMethodNotAllowed)
}

// asked is what a genuine token asks for.
type asked struct {
	token string
	kind  TokenKind
	id    gate.ID
	flow  Flow   // zero for a preference token and the canary, which are about no stream
	ref   string // evidence: which token it was, without being one
}

// open verifies the request's token, which must be of one of the kinds. Where it is false the request is answered.
func (h *handler) open(w http.ResponseWriter, r *http.Request, kinds ...TokenKind) (asked, bool) {
	text := r.PathValue("token")
	t, err := h.Tokens.Parse(text)
	if err != nil || !slices.Contains(kinds, t.Kind) {
		h.notFound(w, r)
		return asked{}, false
	}
	a := asked{token: text, kind: t.Kind, id: t.ID, ref: Ref(text)}
	if t.Kind == TokenPreferences || t.Kind == TokenCanary {
		return a, true
	}
	if a.flow, err = h.Streams.Find(r.Context(), t.Stream); err != nil {
		h.failed(w, r, err)
		return asked{}, false
	}
	return a, true
}

// person reads what the store holds of the token's recipient.
func (h *handler) person(ctx context.Context, a asked) (gate.Person, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return h.Store.Person(ctx, a.id)
}

// address is the recipient's address, zero where it is not kept or cannot be read.
func (h *handler) address(sealed string) gate.Address {
	if sealed == "" || h.Unseal == nil {
		return gate.Address{}
	}
	text, err := h.Unseal(sealed)
	if err != nil {
		h.Log.Warn("address left out on a public page", "error", err)
		return gate.Address{}
	}
	a, err := gate.ParseAddress(text)
	if err != nil {
		return gate.Address{}
	}
	return a
}

// masked is an address as a page may show it, empty for none.
func masked(a gate.Address) string {
	if a.IsZero() {
		return ""
	}
	return a.Masked()
}

func (h *handler) withdraw(r *http.Request, a asked, purpose, sourceKind, note string) (Result, error) {
	return h.Withdrawals.Withdraw(r.Context(), Withdrawal{
		ID: a.id, Purpose: purpose, Stream: a.flow.Name, SourceKind: sourceKind, Ref: a.ref, UserAgent: r.UserAgent(), Note: note,
	})
}

// status is the HTTP status of a withdrawal that counts.
func (r Result) status() int {
	if r == Accepted {
		return http.StatusAccepted
	}
	return http.StatusOK
}

// write records an act of the person that happens now, as an event of a purpose. Unlike a withdrawal it is not
// journaled: only the store can say what it comes to, and an act that failed may be repeated.
func (h *handler) write(r *http.Request, a asked, e gate.Event) (gate.Applied, error) {
	e.Time, e.Actor = h.Now().UTC(), "person"
	e.UserAgent = clip(r.UserAgent(), maxUserAgent)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), applyTimeout)
	defer cancel()
	applied := h.Store.Apply(ctx, []gate.Change{{ID: a.id, Event: e, Live: true}})[0]
	return applied, applied.Err
}
