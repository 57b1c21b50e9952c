package unsub

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/consentgate/consentgate/gate"
)

// askAgainAfter is how long after a request the page offers no other: one message is enough for an hour.
const askAgainAfter = time.Hour

// offer says how the purpose may be begun: by a message to confirm, or elsewhere.
func (h *handler) offer(l *locale, c *choice, f Flow, person gate.Person, consent gate.Consent) {
	switch c.Standing {
	case standingUnknown, standingAgreed, standingUnobjected:
		return
	}
	if h.openRequest(consent) {
		c.Requested = l.Day(consent.Requested)
		if h.Now().Sub(consent.Requested) < askAgainAfter {
			return
		}
	}
	c.CanAsk = h.canAsk(f, person) && h.Caps.Check(person.Events, f.Purpose, h.Now()) == nil
	c.AskSender = !c.CanAsk
}

// canAsk: a message to confirm needs somebody to send it, an address, and a stream whose token it can carry.
func (h *handler) canAsk(f Flow, person gate.Person) bool {
	return h.Confirm != nil && f.Name != "" && !h.address(person.Sealed).IsZero() &&
		!suppressed(person.Record, gate.AllPurposes) && !suppressed(person.Record, f.Purpose) && !h.bounced(person.Record)
}

// suppressed reports whether an operator keeps mail away, all of it or that of one purpose.
func suppressed(r gate.Record, scope string) bool {
	return slices.ContainsFunc(r.Suppressions, func(s gate.Suppression) bool {
		return s.Kind == gate.SuppressionManual && s.Scope == scope
	})
}

func (h *handler) bounced(r gate.Record) bool {
	return slices.ContainsFunc(r.Suppressions, func(s gate.Suppression) bool {
		return s.Kind == gate.SuppressionHardBounced && h.Now().Sub(s.At) < gate.HardBounceTTL
	})
}

// warnings say why mail may stay away whatever is chosen here.
func (h *handler) warnings(l *locale, r gate.Record) []string {
	var list []string
	if h.bounced(r) {
		list = append(list, l.Notes.Bounced)
	}
	if suppressed(r, gate.AllPurposes) {
		sender := frame{locale: l, Brand: h.Brand}.Asker()
		list = append(list, say(l.Notes.Suppressed, "sender", sender))
	}
	return list
}

// askChoice records that the person asked for a purpose, and has the message sent that confirms it. It grants nothing:
// whoever has the link may press the button, and only the mailbox can confirm.
func (h *handler) askChoice(w http.ResponseWriter, r *http.Request, a asked, purpose string) {
	person, err := h.person(r.Context(), a)
	if err != nil {
		h.failed(w, r, err)
		return
	}
	l := h.pages.locale(r)
	i := slices.IndexFunc(h.purposes(person.Record), func(f Flow) bool { return f.Purpose == purpose })
	if i < 0 {
		h.refuse(w, r, http.StatusBadRequest)
		return
	}
	f := h.purposes(person.Record)[i]
	if !h.choice(l, a, f, person, true).CanAsk {
		h.writePreferences(w, r, a, http.StatusConflict, "")
		return
	}
	if _, err := h.write(r, a, h.request(l, a, f)); err != nil {
		h.failed(w, r, err)
		return
	}
	h.sendRequest(w, r, a, f, person)
}

// request is the event of a person who asks for a purpose here, with the text that they read.
func (h *handler) request(l *locale, a asked, f Flow) gate.Event {
	return gate.Event{
		ID:   ulid.MustNew(ulid.Timestamp(h.Now()), rand.Reader).String(),
		Type: gate.ConfirmationRequested, Purpose: f.Purpose, Controller: h.Brand.Name,
		Source: gate.Source{Kind: "preference", ID: f.Name}, DefaultState: gate.DefaultNone,
		Wording:  wordingOf(l, "preference-page", h.pages.purposeName(l, f.Purpose), l.Buttons.Ask),
		Evidence: gate.Evidence{Ref: a.ref},
	}
}

// wordingOf identifies a text of our own pages by its hash, since it may change between versions.
func wordingOf(l *locale, id string, lines ...string) gate.Wording {
	sum := sha256.New()
	for _, line := range lines {
		sum.Write([]byte(line + "\n"))
	}
	return gate.Wording{ID: id, SHA256: hex.EncodeToString(sum.Sum(nil)), Language: l.Lang}
}
