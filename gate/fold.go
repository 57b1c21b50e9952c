package gate

import (
	"cmp"
	"slices"
	"time"
)

// Fold computes the record that a history adds up to. It is the only place where events become states: the same
// events in any order, and any of them twice, give the same record. Version stays 0.
func Fold(events []Event) Record {
	ordered := inOrder(events)
	rec := Record{Jurisdiction: lastJurisdiction(ordered), Suppressions: foldSuppressions(ordered)}
	for _, purpose := range purposes(ordered) {
		c := foldPurpose(ordered, purpose)
		if c == (Consent{State: StateNone}) {
			continue
		}
		if c.Jurisdiction == rec.Jurisdiction {
			c.Jurisdiction = "" // the record says it
		}
		if rec.Consents == nil {
			rec.Consents = make(map[string]Consent, 1)
		}
		rec.Consents[purpose] = c
	}
	return rec
}

// Extend is what a store does inside its compare-and-set: it adds the change to a history and folds. stored is the
// event to append, without the recipient; dup says that an event of this id stands already, and then stored is that
// one and rec is the history's own fold.
//
// A live act of the person is timed not before anything recorded. A refusal takes the latest time as it is, because it
// wins a tie; anything else is put behind it.
//
// What happened before an erasure and arrives after it, from a journal or a file, is recorded as the bare fact: what else
// it says was erased.
func Extend(history []Event, c Change) (stored Event, rec Record, dup bool) {
	for _, e := range history {
		if e.ID == c.Event.ID && e.ID != "" {
			return e, Fold(history), true
		}
	}
	stored = c.Event
	stored.Recipient = ""
	if ErasedSince(history, stored.Time) {
		stored = Event{ID: stored.ID, Type: stored.Type, Purpose: stored.Purpose, Time: stored.Time}
	}
	if c.Live {
		stored.Time = liveTime(history, stored)
	}
	all := make([]Event, 0, len(history)+1)
	all = append(append(all, history...), stored)
	return stored, Fold(all), false
}

// ErasedSince reports whether the recipient was erased at that time or later. A store keeps no address then that comes
// with an event of that time.
func ErasedSince(history []Event, at time.Time) bool {
	return slices.ContainsFunc(history, func(e Event) bool { return e.Type == Erased && !at.After(e.Time) })
}

func liveTime(history []Event, e Event) time.Time {
	at := e.Time
	for _, h := range history {
		switch {
		case h.Time.After(at):
			at = h.Time
			if !e.IsRefusal() {
				at = at.Add(1)
			}
		case h.Time.Equal(at) && !e.IsRefusal():
			at = at.Add(1)
		}
	}
	return at
}

// purposes lists what the events say of consent, in order of appearance.
func purposes(ordered []*Event) []string {
	found := make([]string, 0, 2)
	for _, e := range ordered {
		switch e.Type {
		case Bounced, Suppressed, Unsuppressed, struck:
			continue
		}
		if p := e.scope(); !slices.Contains(found, p) {
			found = append(found, p)
		}
	}
	return found
}

// scope is the purpose that an event speaks of; one that names none speaks of all.
func (e *Event) scope() string { return cmp.Or(e.Purpose, AllPurposes) }

func foldPurpose(ordered []*Event, purpose string) Consent {
	m := machine{c: Consent{State: StateNone}}
	for _, e := range ordered {
		switch {
		case e.scope() == AllPurposes:
			m.applyToAll(e)
		case e.scope() == purpose, e.Type == Erased:
			m.apply(e)
		}
	}
	return m.c
}

func lastJurisdiction(ordered []*Event) string {
	last := ""
	for _, e := range ordered {
		if e.Type == Erased {
			last = ""
		}
		last = cmp.Or(e.Jurisdiction, last)
	}
	return last
}

// foldSuppressions keeps the latest entry of each kind and scope. Erasure leaves them: they are refusals, or facts
// about a mailbox.
func foldSuppressions(ordered []*Event) []Suppression {
	var list []Suppression
	for _, e := range ordered {
		switch e.Type {
		case Complained:
			list = suppress(list, SuppressionComplained, e.scope(), e.Time)
		case Bounced:
			list = suppress(list, SuppressionHardBounced, AllPurposes, e.Time)
		case Suppressed:
			list = suppress(list, SuppressionManual, e.scope(), e.Time)
		case Unsuppressed:
			list = slices.DeleteFunc(list, func(s Suppression) bool {
				return s.Scope == e.scope() && s.Kind != SuppressionComplained
			})
		}
	}
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, func(a, b Suppression) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Scope, b.Scope))
	})
	return list
}

func suppress(list []Suppression, kind SuppressionKind, scope string, at time.Time) []Suppression {
	for i := range list {
		if list[i].Kind == kind && list[i].Scope == scope {
			list[i].At = seconds(at)
			return list
		}
	}
	return append(list, Suppression{Kind: kind, Scope: scope, At: seconds(at)})
}

// seconds cuts t to the record's resolution.
func seconds(t time.Time) time.Time { return time.Unix(t.Unix(), 0).UTC() }
