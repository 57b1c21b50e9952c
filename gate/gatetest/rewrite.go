package gatetest

import (
	"context"
	"slices"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// Rewrite implements [gate.Rewriter].
func (s *Store) Rewrite(ctx context.Context, rewrites []gate.Rewrite) []error {
	out := make([]error, len(rewrites))
	for i, r := range rewrites {
		if out[i] = s.lockReady(ctx); out[i] == nil {
			out[i] = s.rewrite(r)
			s.mu.Unlock()
		}
	}
	return out
}

func (s *Store) rewrite(r gate.Rewrite) error {
	id := r.Person.ID
	if s.person(id).Record.Version != r.Was {
		return gate.ErrChanged
	}
	if len(r.Person.Events) == 0 {
		delete(s.persons, id)
		return nil
	}
	p := r.Person
	p.Record, p.Events = clone(p.Record), slices.Clone(p.Events)
	for i := range p.Events {
		p.Events[i].Recipient = ""
	}
	s.persons[id] = &p
	return nil
}

// TrimBlocks implements [gate.BlockTrimmer].
func (s *Store) TrimBlocks(ctx context.Context, before time.Time) (int, error) {
	if err := s.lockReady(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	n := len(s.blocks)
	s.blocks = slices.DeleteFunc(s.blocks, func(e gate.BlockEntry) bool { return e.Time.Before(before) })
	return n - len(s.blocks), nil
}
