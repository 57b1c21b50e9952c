package stats

import (
	"context"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// Store counts each event that a store takes, once, through whichever door it came. Everything else is the store's own.
type Store struct {
	gate.Store
	sums *Sums
	now  func() time.Time
	// withdrawn hears how long after the person's act a live withdrawal stood in the store; may be nil.
	withdrawn func(time.Duration)
}

// Counting wraps s. withdrawn hears how long after the person's act a live withdrawal stood in the store; may be nil.
func Counting(s gate.Store, sums *Sums, now func() time.Time, withdrawn func(time.Duration)) *Store {
	return &Store{Store: s, sums: sums, now: now, withdrawn: withdrawn}
}

// Apply implements [gate.Applier].
func (s *Store) Apply(ctx context.Context, changes []gate.Change) []gate.Applied {
	applied := s.Store.Apply(ctx, changes)
	now := s.now()
	all := make([]counted, 0, len(changes))
	for i, c := range changes {
		if now.Sub(c.Event.Time) > oldest {
			continue
		}
		for _, n := range c.Counters(applied[i]) {
			all = append(all, counted{c.Event.Time.UTC().Format(time.DateOnly), n})
		}
		if s.withdrawn != nil && c.Live && c.Event.Type == gate.Withdrawn && applied[i].Err == nil && !applied[i].Duplicate {
			s.withdrawn(now.Sub(c.Event.Time))
		}
	}
	s.sums.addOn(all)
	return applied
}
