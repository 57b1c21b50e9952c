package gate

import (
	"cmp"
	"fmt"
	"slices"
)

// inOrder returns the events in the one order that counts, each id once.
func inOrder(events []Event) []*Event {
	ordered := make([]*Event, len(events))
	for i := range events {
		ordered[i] = &events[i]
	}
	if len(ordered) < 2 {
		return ordered
	}
	slices.SortFunc(ordered, byID)
	ordered = slices.CompactFunc(ordered, func(a, b *Event) bool { return a.ID != "" && a.ID == b.ID })
	slices.SortFunc(ordered, byTime)
	return ordered
}

// byID puts events of one id side by side. Two that share an id are one event; should they differ, a refusal stands.
func byID(a, b *Event) int {
	return cmp.Or(
		cmp.Compare(a.ID, b.ID),
		-cmp.Compare(precedence(a.Type), precedence(b.Type)),
		byTime(a, b),
	)
}

// byTime is a total order: time, then in a tie what speaks against sending last, then id, then content.
func byTime(a, b *Event) int {
	if c := a.Time.Compare(b.Time); c != 0 {
		return c
	}
	if c := cmp.Or(cmp.Compare(precedence(a.Type), precedence(b.Type)), cmp.Compare(a.ID, b.ID)); c != 0 {
		return c
	}
	return cmp.Compare(fmt.Sprintf("%+v", *a), fmt.Sprintf("%+v", *b))
}

// precedence orders events of the same moment as life does: a grant before its confirmation, and every no after
// every yes.
func precedence(t EventType) int {
	return slices.Index([]EventType{
		Granted, Renewed, ConfirmationRequested, Confirmed, Restored, Activity, Unsuppressed,
		Bounced, Suppressed, Invalidated, Erased, Refused, Withdrawn, Complained,
	}, t)
}
