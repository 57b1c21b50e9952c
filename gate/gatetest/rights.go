package gatetest

import (
	"context"
	"iter"
	"slices"

	"github.com/consentgate/consentgate/gate"
)

// EraseBlocks implements [gate.BlockEraser].
func (s *Store) EraseBlocks(ctx context.Context, id gate.ID) (n int, err error) {
	if err := s.lockReady(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	for i, e := range s.blocks {
		if e.RecipientID == id && !e.Erased() {
			s.blocks[i] = e.Erase()
			n++
		}
	}
	return n, nil
}

// AppendAct implements [gate.Trail].
func (s *Store) AppendAct(ctx context.Context, a gate.Act) (gate.AuditEntry, error) {
	if err := s.lockReady(ctx); err != nil {
		return gate.AuditEntry{}, err
	}
	defer s.mu.Unlock()
	head := gate.AuditEntry{}
	if n := len(s.acts); n > 0 {
		head = s.acts[n-1]
	}
	s.acts = append(s.acts, head.Next(a))
	return s.acts[len(s.acts)-1], nil
}

// Acts implements [gate.Trail].
func (s *Store) Acts(ctx context.Context, from uint64) iter.Seq2[gate.AuditEntry, error] {
	return func(yield func(gate.AuditEntry, error) bool) {
		if err := s.lock(ctx); err != nil {
			yield(gate.AuditEntry{}, err)
			return
		}
		acts := slices.Clone(s.acts)
		s.mu.Unlock()
		for _, e := range acts {
			if e.Seq >= from && !yield(e, nil) {
				return
			}
		}
	}
}

// AddWording implements [gate.Wordings].
func (s *Store) AddWording(ctx context.Context, w gate.WordingText) error {
	if err := s.lockReady(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	for _, have := range s.wordings {
		if have.Compare(w) == 0 {
			return have.Same(w)
		}
	}
	s.wordings = append(s.wordings, w)
	slices.SortFunc(s.wordings, gate.WordingText.Compare)
	return nil
}

// WordingTexts implements [gate.Wordings].
func (s *Store) WordingTexts(ctx context.Context, id string) (found []gate.WordingText, err error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	for _, w := range s.wordings {
		if id == "" || w.ID == id {
			found = append(found, w)
		}
	}
	return found, nil
}
