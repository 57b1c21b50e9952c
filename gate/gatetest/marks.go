package gatetest

import (
	"context"
	"maps"
	"slices"

	"github.com/consentgate/consentgate/gate"
)

// Mark implements [gate.Invalidations].
func (s *Store) Mark(ctx context.Context, m gate.Mark) error {
	if err := s.lockReady(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	s.marks[m.ID] = m
	return nil
}

// Marks implements [gate.Invalidations].
func (s *Store) Marks(ctx context.Context) ([]gate.Mark, error) {
	if err := s.lockReady(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	return slices.Collect(maps.Values(s.marks)), nil
}
