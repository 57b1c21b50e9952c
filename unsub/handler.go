// Package unsub is what the public sees: the links in the header, the one-click and the page behind them, and the
// withdrawals that come of it.
//
// A withdrawal goes to the journal before anybody is told that it counts, and to the store after that (Withdrawals).
// Reading a page never changes anything: link scanners follow every link, and only a POST is an act. The package
// listens nowhere; it is an http.Handler for a listener of its own, away from the dashboard's. It may be imported by
// the wiring, and imports gate and the journal.
package unsub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// maxBody bounds what a POST may send: a one-click is 26 octets, or some hundred as multipart.
const maxBody = 64 << 10

// personTimeout is how long a page waits for the address that it shows masked.
const personTimeout = time.Second

// Options of New.
type Options struct {
	Tokens      Tokens
	Streams     *Streams
	Withdrawals *Withdrawals
	Persons     gate.Historian                      // for the masked address on the page; nil: none is shown
	Unseal      func(sealed string) (string, error) // what Persons keep
	Log         *slog.Logger
}

type handler struct {
	Options
	pages *pages
}

// New returns the handler of the public endpoints:
//
//	GET  /u/{token}   the page, which changes nothing
//	POST /u/{token}   one-click (RFC 8058) or the page's button: withdraws from the purpose of the token's stream
//	GET  /style.css
//
// A POST that withdraws answers 200 once the store has it and 202 once the journal has it; 503 says that nothing was
// recorded. A token that is not ours answers 404, whatever is wrong with it.
func New(o Options) http.Handler {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	h := &handler{Options: o, pages: newPages()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /u/{token}", h.page)
	mux.HandleFunc("POST /u/{token}", h.withdraw)
	mux.HandleFunc("/u/{token}", otherMethod)
	mux.HandleFunc("GET /style.css", h.pages.style)
	mux.HandleFunc("/", h.notFound)
	return guarded(mux)
}

// guarded sets the headers that keep a page from loading, telling or keeping anything.
func guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy",
			"default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		h.Set("Referrer-Policy", "no-referrer") // the URL is the token
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Robots-Tag", "noindex")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}

func otherMethod(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Allow", "GET, HEAD, POST, OPTIONS")
	if r.Method == http.MethodOptions {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
}

func (h *handler) notFound(w http.ResponseWriter, r *http.Request) {
	h.pages.write(w, r, http.StatusNotFound, view{Text: textNotFound})
}

// asked is what a genuine token asks for.
type asked struct {
	id   gate.ID
	flow Flow
	ref  string // evidence: which token it was, without being one
}

// open verifies the request's token. Where it is false the request is answered.
func (h *handler) open(w http.ResponseWriter, r *http.Request) (asked, bool) {
	text := r.PathValue("token")
	t, err := h.Tokens.Parse(text)
	if err != nil || t.Kind != TokenUnsubscribe {
		h.notFound(w, r)
		return asked{}, false
	}
	flow, err := h.Streams.Find(r.Context(), t.Stream)
	if err != nil {
		h.failed(w, r, err)
		return asked{}, false
	}
	sum := sha256.Sum256([]byte(text))
	return asked{id: t.ID, flow: flow, ref: "token " + hex.EncodeToString(sum[:8])}, true
}

func (h *handler) failed(w http.ResponseWriter, r *http.Request, err error) {
	h.Log.Error("unsubscribe request cannot be served", "error", err)
	w.Header().Set("Retry-After", "60")
	h.pages.write(w, r, http.StatusServiceUnavailable, view{Text: textFailed})
}

func (h *handler) page(w http.ResponseWriter, r *http.Request) {
	a, ok := h.open(w, r)
	if !ok {
		return
	}
	v := h.view(r.Context(), a)
	h.pages.write(w, r, http.StatusOK, v)
}

// view is the page as things stand. Without the store it still asks, and shows no address.
func (h *handler) view(ctx context.Context, a asked) view {
	v := view{Text: textAsk, Stream: a.flow.Name, Everything: a.flow.Purpose == gate.AllPurposes}
	if v.Stream == "" && !v.Everything {
		v.Stream = a.flow.Purpose
	}
	if h.Withdrawals.Pending(a.id, a.flow.Purpose) {
		v.Text = textDone
	}
	if h.Persons == nil {
		return v
	}
	ctx, cancel := context.WithTimeout(ctx, personTimeout)
	defer cancel()
	p, err := h.Persons.Person(ctx, a.id)
	if err != nil {
		return v
	}
	v.Address = h.masked(p.Sealed)
	if withdrawn(p.Record, a.flow.Purpose) {
		v.Text = textDone
	}
	return v
}

// masked returns the address as a page may show it, empty where it is not kept or cannot be read.
func (h *handler) masked(sealed string) string {
	if sealed == "" || h.Unseal == nil {
		return ""
	}
	text, err := h.Unseal(sealed)
	if err != nil {
		h.Log.Warn("address on the unsubscribe page left out", "error", err)
		return ""
	}
	a, err := gate.ParseAddress(text)
	if err != nil {
		return ""
	}
	return a.Masked()
}

// The ways to say no in a POST.
const (
	byOneClick = "one-click"
	byButton   = "page"
)

func (h *handler) withdraw(w http.ResponseWriter, r *http.Request) {
	a, ok := h.open(w, r)
	if !ok {
		return
	}
	by, err := wish(w, r)
	if err != nil || by == "" {
		refuse(w, err)
		return
	}
	result, err := h.Withdrawals.Withdraw(r.Context(), Withdrawal{
		ID: a.id, Purpose: a.flow.Purpose, Stream: a.flow.Name, Ref: a.ref, UserAgent: r.UserAgent(), Note: by,
	})
	if err != nil {
		h.failed(w, r, err)
		return
	}
	h.confirm(w, r, a, by, result)
}

// confirm answers a withdrawal that counts: a person gets a page, a mail provider a word. Never a redirect (RFC 8058
// section 3.1).
func (h *handler) confirm(w http.ResponseWriter, r *http.Request, a asked, by string, result Result) {
	status, text, word := http.StatusOK, textDone, "unsubscribed\n"
	if result == Accepted {
		status, text, word = http.StatusAccepted, textAccepted, "accepted, in force here already\n"
	}
	if by == byButton {
		v := h.view(r.Context(), a)
		v.Text = text
		h.pages.write(w, r, status, v)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, word) // the withdrawal counts whether or not anybody reads this
}

// wish reads how a POST says no: by the field of RFC 8058 section 3.2, by the page's button, or not at all. Other
// fields are ignored, and so is the query: only a body is an act.
func wish(w http.ResponseWriter, r *http.Request) (string, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	fields, err := bodyFields(r)
	if err != nil {
		return "", err
	}
	for _, v := range fields["List-Unsubscribe"] {
		if strings.EqualFold(strings.TrimSpace(v), "One-Click") {
			return byOneClick, nil
		}
	}
	if fields.Get("unsubscribe") != "" {
		return byButton, nil
	}
	return "", nil
}

// bodyFields reads a form of either encoding; a body of another type or none is read as urlencoded.
func bodyFields(r *http.Request) (url.Values, error) {
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if media == "multipart/form-data" {
		if err := r.ParseMultipartForm(maxBody); err != nil {
			return nil, err
		}
		return r.MultipartForm.Value, nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	fields, _ := url.ParseQuery(string(body)) // keeps what is well formed
	return fields, nil
}

// refuse answers a POST that says nothing we know.
func refuse(w http.ResponseWriter, err error) {
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		http.Error(w, "The body is too large for an unsubscribe request.", http.StatusRequestEntityTooLarge)
		return
	}
	http.Error(w, "Nothing was changed: send List-Unsubscribe=One-Click as a form, or open this address in a browser.",
		http.StatusBadRequest)
}
