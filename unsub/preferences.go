package unsub

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/consentgate/consentgate/gate"
)

// askAgainAfter is how long after a request the page offers no other: one message is enough for an hour.
const askAgainAfter = time.Hour

// standing is how a purpose stands with a person, in the words of the preference page. The set is closed.
type standing string

const (
	standingAgreed     standing = "agreed"
	standingUnobjected standing = "unobjected"
	standingPassive    standing = "passive"
	standingWaiting    standing = "waiting"
	standingStopped    standing = "stopped"
	standingInvalid    standing = "invalid"
	standingNone       standing = "none"
	standingUnknown    standing = "unknown"
)

func standingOf(f Flow, c gate.Consent) standing {
	switch c.State {
	case gate.StatePassiveConfirmed, gate.StateActiveSingle, gate.StateActiveDouble:
		return standingAgreed
	case gate.StateSoft, gate.StateB2B, gate.StateImplied:
		return standingUnobjected
	case gate.StatePassiveUnconfirmed:
		return standingPassive
	case gate.StateActivePending:
		return standingWaiting
	case gate.StateInvalidated:
		return standingInvalid
	case gate.StateWithdrawn:
		if f.stopped(c) {
			return standingStopped
		}
	}
	if f.Service {
		return standingUnobjected // it needs no consent, and is stopped by name
	}
	return standingNone
}

// choice is one purpose on the preference page.
type choice struct {
	Purpose   string
	Standing  standing
	Said      *said
	CanStop   bool
	CanUndo   bool
	CanAsk    bool
	AskSender bool   // it may be wanted, and this page cannot begin it
	Requested string // when a confirmation was asked for that is still open
}

// preferencesPage is every choice of a person.
type preferencesPage struct {
	Address  string // masked; empty: not shown
	Known    bool   // the store answered
	Notices  []string
	Warnings []string
	Choices  []choice
	Stopped  bool // everything
	UndoAll  bool
}

func (h *handler) preferences(w http.ResponseWriter, r *http.Request) {
	if a, ok := h.open(w, r, TokenPreferences, TokenUnsubscribe); ok {
		h.writePreferences(w, r, a, http.StatusOK, "")
	}
}

// writePreferences answers with the page as things stand now, below a notice of what was done.
func (h *handler) writePreferences(w http.ResponseWriter, r *http.Request, a asked, status int, notice string) {
	l := h.pages.locale(r)
	p := h.preferencesPage(r.Context(), l, a)
	if notice != "" {
		p.Notices = append(p.Notices, notice)
	}
	h.pages.write(w, r, status, l, "preferences.html", l.Pages.Preferences, p)
}

// preferencesPage shows every purpose there is to choose about. Without the store it knows of none what was said, and
// stopping works all the same.
func (h *handler) preferencesPage(ctx context.Context, l *locale, a asked) preferencesPage {
	person, err := h.person(ctx, a)
	p := preferencesPage{Known: err == nil, Stopped: h.Withdrawals.Pending(a.id, gate.AllPurposes)}
	if p.Known {
		p.Address = masked(h.address(person.Sealed))
		p.Stopped = p.Stopped || withdrawn(person.Record, gate.AllPurposes)
		_, p.UndoAll = h.undoable(person, a, gate.AllPurposes)
		p.Warnings = h.warnings(l, person.Record)
	}
	for _, f := range h.purposes(person.Record) {
		p.Choices = append(p.Choices, h.choice(l, a, f, person, p.Known))
	}
	return p
}

// purposes are those of the streams, and those that something is recorded of.
func (h *handler) purposes(r gate.Record) []Flow {
	flows := h.Streams.Purposes()
	for _, purpose := range slices.Sorted(maps.Keys(r.Consents)) {
		isIt := func(f Flow) bool { return f.Purpose == purpose }
		if purpose != gate.AllPurposes && !slices.ContainsFunc(flows, isIt) {
			flows = append(flows, Flow{Purpose: purpose})
		}
	}
	return flows
}

func (h *handler) choice(l *locale, a asked, f Flow, person gate.Person, known bool) choice {
	c := choice{Purpose: f.Purpose, Standing: standingUnknown, CanStop: true}
	consent := person.Record.For(f.Purpose)
	if known {
		c.Standing = standingOf(f, consent)
		c.Said = saidOf(l, person.Events, f.Purpose, consent)
		_, c.CanUndo = h.undoable(person, a, f.Purpose)
	}
	if h.Withdrawals.Pending(a.id, f.Purpose) {
		c.Standing = standingStopped
	}
	c.CanStop = c.Standing != standingStopped
	h.offer(l, &c, f, person, consent)
	return c
}

// offer says how the purpose may be begun: by a message to confirm, or elsewhere.
func (h *handler) offer(l *locale, c *choice, f Flow, person gate.Person, consent gate.Consent) {
	switch c.Standing {
	case standingUnknown, standingAgreed, standingUnobjected:
		return
	}
	if open := h.openRequest(consent); open {
		c.Requested = l.Day(consent.Requested)
		if h.Now().Sub(consent.Requested) < askAgainAfter {
			return
		}
	}
	c.CanAsk = h.canAsk(f, person)
	c.AskSender = !c.CanAsk
}

// canAsk: a message to confirm needs somebody to send it, an address, and a stream whose token it can carry.
func (h *handler) canAsk(f Flow, person gate.Person) bool {
	return h.Confirm != nil && f.Name != "" && !h.address(person.Sealed).IsZero() &&
		!suppressed(person.Record, gate.SuppressionManual) && !h.bounced(person.Record)
}

func suppressed(r gate.Record, kind gate.SuppressionKind) bool {
	return slices.ContainsFunc(r.Suppressions, func(s gate.Suppression) bool {
		return s.Kind == kind && s.Scope == gate.AllPurposes
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
	if suppressed(r, gate.SuppressionManual) {
		sender := frame{locale: l, Brand: h.Brand}.Asker()
		list = append(list, say(l.Notes.Suppressed, "sender", sender))
	}
	return list
}

func (h *handler) preferencesPost(w http.ResponseWriter, r *http.Request) {
	a, ok := h.open(w, r, TokenPreferences, TokenUnsubscribe)
	if !ok {
		return
	}
	fields, ok := form(w, r)
	if !ok {
		return
	}
	switch name, purpose := pressed(fields); name {
	case "stop":
		h.stopChoice(w, r, a, purpose)
	case "undo":
		h.undoChoice(w, r, a, purpose)
	case "ask":
		h.askChoice(w, r, a, purpose)
	default:
		refuse(w, nil)
	}
}

// pressed is the button of a form and its purpose; empty where there is none, or more than the one a person can press.
func pressed(fields url.Values) (name, purpose string) {
	for _, button := range []string{"stop", "undo", "ask"} {
		switch {
		case len(fields[button]) == 0:
		case name != "" || len(fields[button]) > 1 || fields.Get(button) == "":
			return "", ""
		default:
			name, purpose = button, fields.Get(button)
		}
	}
	return name, purpose
}

// stopChoice withdraws from a purpose there is, or from all.
func (h *handler) stopChoice(w http.ResponseWriter, r *http.Request, a asked, purpose string) {
	if !h.isChoice(r.Context(), a, purpose) {
		refuse(w, nil)
		return
	}
	result, err := h.withdraw(r, a, purpose, "preference", byButton)
	if err != nil {
		h.failed(w, r, err)
		return
	}
	l := h.pages.locale(r)
	notice := l.Acts.Stopped
	if result == Accepted {
		notice = l.Acts.Accepted
	}
	h.writePreferences(w, r, a, result.status(), say(notice, "purpose", h.pages.purposeName(l, purpose)))
}

func (h *handler) isChoice(ctx context.Context, a asked, purpose string) bool {
	isIt := func(f Flow) bool { return f.Purpose == purpose }
	if purpose == gate.AllPurposes || slices.ContainsFunc(h.Streams.Purposes(), isIt) {
		return true
	}
	person, err := h.person(ctx, a)
	return err == nil && slices.ContainsFunc(h.purposes(person.Record), isIt)
}

func (h *handler) undoChoice(w http.ResponseWriter, r *http.Request, a asked, purpose string) {
	done, err := h.undo(r, a, purpose)
	if err != nil {
		h.failed(w, r, err)
		return
	}
	l := h.pages.locale(r)
	if !done {
		h.writePreferences(w, r, a, http.StatusConflict, l.Pages.NoUndo.Title+". "+l.Pages.NoUndo.Lead)
		return
	}
	h.writePreferences(w, r, a, http.StatusOK, say(l.Acts.Undone, "purpose", h.pages.purposeName(l, purpose)))
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
		refuse(w, nil)
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
	h.sendRequest(w, r, a, ConfirmRequest{
		ID: a.id, Address: h.address(person.Sealed), Purpose: purpose, Stream: f.Name, Language: l.Lang,
	})
}

func (h *handler) sendRequest(w http.ResponseWriter, r *http.Request, a asked, c ConfirmRequest) {
	l := h.pages.locale(r)
	name := h.pages.purposeName(l, c.Purpose)
	if err := h.Confirm(r.Context(), c); err != nil {
		h.Log.Error("message to confirm not sent", "purpose", c.Purpose, "error", err)
		h.writePreferences(w, r, a, http.StatusServiceUnavailable, say(l.Acts.NotSent, "purpose", name))
		return
	}
	h.writePreferences(w, r, a, http.StatusOK, say(l.Acts.Asked, "purpose", name))
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
