package smtpproxy_test

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/consentgate/consentgate/smtpproxy"
)

const (
	wrong      = "C: AUTH PLAIN AGNybQB3cm9uZw==\n"     // crm / wrong
	stranger   = "C: AUTH PLAIN AGV2ZQB3cm9uZw==\n"     // eve / wrong
	forAnother = "C: AUTH PLAIN YW5uAGNybQBzZWNyZXQ=\n" // crm / secret, on behalf of ann
)

// guessed is a world in which so many sign-ins of one network may fail in an hour, and all waits are over at once.
func guessed(t *testing.T, hourly int) (*world, *waits) {
	t.Helper()
	p := newWaits()
	close(p.passed)
	return start(t, withCredential, func(_ *world, o *smtpproxy.Options) {
		o.After, o.Limits.AuthFailsHourly = p.after, hourly
	}), p
}

// sleep lets time pass until the next turn, whenever that is.
func (w *world) sleep() { w.clock.add(10 * time.Second) }

func TestAGuesserIsSlowedInSessionAfterSession(t *testing.T) {
	t.Parallel()
	w, p := guessed(t, 4)
	for range 4 {
		dial(w).Play(wrong + "S: 535\nC: QUIT\nS: 221\n")
	}
	dial(w).Play(wrong + "S: 535\n")
	dial(w).Play(wrong + "S: 421 4.7.0 Too many failed sign-ins from your network\nS.\n")
	// Three failures make turns 5 s apart, four 10 s: the fourth sign-in goes at once, the next 5 s later, one more would
	// wait 15 s.
	if got := p.all(); !slices.Equal(got, []time.Duration{5 * time.Second}) {
		t.Errorf("waited %v, want 5 s", got)
	}
	if n := w.counted.of("turned_away"); n != 1 {
		t.Errorf("counted as turned away %d times, want once", n)
	}
}

func TestAfterManyGuessesTheRightPasswordIsSlowAndNotLockedOut(t *testing.T) {
	t.Parallel()
	w, p := guessed(t, 2)
	for range 6 {
		dial(w).Play(stranger + "S: 535\n")
		w.sleep()
	}
	dial(w).Play(stranger + "S: 535\n") // takes the turn of this moment
	dial(w).Play(signIn + "S: 235\n")
	if got := p.all(); len(got) != 1 || got[0].Round(time.Second) != 10*time.Second {
		t.Errorf("waited %v, want the turn after the guesser's", got)
	}
}

func TestAGuesserHoldsUpNobodyWhoSignedInFromThereBefore(t *testing.T) {
	t.Parallel()
	w, p := guessed(t, 1)
	dial(w).Play(signIn + "S: 235\n")
	for range 3 {
		dial(w).Play(stranger + "S: 535\n")
	}
	dial(w).Play(stranger + "S: 421\n")
	dial(w).Play(signIn + "S: 235\n")
	if got := p.all(); !slices.Equal(got, []time.Duration{10 * time.Second}) {
		t.Errorf("waited %v, want the guesser's 10 s alone", got)
	}
}

func TestAKnownCredentialIsNoWayToGuessItsPassword(t *testing.T) {
	t.Parallel()
	w, p := guessed(t, 1)
	dial(w).Play(signIn + "S: 235\n")
	for range 3 {
		dial(w).Play(wrong + "S: 535\n")
	}
	dial(w).Play(wrong + "S: 421\n")
	if got := p.all(); !slices.Equal(got, []time.Duration{10 * time.Second}) {
		t.Errorf("waited %v, want 10 s", got)
	}
}

func TestFailedSignInsRunOut(t *testing.T) {
	t.Parallel()
	w, p := guessed(t, 2)
	for range 2 {
		dial(w).Play(wrong + "S: 535\n")
	}
	w.clock.add(time.Hour / 2)
	dial(w).Play(signIn + "S: 235\n")
	dial(w).Play(signIn + "S: 235\n")
	if got := p.all(); len(got) != 0 {
		t.Errorf("waited %v after half an hour, want nothing", got)
	}
}

func TestASignInForSomebodyElseCountsAsFailed(t *testing.T) {
	t.Parallel()
	w, _ := guessed(t, 100)
	dial(w).Play(forAnother + "S: 535\n" + forAnother + "S: 535\n" + forAnother + "S: 421 4.7.0\nS.\n")
}

func TestGuessesAreRememberedOfBoundedlyManyNetworksTheLatest(t *testing.T) {
	t.Parallel()
	var g smtpproxy.Guesses
	now, last := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), netip.Prefix{}
	const many = 100_000
	for i := range many {
		last = netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
		g.Fail(now, last, 1)
	}
	if n := g.Len(); n > 1<<15 {
		t.Errorf("%d of %d networks are remembered, want 32,768 at most", n, many)
	}
	g.Turn(now, last, 1)
	if wait, ok := g.Turn(now, last, 1); wait != 10*time.Second || !ok {
		t.Errorf("the latest network waits %v (%v), want 10 s", wait, ok)
	}
}
