package smtpproxy_test

import (
	"slices"
	"testing"
	"time"

	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

// gateTo is a world whose gate has several upstreams, the world's own the last.
func gateTo(t *testing.T, first ...string) *world {
	t.Helper()
	return start(t, func(w *world, o *smtpproxy.Options) {
		var targets []upstream.Target
		for _, address := range append(slices.Clone(first), w.upstream.Addr()) {
			targets = append(targets, upstream.Target{Address: address, TLS: upstream.None})
		}
		p := upstream.New(upstream.Options{Targets: targets, Hello: "gate.example", Dial: time.Second, Reply: time.Second, Dot: time.Second})
		w.pools = append(w.pools, p)
		_ = p.Probe(t.Context()) // one of them may be down
		o.Upstream = p
	})
}

func TestAnUpstreamOutOfReachIsMadeGoodByTheNext(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		verb  smtptest.Verb
		fault smtptest.Fault
	}{
		"it hangs up":              {smtptest.Connect, smtptest.Close()},
		"it greets with 421":       {smtptest.Greeting, smtptest.Reply("421 4.3.2 too busy")},
		"it greets with 554":       {smtptest.Greeting, smtptest.Reply("554 5.7.1 not you")},
		"it says nothing":          {smtptest.Greeting, smtptest.Hang()},
		"it greets with something": {smtptest.Greeting, smtptest.Garbage()},
		"it puts EHLO off":         {smtptest.EHLO, smtptest.Reply("451 4.3.0 not now")},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := smtptest.Start(t)
			first.On(tc.verb, tc.fault)
			w := gateTo(t, first.Addr())
			w.play(message("news@example.com", "250", "active"))
			if w.served("active") != 1 || len(first.Messages()) != 0 {
				t.Error("the second upstream did not get the message, alone")
			}
			first.Clear()
		})
	}
	t.Run("it refuses the connection", func(t *testing.T) {
		t.Parallel()
		w := gateTo(t, "127.0.0.1:1")
		w.play(message("news@example.com", "250", "active"))
	})
}

func TestUpstreamsAreAskedInOrderAndAVerdictIsNoReasonToAskTheNext(t *testing.T) {
	t.Parallel()
	first := smtptest.Start(t)
	w := gateTo(t, first.Addr())
	w.play(message("news@example.com", "250", "active"))
	if len(first.Messages()) != 1 || w.served("active") != 0 {
		t.Error("the message did not go to the first upstream alone")
	}
	for _, reply := range []string{"550 5.7.1 no", "451 4.7.1 later"} {
		first.On(smtptest.Dot, smtptest.Reply(reply).Times(1))
		w.play(message("news@example.com", reply, "active"))
	}
	if w.served("active") != 0 {
		t.Error("what the first upstream had refused went to the second")
	}
}

func TestNoUpstreamInReachIs451InsteadOf354(t *testing.T) {
	t.Parallel()
	first := smtptest.Start(t)
	w := gateTo(t, first.Addr())
	first.Stop()
	w.upstream.Stop()
	w.play("C: MAIL FROM:<news@example.com>\nS: 250\nC: RCPT TO:<active@example.net>\nS: 250\n" +
		"C: DATA\nS= 451 4.4.1 Upstream not available, try again\nC: NOOP\nS: 250\n")
	w.upstream.Restart()
}

// TestAKeptConnectionIsSuspect: a message costs one more connection, never a reply, as long as no content was sent.
func TestAKeptConnectionIsSuspect(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name        string
		age         func(*smtptest.Upstream)
		reply       string
		connections int
	}{
		{"421 waits on it", func(u *smtptest.Upstream) { u.Say("421 4.4.2 idle too long") }, "250", 2},
		{"it was closed", (*smtptest.Upstream).CloseConnections, "250", 2},
		{"the next MAIL hears 421", func(u *smtptest.Upstream) { u.On(smtptest.Mail, smtptest.Reply("421 4.7.0 enough").Times(1)) }, "250", 2},
		{"it ends at DATA", func(u *smtptest.Upstream) { u.On(smtptest.Data, smtptest.Close().Times(1)) }, "250", 2},
		{"every connection ends at MAIL", func(u *smtptest.Upstream) { u.On(smtptest.Mail, smtptest.Close()) }, "451 4.4.1", 2},
		{"it ends in the content", func(u *smtptest.Upstream) { u.On(smtptest.Body, smtptest.Close()) }, "451 4.4.", 1},
		{"it ends after the dot", func(u *smtptest.Upstream) { u.On(smtptest.Dot, smtptest.Close()) }, "451 4.4.2", 1},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			w.play(message("news@example.com", "250", "double"))
			tc.age(w.upstream)
			w.play(message("news@example.com", tc.reply, "active"))
			if n := w.upstream.Total(); n != tc.connections {
				t.Errorf("%d connections, want %d", n, tc.connections)
			}
			if n := w.served("active"); tc.reply == "250" && n != 1 {
				t.Errorf("served %d times, want once", n)
			}
		})
	}
}
