package unsub

import (
	"maps"
	"net/http"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// undoable returns the event that takes back the last withdrawal from the purpose by this token, and whether it would
// change anything: gate.Fold alone decides that.
func (h *handler) undoable(p gate.Person, a asked, purpose string) (gate.Event, bool) {
	w, ok := lastWithdrawal(p.Events, a.ref, purpose)
	if !ok {
		return gate.Event{}, false
	}
	e := restoring(w, a, h.Now().UTC())
	_, after, _ := gate.Extend(p.Events, gate.Change{ID: a.id, Event: e, Live: true})
	return e, !maps.Equal(gate.Fold(p.Events).Consents, after.Consents)
}

func lastWithdrawal(events []gate.Event, ref, purpose string) (last gate.Event, ok bool) {
	for _, e := range events {
		if e.Type == gate.Withdrawn && e.Purpose == purpose && e.Evidence.Ref == ref && !e.Time.Before(last.Time) {
			last, ok = e, true
		}
	}
	return last, ok
}

// restoring is the undo of w. Its id is made of w's, so that clicking twice is one undo.
func restoring(w gate.Event, a asked, now time.Time) gate.Event {
	return gate.Event{
		ID: "undo-" + w.ID, Type: gate.Restored, Purpose: w.Purpose, Time: now,
		Source:   gate.Source{Kind: "unsubscribe", ID: a.flow.Name},
		Evidence: gate.Evidence{Ref: w.ID},
	}
}

// undo takes back the last withdrawal from the purpose by this token. It is false where there is none any more that
// could be taken back, and true again for one that was.
func (h *handler) undo(r *http.Request, a asked, purpose string) (bool, error) {
	p, err := h.person(r.Context(), a)
	if err != nil {
		return false, err
	}
	e, ok := h.undoable(p, a, purpose)
	if !ok {
		return e.ID != "" && undone(p, e), nil
	}
	applied, err := h.write(r, a, e)
	if err != nil {
		return false, err
	}
	return !maps.Equal(p.Record.Consents, applied.Record.Consents), nil
}

// undone reports whether the undo stands in the history and the withdrawal has not been said again.
func undone(p gate.Person, e gate.Event) bool {
	for _, h := range p.Events {
		if h.ID == e.ID {
			return p.Record.For(e.Purpose).State != gate.StateWithdrawn
		}
	}
	return false
}
