package stats

import (
	"context"
	"errors"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// What one process adds to the names of a day. Later sources, purposes and streams are counted together as "other".
const (
	maxSources  = 1000
	maxPurposes = 200
)

// maxFresh is how many different counters are held apart before they are summed by day; it bounds the memory of an
// import that runs for long.
const maxFresh = 10_000

// oldest is how far back an event counts on its own day; older ones are history that was brought in.
const oldest = 400 * 24 * time.Hour

// Sums counts in memory and brings the sums into a store, off the path of messages. What the store does not take waits
// for the next Flush. It may be used by many goroutines.
type Sums struct {
	store gate.Counters
	now   func() time.Time

	mu     sync.Mutex
	fresh  map[counted]int64
	owed   map[string]map[string]int64 // by day: what the store has yet to take
	totals map[gate.Counter]int64      // since the start, without source, method and purpose
	known  known

	flushing sync.Mutex // one Flush at a time
}

// counted is a counter on a UTC day, "2026-11-23"; empty: the day of the next Flush.
type counted struct {
	day string
	gate.Counter
}

// NewSums counts for store.
func NewSums(store gate.Counters, now func() time.Time) *Sums {
	return &Sums{
		store: store, now: now, fresh: make(map[counted]int64),
		owed: make(map[string]map[string]int64), totals: make(map[gate.Counter]int64),
	}
}

// Add counts one.
func (s *Sums) Add(c gate.Counter) {
	s.mu.Lock()
	s.fresh[counted{Counter: c}]++
	s.mu.Unlock()
}

// addOn counts counters on the days on which their events happened.
func (s *Sums) addOn(all []counted) {
	if len(all) == 0 {
		return
	}
	s.mu.Lock()
	for _, c := range all {
		s.fresh[c]++
	}
	if len(s.fresh) >= maxFresh {
		s.take()
	}
	s.mu.Unlock()
}

// Totals returns everything counted since the start, by what, stream, reason and event type only: sets that are small.
func (s *Sums) Totals() map[gate.Counter]int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.take()
	return maps.Clone(s.totals)
}

// Flush hands the sums to the store, a call for each day. Days that the store does not take are kept.
func (s *Sums) Flush(ctx context.Context) error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	s.mu.Lock()
	s.take()
	owed := s.owed
	s.owed = make(map[string]map[string]int64)
	s.mu.Unlock()
	var errs error
	for day, sums := range owed {
		if err := s.hand(ctx, day, sums); err != nil {
			errs = errors.Join(errs, err)
			s.mu.Lock()
			s.owe(day, sums)
			s.mu.Unlock()
		}
	}
	return errs
}

func (s *Sums) hand(ctx context.Context, day string, sums map[string]int64) error {
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return err
	}
	return s.store.AddCounts(ctx, at, sums)
}

// take moves what is fresh to the totals and to what is owed. The caller holds mu.
func (s *Sums) take() {
	today := s.now().UTC().Format(time.DateOnly)
	s.known.begin(today)
	for c, n := range s.fresh {
		if c.day == "" {
			c.day = today
		}
		s.known.bound(&c.Counter)
		s.totals[gate.Counter{What: c.What, Stream: c.Stream, Reason: c.Reason, Event: c.Event}] += n
		plain, source := names(c.Counter)
		sums := s.day(c.day)
		sums[plain] += n
		if source != "" {
			sums[source] += n
		}
	}
	clear(s.fresh)
}

func (s *Sums) owe(day string, sums map[string]int64) {
	owed := s.day(day)
	for name, n := range sums {
		owed[name] += n
	}
}

func (s *Sums) day(day string) map[string]int64 {
	if s.owed[day] == nil {
		s.owed[day] = make(map[string]int64)
	}
	return s.owed[day]
}

// known remembers the free words that today's counters have used, so that a day's names stay few.
type known struct {
	day               string
	sources, purposes map[string]string
}

func (k *known) begin(day string) {
	if k.day != day {
		*k = known{day: day, sources: make(map[string]string), purposes: make(map[string]string)}
	}
}

func (k *known) bound(c *gate.Counter) {
	c.Source = bounded(k.sources, c.Source, maxSources)
	c.Purpose = bounded(k.purposes, c.Purpose, maxPurposes)
	c.Stream = bounded(k.purposes, c.Stream, maxPurposes)
}

// bounded returns word, or other where there have been enough different ones. What it keeps is a copy: a word may be a
// piece of a large answer of the store.
func bounded(seen map[string]string, word string, most int) string {
	if word == "" {
		return ""
	}
	if own, ok := seen[word]; ok {
		return own
	}
	if len(seen) >= most {
		return other
	}
	own := strings.Clone(word)
	seen[own] = own
	return own
}
