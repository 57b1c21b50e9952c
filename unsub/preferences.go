package unsub

import (
	"context"
	"maps"
	"net/http"
	"net/url"
	"slices"

	"github.com/consentgate/consentgate/gate"
)

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
	CanSend   bool   // its message, if that did not leave
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
		c := h.choice(l, a, f, person, p.Known)
		c.Said = h.withText(ctx, c.Said, person.Events, f.Purpose, person.Record.For(f.Purpose))
		p.Choices = append(p.Choices, c)
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
		if c.Standing == standingUnobjected {
			c.Said = c.Said.unstopped()
		}
		_, c.CanUndo = h.undoable(person, a, f.Purpose)
	}
	if h.Withdrawals.Pending(a.id, f.Purpose) {
		c.Standing = standingStopped
	}
	c.CanStop = c.Standing != standingStopped
	h.offer(l, &c, f, person, consent)
	c.CanSend = !c.CanAsk && c.Requested != "" && h.canSend(f, person)
	return c
}

func (h *handler) preferencesPost(w http.ResponseWriter, r *http.Request) {
	a, ok := h.open(w, r, TokenPreferences, TokenUnsubscribe)
	if !ok {
		return
	}
	fields, ok := h.fields(w, r)
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
	case "send":
		h.sendChoice(w, r, a, purpose)
	default:
		h.refuse(w, r, http.StatusBadRequest)
	}
}

// pressed is the button of a form and its purpose; empty where there is none, or more than the one a person can press.
func pressed(fields url.Values) (name, purpose string) {
	for _, button := range []string{"stop", "undo", "ask", "send"} {
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
		h.refuse(w, r, http.StatusBadRequest)
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
