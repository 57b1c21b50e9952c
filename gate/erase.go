package gate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Erasure is the erasing of one recipient (GDPR art. 17).
type Erasure struct {
	ID    string // of the event that records it
	Time  time.Time
	Actor string
	// KeepProof keeps what was said and when, without the address, where a legal claim needs it (art. 17(3)(e)).
	KeepProof bool
}

// Remains is the history that an erasure leaves of a recipient; none where nothing has to stay. Refusals do stay, so
// that an import cannot bring the recipient back (art. 21(3)); a bounce is a fact about a mailbox and goes.
func (x Erasure) Remains(history []Event) []Event {
	erased := Event{ID: x.ID, Type: Erased, Time: x.Time, Actor: x.Actor}
	if x.KeepProof {
		return x.proof(history, erased)
	}
	kept := refusals(Fold(append(slices.Clone(history), erased)))
	if len(kept) == 0 {
		return nil
	}
	for _, e := range kept {
		if e.Time.After(erased.Time) {
			erased.Time = e.Time
		}
	}
	return append(kept, erased)
}

// proof is the history without what names or describes the person beyond the recipient id.
func (x Erasure) proof(history []Event, erased Event) []Event {
	if len(history) == 0 {
		return nil
	}
	kept := make([]Event, 0, len(history)+1)
	for _, e := range history {
		if e.ID == x.ID {
			return history // this erasure again
		}
		e.Recipient, e.IP, e.UserAgent, e.Note, e.Source.URL = "", "", "", "", ""
		if e.Time.After(erased.Time) {
			erased.Time = e.Time
		}
		kept = append(kept, e)
	}
	return append(kept, erased)
}

// Refusals are the fewest events whose fold refuses what the history does: what has to stay where all else goes.
func Refusals(history []Event) []Event { return refusals(Fold(history)) }

// refusals are the fewest events whose fold refuses what r refuses. Their ids say nothing: those of the events they
// stand for may have been chosen by an application.
func refusals(r Record) []Event {
	var events []Event
	for _, s := range r.Suppressions {
		switch s.Kind {
		case SuppressionComplained:
			events = append(events, Event{Type: Complained, Purpose: s.Scope, Time: s.At})
		case SuppressionManual:
			events = append(events, Event{Type: Suppressed, Purpose: s.Scope, Time: s.At})
		}
	}
	purposes := make([]string, 0, len(r.Consents))
	for p := range r.Consents {
		purposes = append(purposes, p)
	}
	// "*" sorts before every name: a purpose refused with it needs no event of its own.
	slices.Sort(purposes)
	for _, p := range purposes {
		c := r.Consents[p]
		if c.refused() && !sameRefusal(Fold(events).For(p), c) {
			events = append(events, Event{Type: Withdrawn, Purpose: p, Time: c.Refused})
		}
	}
	slices.SortStableFunc(events, func(a, b Event) int { return cmp.Compare(precedence(a.Type), precedence(b.Type)) })
	for i := range events {
		events[i].ID = "kept:" + string(events[i].Type) + ":" + events[i].Purpose
	}
	return events
}

func sameRefusal(got, want Consent) bool {
	return got.refused() && got.ByAll == want.ByAll && !got.Refused.Before(want.Refused)
}

// Forgotten is what an erasure did.
type Forgotten struct {
	Record Record // as it stands afterwards
	Events int    // that were removed
	Kept   int    // that remain, the one that records the erasure included
	Blocks int    // entries of the blocked-send log that lost the address
}

// Erase returns the entry without what names the person or was chosen by somebody who may have written the address
// into it: reverse-paths of bulk mail often hold it. What was decided and why stays.
func (e BlockEntry) Erase() BlockEntry {
	e.Recipient, e.Address, e.MailFrom, e.MessageID, e.Reply = "", "", "", "", ""
	return e
}

// Erased reports whether Erase would change nothing.
func (e BlockEntry) Erased() bool { return e == e.Erase() }

// EraserStore is what an erasure needs of a store.
type EraserStore interface {
	Historian
	Rewriter
	BlockEraser
}

// Eraser is the one door for erasing a person: CLI and API.
type Eraser struct{ Store EraserStore }

// maxEraseRounds bounds how often an erasure starts again because the recipient was changed meanwhile.
const maxEraseRounds = 20

// Erase leaves of the recipient what x.Remains says, without the sealed address, and then takes the address from the
// block entries. Erasing again is harmless, and completes what was interrupted. Errors wrap ErrUnavailable.
func (er Eraser) Erase(ctx context.Context, id ID, x Erasure) (Forgotten, error) {
	done, err := er.history(ctx, id, x)
	if err != nil {
		return done, err
	}
	done.Blocks, err = er.Store.EraseBlocks(ctx, id)
	return done, err
}

func (er Eraser) history(ctx context.Context, id ID, x Erasure) (Forgotten, error) {
	err := ErrChanged
	for range maxEraseRounds {
		var p Person
		if p, err = er.Store.Person(ctx, id); err != nil {
			return Forgotten{}, err
		}
		if len(p.Events) == 0 {
			return Forgotten{}, nil
		}
		left := Person{ID: id, Events: x.Remains(p.Events)}
		left.Record = Fold(left.Events)
		left.Record.Version = p.Record.Version + uint64(len(left.Events)) + 1
		err = er.Store.Rewrite(ctx, []Rewrite{{Was: p.Record.Version, Person: left}})[0]
		if !errors.Is(err, ErrChanged) {
			return Forgotten{Record: left.Record, Events: removed(p.Events, left.Events), Kept: len(left.Events)}, err
		}
	}
	return Forgotten{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// removed counts the events that stand no more as they were.
func removed(before, after []Event) (n int) {
	for _, e := range before {
		if !slices.Contains(after, e) {
			n++
		}
	}
	return n
}
