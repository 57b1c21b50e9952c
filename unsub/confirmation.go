package unsub

import (
	"crypto/rand"
	"net/http"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/consentgate/consentgate/gate"
)

// confirmWithin is how long a request waits for its confirmation. The link in the message does not expire, but what it
// confirms does: an old mail must not bring back somebody who never answered, or withdrew since.
const confirmWithin = 7 * 24 * time.Hour

// confirmationPage is the page of a message that asks to confirm.
type confirmationPage struct {
	Address string // masked; empty: not shown
	Purpose string
	Ask     bool // a request is open
	Done    bool
	Said    *said
}

// openRequest reports whether a confirmation of the consent would count.
func (h *handler) openRequest(c gate.Consent) bool {
	return !c.Requested.IsZero() && h.Now().Sub(c.Requested) <= confirmWithin
}

// openConfirmation verifies a confirmation token and reads its person. Consent is for a purpose, so a stream that
// nobody remembers is nothing to confirm.
func (h *handler) openConfirmation(w http.ResponseWriter, r *http.Request) (asked, gate.Person, bool) {
	a, ok := h.open(w, r, TokenConfirmation)
	if !ok {
		return a, gate.Person{}, false
	}
	if a.flow.Purpose == gate.AllPurposes {
		h.notFound(w, r)
		return a, gate.Person{}, false
	}
	p, err := h.person(r.Context(), a)
	if err != nil {
		h.failed(w, r, err)
		return a, p, false
	}
	return a, p, true
}

func (h *handler) confirmation(w http.ResponseWriter, r *http.Request) {
	if a, p, ok := h.openConfirmation(w, r); ok {
		h.writeConfirmation(w, r, a, p)
	}
}

// writeConfirmation answers with the page as things stand: to confirm, confirmed, or too late for either.
func (h *handler) writeConfirmation(w http.ResponseWriter, r *http.Request, a asked, person gate.Person) {
	l := h.pages.locale(r)
	c := person.Record.For(a.flow.Purpose)
	p := confirmationPage{
		Address: masked(h.address(person.Sealed)), Purpose: a.flow.Purpose,
		Ask: h.openRequest(c), Done: c.Via == gate.ViaMailbox && c.Refused.IsZero(),
	}
	status, t := http.StatusGone, l.Pages.NotOpen
	switch {
	case p.Ask:
		status, t = http.StatusOK, l.Pages.Confirm
		p.Said = h.said(r.Context(), l, person, a.flow.Purpose)
	case p.Done:
		status, t = http.StatusOK, l.Pages.Confirmed
	}
	h.pages.write(w, r, status, l, "confirmation.html", t, p)
}

// confirmationPost confirms the open request. Where none is open nothing is recorded and the page says how things
// stand, so that a second click finds what the first one did.
func (h *handler) confirmationPost(w http.ResponseWriter, r *http.Request) {
	a, p, ok := h.openConfirmation(w, r)
	if !ok {
		return
	}
	fields, ok := h.fields(w, r)
	if !ok {
		return
	}
	if fields.Get("confirm") == "" {
		h.refuse(w, r, http.StatusBadRequest)
		return
	}
	if h.openRequest(p.Record.For(a.flow.Purpose)) {
		applied, err := h.write(r, a, h.confirmed(h.pages.locale(r), a))
		if err != nil {
			h.failed(w, r, err)
			return
		}
		p.Record = applied.Record
	}
	h.writeConfirmation(w, r, a, p)
}

func (h *handler) confirmed(l *locale, a asked) gate.Event {
	return gate.Event{
		ID:   ulid.MustNew(ulid.Timestamp(h.Now()), rand.Reader).String(),
		Type: gate.Confirmed, Via: gate.ViaMailbox, Purpose: a.flow.Purpose, Controller: h.Brand.Name,
		Source: gate.Source{Kind: "preference", ID: a.flow.Name}, DefaultState: gate.DefaultNone,
		Wording:  wordingOf(l, "confirmation-page", h.pages.purposeName(l, a.flow.Purpose), l.Pages.Confirm.Title, l.Buttons.Confirm),
		Evidence: gate.Evidence{Ref: a.ref},
	}
}
