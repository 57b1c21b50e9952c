package smtpproxy_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
)

// waits stands for the passing of time: it notes how long the gate wanted to wait, and time is up when passed is closed.
type waits struct {
	mu     sync.Mutex
	wanted []time.Duration
	passed chan time.Time
}

func newWaits() *waits { return &waits{passed: make(chan time.Time)} }

func (p *waits) after(d time.Duration) <-chan time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wanted = append(p.wanted, d)
	return p.passed
}

// passed is a wait that is over at once.
func passed(time.Duration) <-chan time.Time {
	up := make(chan time.Time)
	close(up)
	return up
}

func (p *waits) all() []time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.wanted)
}

// limited is a world with these limits, in which no time passes but through the waits.
func limited(t *testing.T, p *waits, change func(*smtpproxy.Limits)) *world {
	t.Helper()
	return start(t, func(_ *world, o *smtpproxy.Options) {
		o.After = p.after
		change(&o.Limits)
	})
}

func TestRefusedRecipientsSlowTheSessionMoreAndMore(t *testing.T) {
	t.Parallel()
	const second = time.Second
	for name, tt := range map[string]struct {
		budget int
		groups []string // of recipients that arrive together
		want   []time.Duration
	}{
		"half of the budget is free":         {4, []string{"a", "b"}, nil},
		"then each costs more than the last": {4, []string{"a", "b", "c", "d"}, []time.Duration{second / 2, second}},
		"recipients that come together":      {4, []string{"a b c d"}, []time.Duration{second * 3 / 2}},
		"a permitted one gives none back":    {4, []string{"a", "b", "active", "c", "d"}, []time.Duration{second / 2, second}},
		"what is over the budget costs no more": {
			2, []string{"a b c"}, []time.Duration{second},
		},
		"no group waits longer than a client": {50, []string{
			strings.Repeat("a ", 25), strings.Repeat("a ", 25),
		}, []time.Duration{10 * second}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newWaits()
			close(p.passed)
			w := limited(t, p, func(l *smtpproxy.Limits) { l.Refused, l.RefusedDelay, l.Recipients = tt.budget, second, 100 })
			c := dial(w)
			c.Play("C: MAIL FROM:<news@example.com>\nS: 250\n")
			for _, group := range tt.groups {
				c.Play(rcpts(strings.Fields(group)))
			}
			if got := p.all(); !slices.Equal(got, tt.want) {
				t.Errorf("waited %v, want %v", got, tt.want)
			}
		})
	}
}

// rcpts sends a group of RCPT at once; all but "active" are refused.
func rcpts(names []string) string {
	var ask, hear strings.Builder
	for _, n := range names {
		fmt.Fprintf(&ask, "C: RCPT TO:<%s@example.net>\n", n)
		reply := "550"
		if n == "active" {
			reply = "250"
		}
		fmt.Fprintf(&hear, "S: %s\n", reply)
	}
	return ask.String() + hear.String()
}

func TestASlowedSessionHoldsUpNobodyElseAndNoDrain(t *testing.T) {
	t.Parallel()
	p := newWaits() // in which no time ever passes
	w := limited(t, p, func(l *smtpproxy.Limits) { l.Refused = 2 })
	slow, other := dial(w), dial(w)
	slow.Play("C: MAIL FROM:<news@example.com>\nS: 250\nC: RCPT TO:<a@example.net>\nS: 550\nC: RCPT TO:<b@example.net>\n")
	smtptest.Eventually(t, "the session is slowed", func() bool { return len(p.all()) == 1 })
	other.Play(message("news@example.com", "250", "active"))
	w.drain()
	slow.Play("S: 550\nC: RSET\nS: 250\nS: 421 4.3.2\nS.\n")
}

func TestAClientWithoutAPlaceWaitsForOneForASecond(t *testing.T) {
	t.Parallel()
	p := newWaits()
	w := limited(t, p, func(l *smtpproxy.Limits) { l.Sessions = 1 })
	first := dial(w)
	second := smtptest.Dial(t, w.addr, w.upstream)
	smtptest.Eventually(t, "the second client waits", func() bool { return len(p.all()) == 1 })
	first.Play("C: QUIT\nS: 221\nS.\n")
	second.Play("S: 220\n")
	third := smtptest.Dial(t, w.addr, w.upstream)
	smtptest.Eventually(t, "the third client waits", func() bool { return len(p.all()) == 2 })
	w.clock.add(time.Second)
	close(p.passed)
	third.Play("S: 421 4.3.2\nS.\n")
	smtptest.Dial(t, w.addr, w.upstream).Play("S: 421 4.3.2\nS.\n")
	if got := p.all(); len(got) != 2 || got[0] != time.Second || got[1] != time.Second {
		t.Errorf("waited %v, want a second twice and then no more", got)
	}
	second.Play("C: NOOP\nS: 250\n")
}

func TestAClientThatWaitsForAPlaceIsToldOfTheShutdown(t *testing.T) {
	t.Parallel()
	p := newWaits()
	w := limited(t, p, func(l *smtpproxy.Limits) { l.Sessions = 1 })
	dial(w)
	second := smtptest.Dial(t, w.addr, w.upstream)
	smtptest.Eventually(t, "the second client waits", func() bool { return len(p.all()) == 1 })
	w.drain()
	second.Play("S: 421 4.3.2 Shutting down\nS.\n")
}

func TestOneNetworkDoesNotTakeEveryPlace(t *testing.T) {
	t.Parallel()
	w := start(t, func(_ *world, o *smtpproxy.Options) { o.Limits.NetworkSessions = 1 })
	first := dial(w)
	smtptest.Dial(t, w.addr, w.upstream).Play("S: 421 4.7.0\nS.\n")
	first.Play("C: QUIT\nS: 221\nS.\n")
	w.eventuallyGreets()
}

// eventuallyGreets waits for a place that a session which ended gives back.
func (w *world) eventuallyGreets() {
	w.tb.Helper()
	smtptest.Eventually(w.tb, "a client is greeted again", func() bool {
		return smtptest.Play(w.addr, "again", "S: 220\nC: QUIT\nS: 221\nS.\n", nil) == nil
	})
}

const signIn = "C: AUTH PLAIN AGNybQBzZWNyZXQ=\n"

func TestOneCredentialDoesNotTakeEveryPlace(t *testing.T) {
	t.Parallel()
	for name, leave := range map[string]func(w *world, c *smtptest.Client, set *smtpproxy.Settings){
		"until a session ends": func(_ *world, c *smtptest.Client, _ *smtpproxy.Settings) {
			c.Play("C: QUIT\nS: 221\nS.\n")
		},
		"until a reload takes the credential away for a time": func(w *world, c *smtptest.Client, set *smtpproxy.Settings) {
			without := *set
			without.Credentials = nil
			w.reload(without)
			c.Play("C: NOOP\nS: 250\n")
			w.reload(*set)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, set := running(t, withCredential, func(_ *world, o *smtpproxy.Options) { o.Limits.CredentialSessions = 1 })
			first := dial(w)
			first.Play(signIn + "S: 235\n")
			dial(w).Play(signIn + "S: 421 4.7.0\nS.\n")
			leave(w, first, set)
			smtptest.Eventually(t, "the credential signs in again", func() bool {
				return smtptest.Play(w.addr, "again", "S: 220\nC: EHLO client.example\nS* 250\n"+signIn+"S: 235\n", nil) == nil
			})
		})
	}
}

func (w *world) reload(set smtpproxy.Settings) {
	w.tb.Helper()
	if err := w.server.Reload(set); err != nil {
		w.tb.Fatal(err)
	}
}
