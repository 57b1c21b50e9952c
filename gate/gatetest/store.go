package gatetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// Store is a consent store in memory. It serves every port and is safe for concurrent use.
type Store struct {
	// Now is the clock behind times to live; set it before use. Default: time.Now.
	Now func() time.Time

	mu      sync.Mutex
	trouble error         // returned by everything while it is set
	frozen  chan struct{} // closed by Thaw; nil: not frozen
	data
}

// data is what the store remembers and what Empty loses.
type data struct {
	meta    *gate.Meta // nil: never initialised
	persons map[gate.ID]*gate.Person
	streams map[string]string
	blocks  []gate.BlockEntry
	counts  map[string]map[string]int64
	members map[string]members
	leases  map[string]lease
	marks   map[string]gate.Mark

	acts     []gate.AuditEntry
	wordings []gate.WordingText
}

// lease is who may go on with one ledger key, and until when.
type lease struct {
	owner string
	until time.Time
}

// members are the noted copies of one ledger key.
type members struct {
	names   map[string]bool
	expires time.Time
}

var _ gate.Store = (*Store)(nil)

// NewStore returns a store that is initialised and ready for use.
func NewStore() *Store {
	s := NewEmptyStore()
	s.meta = &gate.Meta{Schema: 1, Fingerprint: "gatetest", Created: time.Unix(0, 0).UTC()}
	return s
}

// NewEmptyStore returns a store that was never initialised.
func NewEmptyStore() *Store { return &Store{Now: time.Now, data: newData()} }

func newData() data {
	return data{
		persons: make(map[gate.ID]*gate.Person),
		streams: make(map[string]string),
		counts:  make(map[string]map[string]int64),
		members: make(map[string]members),
		leases:  make(map[string]lease),
		marks:   make(map[string]gate.Mark),
	}
}

// Fail makes every call return err wrapped in [gate.ErrUnavailable] until Fail(nil).
func (s *Store) Fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trouble = err
}

// Freeze makes every call hang until its context ends or Thaw is called.
func (s *Store) Freeze() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen == nil {
		s.frozen = make(chan struct{})
	}
}

// Thaw ends Freeze.
func (s *Store) Thaw() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.frozen != nil {
		close(s.frozen)
		s.frozen = nil
	}
}

// Empty loses everything, as a FLUSHALL or a lost disk does.
func (s *Store) Empty() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.data = newData()
}

// lock takes the mutex once the store is neither frozen nor in trouble. On an error the mutex is not held.
func (s *Store) lock(ctx context.Context) error {
	for {
		if err := ctx.Err(); err != nil {
			return unavailable(err)
		}
		s.mu.Lock()
		frozen, trouble := s.frozen, s.trouble
		if frozen == nil && trouble == nil {
			return nil
		}
		s.mu.Unlock()
		if trouble != nil {
			return unavailable(trouble)
		}
		select {
		case <-frozen:
		case <-ctx.Done():
		}
	}
}

// lockReady is lock for the calls that need an initialised store.
func (s *Store) lockReady(ctx context.Context) error {
	if err := s.lock(ctx); err != nil {
		return err
	}
	if s.meta == nil {
		s.mu.Unlock()
		return unavailable(gate.ErrUninitialised)
	}
	return nil
}

func unavailable(err error) error {
	if errors.Is(err, gate.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", gate.ErrUnavailable, err)
}

// Records implements [gate.Reader].
func (s *Store) Records(ctx context.Context, ids []gate.ID) []gate.Lookup {
	out := make([]gate.Lookup, len(ids))
	if err := s.lockReady(ctx); err != nil {
		for i := range out {
			out[i].Err = err
		}
		return out
	}
	defer s.mu.Unlock()
	for i, id := range ids {
		if p := s.persons[id]; p != nil {
			out[i].Record = clone(p.Record)
		}
	}
	return out
}

// Apply implements [gate.Applier].
func (s *Store) Apply(ctx context.Context, changes []gate.Change) []gate.Applied {
	out := make([]gate.Applied, len(changes))
	for i, c := range changes {
		if err := s.lockReady(ctx); err != nil {
			out[i].Err = err
			continue
		}
		out[i] = s.apply(c)
		s.mu.Unlock()
	}
	return out
}

func (s *Store) apply(c gate.Change) gate.Applied {
	p := s.persons[c.ID]
	if p == nil {
		p = &gate.Person{ID: c.ID}
		s.persons[c.ID] = p
	}
	c.Event.Recipient = ""
	event, record, dup := gate.Extend(p.Events, c)
	if dup {
		return gate.Applied{Record: clone(p.Record), Duplicate: true}
	}
	if p.Sealed == "" && !gate.ErasedSince(p.Events, c.Event.Time) {
		p.Sealed = c.Sealed
	}
	record.Version = p.Record.Version + 1
	p.Record, p.Events = record, append(p.Events, event)
	return gate.Applied{Record: clone(record)}
}

// Person implements [gate.Historian].
func (s *Store) Person(ctx context.Context, id gate.ID) (gate.Person, error) {
	if err := s.lockReady(ctx); err != nil {
		return gate.Person{}, err
	}
	defer s.mu.Unlock()
	return s.person(id), nil
}

func (s *Store) person(id gate.ID) gate.Person {
	p := s.persons[id]
	if p == nil {
		return gate.Person{ID: id}
	}
	return gate.Person{ID: id, Record: clone(p.Record), Sealed: p.Sealed, Events: slices.Clone(p.Events)}
}

// Persons implements [gate.Scanner].
func (s *Store) Persons(ctx context.Context) iter.Seq2[gate.Person, error] {
	return func(yield func(gate.Person, error) bool) {
		if err := s.lockReady(ctx); err != nil {
			yield(gate.Person{}, err)
			return
		}
		ids := slices.Collect(maps.Keys(s.persons))
		s.mu.Unlock()
		for _, id := range ids {
			p, err := s.Person(ctx, id)
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}

// clone copies what a caller could change.
func clone(r gate.Record) gate.Record {
	r.Consents = maps.Clone(r.Consents)
	r.Suppressions = slices.Clone(r.Suppressions)
	return r
}
