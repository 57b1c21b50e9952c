package unsub

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// StreamKeeper is where stream codes are remembered for ever; gate.Keeper is one.
type StreamKeeper interface {
	RememberStreams(ctx context.Context, streams map[string]string) error
	Streams(ctx context.Context) (map[string]string, error)
}

// Flow is the stream behind a token: what it is called and what a withdrawal by it is from.
type Flow struct {
	Name    string // empty where the stream is configured no more
	Purpose string
	Service bool // mail that a withdrawal from everything, which is about marketing, does not stop
}

// stopped reports whether the consent stops the flow's mail.
func (f Flow) stopped(c gate.Consent) bool {
	return c.State == gate.StateWithdrawn && (!f.Service || !c.ByAll)
}

// Streams finds the stream behind a token's code, also of one that was renamed or removed since.
type Streams struct {
	keeper StreamKeeper

	mu         sync.RWMutex
	configured map[string]Flow   // by code
	remembered map[string]string // code → purpose
}

// NewStreams knows the configured streams. Remember adds what the store knows of earlier ones.
func NewStreams(k StreamKeeper, configured []*gate.Stream) (*Streams, error) {
	s := &Streams{keeper: k}
	return s, s.Configure(configured)
}

// Configure replaces the configured streams. Two whose names have one code, of different purposes, are an error that
// names both.
func (s *Streams) Configure(configured []*gate.Stream) error {
	flows := make(map[string]Flow, len(configured))
	for _, c := range configured {
		if c.Purpose == "" {
			continue // transactional: nothing to withdraw
		}
		code := StreamCode(c.Name)
		if other, ok := flows[code]; ok && other.Purpose != c.Purpose {
			return fmt.Errorf("streams %q and %q have the same code in tokens: rename one", other.Name, c.Name)
		}
		flows[code] = Flow{Name: c.Name, Purpose: c.Purpose, Service: c.Kind == gate.KindService}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.configured = flows
	return nil
}

// Sync has the store remember the configured streams and learns what it remembers.
func (s *Streams) Sync(ctx context.Context) error {
	s.mu.RLock()
	now := make(map[string]string, len(s.configured))
	for code, f := range s.configured {
		now[code] = f.Purpose
	}
	s.mu.RUnlock()
	if err := s.keeper.RememberStreams(ctx, now); err != nil {
		return err
	}
	all, err := s.keeper.Streams(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remembered = maps.Clone(all)
	return nil
}

// Remember calls Sync, every second, until it succeeds or ctx ends.
func (s *Streams) Remember(ctx context.Context, log *slog.Logger) {
	for logged := false; ctx.Err() == nil; logged = true {
		err := s.Sync(ctx)
		if err == nil {
			return
		}
		if !logged {
			log.Warn("streams not remembered, tried until they are", "error", err)
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

// Find returns what a verified token withdraws from. A code that nobody remembers is of a stream that was removed
// before anything was remembered: the person said no, so it stands for all marketing. Errors wrap gate.ErrUnavailable.
func (s *Streams) Find(ctx context.Context, code string) (Flow, error) {
	if f, ok := s.known(code); ok {
		return f, nil
	}
	if err := s.Sync(ctx); err != nil {
		return Flow{}, err
	}
	if f, ok := s.known(code); ok {
		return f, nil
	}
	return Flow{Purpose: gate.AllPurposes}, nil
}

// Purposes are what a person can choose about, sorted: those of the configured streams, with a stream of each.
func (s *Streams) Purposes() []Flow {
	s.mu.RLock()
	defer s.mu.RUnlock()
	flows := slices.SortedFunc(maps.Values(s.configured), func(a, b Flow) int {
		return cmp.Or(cmp.Compare(a.Purpose, b.Purpose), cmp.Compare(a.Name, b.Name))
	})
	return slices.CompactFunc(flows, func(a, b Flow) bool { return a.Purpose == b.Purpose })
}

func (s *Streams) known(code string) (Flow, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if f, ok := s.configured[code]; ok {
		return f, true
	}
	purpose, ok := s.remembered[code]
	return Flow{Purpose: purpose}, ok
}
