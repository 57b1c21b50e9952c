package unsub

import (
	"context"
	"io"
	"net/http"

	"github.com/consentgate/consentgate/gate"
)

// landingPage is the page of a message's link.
type landingPage struct {
	Address string // masked; empty: not shown
	Stream  string // empty where it is configured no more
	Purpose string
	Ask     bool   // there is something to unsubscribe from
	Undo    string // the purpose whose withdrawal can be taken back; empty: none
	More    string // the token, where it leads on to the preference page
	Known   bool   // the store answered
	Said    *said  // why the recipient gets this; nil: nothing is on record
	Notice  string // what was done just now, beside the heading
}

func (h *handler) landing(w http.ResponseWriter, r *http.Request) {
	a, ok := h.open(w, r, TokenUnsubscribe)
	if !ok {
		return
	}
	l := h.pages.locale(r)
	p := h.landingPage(r.Context(), l, a)
	t := l.Pages.Done
	if p.Ask {
		t = l.Pages.Ask
	}
	h.pages.write(w, r, http.StatusOK, l, "landing.html", t, p)
}

// landingPage is the page as things stand. Without the store it still asks, and shows no address.
func (h *handler) landingPage(ctx context.Context, l *locale, a asked) landingPage {
	p := landingPage{
		Stream: a.flow.Name, Purpose: a.flow.Purpose, More: a.token,
		Ask: !h.Withdrawals.Pending(a.id, a.flow.Purpose),
	}
	person, err := h.person(ctx, a)
	if err != nil {
		return p
	}
	p.Known = true
	p.Address = masked(h.address(person.Sealed))
	c := person.Record.For(a.flow.Purpose)
	p.Ask = p.Ask && !a.flow.stopped(c)
	p.Said = h.said(ctx, l, person, a.flow.Purpose)
	if a.flow.Service && !a.flow.stopped(c) {
		p.Said = p.Said.unstopped()
	}
	p.Undo = h.undoablePurpose(person, a)
	return p
}

// undoablePurpose is what the page offers to take back: the purpose of the token, or everything.
func (h *handler) undoablePurpose(person gate.Person, a asked) string {
	for _, purpose := range []string{a.flow.Purpose, gate.AllPurposes} {
		if _, ok := h.undoable(person, a, purpose); ok {
			return purpose
		}
	}
	return ""
}

// The ways to say no in a POST, as the event's note tells.
const (
	byOneClick = "one-click"
	byButton   = "page"
)

func (h *handler) landingPost(w http.ResponseWriter, r *http.Request) {
	a, ok := h.open(w, r, TokenUnsubscribe, TokenCanary)
	if !ok {
		return
	}
	fields, ok := h.fields(w, r)
	if !ok {
		return
	}
	switch choice := fields.Get("unsubscribe"); {
	case a.kind == TokenCanary:
		sing(w, fields)
	case isOneClick(fields):
		h.oneClick(w, r, a)
	case choice == "all":
		h.button(w, r, a, gate.AllPurposes)
	case choice != "":
		h.button(w, r, a, a.flow.Purpose)
	case fields.Get("undo") != "":
		h.undoPost(w, r, a, fields.Get("undo"))
	default:
		h.refuse(w, r, http.StatusBadRequest)
	}
}

// oneClick answers a mail provider with a word, never with a redirect (RFC 8058 section 3.1).
func (h *handler) oneClick(w http.ResponseWriter, r *http.Request, a asked) {
	result, err := h.withdraw(r, a, a.flow.Purpose, "unsubscribe", byOneClick)
	if err != nil {
		h.failed(w, r, err)
		return
	}
	word := "unsubscribed\n"
	if result == Accepted {
		word = "accepted, in force here already\n"
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(result.status())
	_, _ = io.WriteString(w, word) // the withdrawal counts whether or not anybody reads this
}

// button answers a person with a page.
func (h *handler) button(w http.ResponseWriter, r *http.Request, a asked, purpose string) {
	result, err := h.withdraw(r, a, purpose, "unsubscribe", byButton)
	if err != nil {
		h.failed(w, r, err)
		return
	}
	l := h.pages.locale(r)
	p := h.landingPage(r.Context(), l, a)
	t := l.Pages.Done
	switch {
	case p.Ask: // everything was stopped, and this mail is no marketing
		t = l.Pages.Ask
	case result == Accepted:
		t = l.Pages.Accepted
	}
	if purpose == gate.AllPurposes {
		p.Notice = say(l.Acts.Stopped, "purpose", l.Everything)
	}
	h.pages.write(w, r, result.status(), l, "landing.html", t, p)
}

func (h *handler) undoPost(w http.ResponseWriter, r *http.Request, a asked, purpose string) {
	done, err := h.undo(r, a, purpose)
	if err != nil {
		h.failed(w, r, err)
		return
	}
	l := h.pages.locale(r)
	status, t := http.StatusOK, l.Pages.Undone
	if !done {
		status, t = http.StatusConflict, l.Pages.NoUndo
	}
	p := h.landingPage(r.Context(), l, a)
	h.pages.write(w, r, status, l, "landing.html", t, p)
}
