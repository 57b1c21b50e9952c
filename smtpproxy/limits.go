package smtpproxy

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// headcount counts the sessions under each key. The zero value is ready.
type headcount[K comparable] struct {
	mu sync.Mutex
	n  map[K]int
}

// enter counts one more under the key, and reports false where there are most of them already.
func (h *headcount[K]) enter(key K, most int) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.n[key] >= most {
		return false
	}
	if h.n == nil {
		h.n = make(map[K]int)
	}
	h.n[key]++
	return true
}

// leave takes one back. A key without sessions costs nothing.
func (h *headcount[K]) leave(key K) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.n[key]--; h.n[key] <= 0 {
		delete(h.n, key)
	}
}

// networkOf is what one client can be told apart by: an IPv4 address, or the /64 that an IPv6 host picks addresses
// from as it likes.
func networkOf(ip netip.Addr) netip.Prefix {
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	network, _ := ip.Prefix(bits) // zero for a client without an address: those count together
	return network
}

// placeWait is how long clients wait for a place once all are taken, from when the last one was taken. After that they
// hear 421 at once, until a session ends.
const placeWait = time.Second

// enter takes a place for the session. Where there is none it waits for one, and whoever connects meanwhile waits in
// the system's queue. The error is the problem that the client hears of.
func (s *Server) enter(ctx context.Context, ses *session) error {
	for {
		wait, err := s.take(ses)
		if err == nil || wait <= 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return draining
		case <-s.opt.After(wait):
			return err
		case <-s.freed:
		}
	}
}

// take takes a place if there is one, else tells how long it is worth waiting.
func (s *Server) take(ses *session) (wait time.Duration, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch now := s.opt.Now(); {
	case s.isDraining():
		return 0, draining
	case len(s.sessions) < s.settings.Load().Limits.Sessions:
		s.sessions[ses] = struct{}{}
		s.ended.Add(1)
		return 0, nil
	case s.full.IsZero():
		s.full = now
		return placeWait, tooManySessions
	default:
		return s.full.Add(placeWait).Sub(now), tooManySessions
	}
}

func (s *Server) leave(ses *session) {
	s.mu.Lock()
	delete(s.sessions, ses)
	s.full = time.Time{}
	s.mu.Unlock()
	select {
	case s.freed <- struct{}{}:
	default: // as many as can wait have been told
	}
	s.ended.Done()
}

// maxSlowing is the longest that a group of recipients is slowed: less than clients wait for a reply.
const maxSlowing = 10 * time.Second

// slowing is how long a session waits whose refused recipients, permitted ones subtracted, went from was to now. Half of
// the budget is free. From there on each costs more than the one before, the last of the budget costs most.
func slowing(was, now, budget int, most time.Duration) time.Duration {
	free := budget / 2
	var d time.Duration
	for n := max(was, free) + 1; n <= min(now, budget) && d < maxSlowing; n++ {
		d += most * time.Duration(n-free) / time.Duration(budget-free)
	}
	return min(d, maxSlowing)
}

// slow waits for d. The end of ctx and a drain end it early.
func (s *Server) slow(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	select {
	case <-ctx.Done():
	case <-s.stopping:
	case <-s.opt.After(d):
	}
}
