package smtpproxy

import (
	"context"
	"sync"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// guesses counts the failed sign-ins of each network, so that who guesses in session after session is slowed. Nobody is
// locked out by it, since many may share an address: beyond half of what an hour allows the sign-ins of the network,
// right ones too, only take turns, the more have failed the further apart. The zero value is ready.
type guesses struct {
	mu sync.Mutex
	memory[payer, guessing]
}

// guessing is what failed, and when the next turn is.
type guessing struct {
	failed toll
	next   time.Time
}

// turn takes the next turn and returns how long it is until then; false where that is longer than a client should wait.
func (g *guesses) turn(now time.Time, who payer, hourly int) (wait time.Duration, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	is := g.of(who)
	gap := apart(is.failed.after(now, hourly), hourly)
	if gap == 0 {
		return 0, true
	}
	if wait = max(0, is.next.Sub(now)); wait > maxSlowing {
		return 0, false
	}
	is.next = now.Add(wait + gap)
	g.keep(now, who, is)
	return wait, true
}

// apart is the time from one turn to the next: up to maxSlowing where an hour's failures are spent, so that beside a
// guesser who waits for answers there is a turn left for somebody else.
func apart(failed float64, hourly int) time.Duration {
	free := float64(hourly / 2)
	return time.Duration(float64(maxSlowing) * max(0, failed-free) / (float64(hourly) - free))
}

// fail counts one more, up to what an hour allows.
func (g *guesses) fail(now time.Time, who payer, hourly int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	is := g.of(who)
	failed := toll{min(is.failed.after(now, hourly)+1, float64(hourly)), now}
	g.keep(now, who, guessing{failed: failed, next: is.next})
}

// guesser is whom a failed sign-in is counted for: the network, whatever name is tried. A name that signed in from there
// before has a count of its own, so that a guesser behind the same address holds up nobody who was at work already. Which
// names those are is all that this tells the neighbours.
func (s *session) guesser(name string) payer {
	network := networkOf(s.ip)
	if cred, _ := s.set.credentials.find(name); cred != nil {
		if who := (payer{credential: cred.Username, network: network}); s.set.credentials.hasMet(who) {
			return who
		}
	}
	return payer{network: network}
}

// takeTurn waits before a password is looked at, so that it is not the wait that tells a wrong one.
func (s *session) takeTurn(ctx context.Context, who payer) error {
	wait, ok := s.srv.guesses.turn(s.srv.opt.Now(), who, s.set.Limits.AuthFailsHourly)
	if !ok {
		s.closing = true
		s.srv.opt.Count(gate.Counter{What: gate.CountTurnedAway})
		return tooManyGuesses
	}
	s.srv.slow(ctx, wait)
	return nil
}

func (s *session) authRefused(who payer) error {
	s.authFails++
	s.srv.guesses.fail(s.srv.opt.Now(), who, s.set.Limits.AuthFailsHourly)
	s.log.Info("sign-in refused", "client", s.client)
	if s.authFails >= s.set.Limits.AuthFails {
		s.closing = true
		return authTooOften
	}
	return authFailed
}

// meet remembers until the next reload that a credential signed in from a network.
func (c *credentials) meet(who payer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.met) >= memoryMost {
		clear(c.met)
	}
	c.met[who] = struct{}{}
}

func (c *credentials) hasMet(who payer) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.met[who]
	return ok
}
