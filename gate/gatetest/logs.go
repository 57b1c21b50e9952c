package gatetest

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// AppendBlocks implements [gate.BlockLog].
func (s *Store) AppendBlocks(ctx context.Context, entries []gate.BlockEntry) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	for _, e := range entries {
		known := func(have gate.BlockEntry) bool { return have.ID == e.ID }
		if !slices.ContainsFunc(s.blocks, known) {
			s.blocks = append(s.blocks, e)
		}
	}
	return nil
}

// Blocks implements [gate.BlockLog].
func (s *Store) Blocks(ctx context.Context, q gate.BlockQuery) iter.Seq2[gate.BlockEntry, error] {
	return func(yield func(gate.BlockEntry, error) bool) {
		if err := s.lock(ctx); err != nil {
			yield(gate.BlockEntry{}, err)
			return
		}
		entries := slices.Clone(s.blocks)
		s.mu.Unlock()
		slices.SortStableFunc(entries, func(a, b gate.BlockEntry) int { return b.Time.Compare(a.Time) })
		n := 0
		for _, e := range entries {
			if !q.Matches(e) {
				continue
			}
			if n++; !yield(e, nil) || n == q.Limit {
				return
			}
		}
	}
}

// AddCounts implements [gate.Counters].
func (s *Store) AddCounts(ctx context.Context, day time.Time, counts map[string]int64) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	key := day.UTC().Format(time.DateOnly)
	if s.counts[key] == nil {
		s.counts[key] = make(map[string]int64)
	}
	for name, n := range counts {
		s.counts[key][name] += n
	}
	return nil
}

// Counts implements [gate.Counters].
func (s *Store) Counts(ctx context.Context, from, to time.Time) (map[string]map[string]int64, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	first, last := from.UTC().Format(time.DateOnly), to.UTC().Format(time.DateOnly)
	out := make(map[string]map[string]int64)
	for day, counts := range s.counts {
		if day >= first && day <= last {
			out[day] = maps.Clone(counts)
		}
	}
	return out, nil
}

// Enter implements [gate.Ledger].
func (s *Store) Enter(ctx context.Context, key, owner string, ttl time.Duration) ([]string, bool, error) {
	if err := s.lock(ctx); err != nil {
		return nil, false, err
	}
	defer s.mu.Unlock()
	now := s.Now()
	if held, taken := s.leases[key]; taken && held.owner != owner && !now.After(held.until) {
		return nil, false, nil
	}
	s.leases[key] = lease{owner, now.Add(ttl)}
	m := s.members[key]
	if now.After(m.expires) {
		return nil, true, nil
	}
	return slices.Collect(maps.Keys(m.names)), true, nil
}

// Leave implements [gate.Ledger].
func (s *Store) Leave(ctx context.Context, key, owner string) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	s.release(key, owner)
	return nil
}

// release ends owner's lease.
func (s *Store) release(key, owner string) {
	if s.leases[key].owner == owner {
		delete(s.leases, key)
	}
}

// Note implements [gate.Ledger].
func (s *Store) Note(ctx context.Context, key string, names []string, ttl time.Duration) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	m := s.members[key]
	if m.names == nil || s.Now().After(m.expires) {
		m.names = make(map[string]bool)
	}
	for _, name := range names {
		m.names[name] = true
	}
	if expires := s.Now().Add(ttl); expires.After(m.expires) {
		m.expires = expires
	}
	s.members[key] = m
	return nil
}

// Forget implements [gate.Ledger].
func (s *Store) Forget(ctx context.Context, key, owner string, names []string) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	for _, name := range names {
		delete(s.members[key].names, name)
	}
	s.release(key, owner)
	return nil
}

// Open implements [gate.Ledger].
func (s *Store) Open(ctx context.Context) (bool, error) {
	if err := s.lock(ctx); err != nil {
		return false, err
	}
	defer s.mu.Unlock()
	for _, m := range s.members {
		if len(m.names) > 0 && !s.Now().After(m.expires) {
			return true, nil
		}
	}
	return false, nil
}

// Meta implements [gate.Keeper].
func (s *Store) Meta(ctx context.Context) (gate.Meta, error) {
	if err := s.lock(ctx); err != nil {
		return gate.Meta{}, err
	}
	defer s.mu.Unlock()
	if s.meta == nil {
		return gate.Meta{}, gate.ErrUninitialised
	}
	if s.meta.Unfinished {
		return *s.meta, gate.ErrUnfinished
	}
	return *s.meta, nil
}

// Init implements [gate.Keeper]; the schema is 1, whatever m says.
func (s *Store) Init(ctx context.Context, m gate.Meta) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	switch {
	case s.meta == nil:
		m.Schema = 1
		s.meta = &m
	case s.meta.Fingerprint != m.Fingerprint:
		return fmt.Errorf("the store belongs to id key %s, this is id key %s", s.meta.Fingerprint, m.Fingerprint)
	case s.meta.Unfinished && !m.Unfinished:
		return gate.ErrUnfinished
	}
	return nil
}

// SetUnfinished implements [gate.Keeper].
func (s *Store) SetUnfinished(ctx context.Context, unfinished bool) error {
	if err := s.lockReady(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	s.meta.Unfinished = unfinished
	return nil
}

// Ping implements [gate.Keeper].
func (s *Store) Ping(ctx context.Context) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	s.mu.Unlock()
	return nil
}

// RememberStreams implements [gate.Keeper].
func (s *Store) RememberStreams(ctx context.Context, streams map[string]string) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	maps.Copy(s.streams, streams)
	return nil
}

// Streams implements [gate.Keeper].
func (s *Store) Streams(ctx context.Context) (map[string]string, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	return maps.Clone(s.streams), nil
}

// Notes implements [gate.Keeper]; memory has no settings to check.
func (s *Store) Notes(ctx context.Context) ([]string, error) {
	if err := s.lock(ctx); err != nil {
		return nil, err
	}
	s.mu.Unlock()
	return nil, nil
}

// Close implements [gate.Keeper].
func (s *Store) Close() error { return nil }
