package smtpproxy_test

import (
	"testing"
	"time"

	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

// The faults of this file strike a connection between two messages. They count goroutines and descriptors, so no other
// test runs beside them.

// TestFaultsOfRSET: the upstream refused a recipient, so the kept connection is reset ahead of the next message. That
// one has sent no content, so it goes on a new connection where this one is over; where its replies are lost it is put
// off. What comes behind it is delivered in any case.
func TestFaultsOfRSET(t *testing.T) { //nolint:paralleltest // see above
	w, set := running(t)
	for name, fault := range faults() {
		want := map[string]string{"hang": "451 4.4.1", "garbage": "451 4.4.1"}[name]
		t.Run(name, func(t *testing.T) {
			w.upstream.CloseConnections()
			checkLeaks(t, w)
			w.upstream.Forget()
			pool := upstream.New(upstream.Options{
				Targets: []upstream.Target{{Address: w.upstream.Addr(), TLS: upstream.None}}, Hello: "gate.example", Reply: patience(fault),
			})
			set.Upstream = pool
			w.reload(*set)
			w.upstream.OnRcpt("double@example.net", smtptest.Reply("550 5.1.1 gone"))
			w.upstream.On(smtptest.Rset, fault)
			w.playFor(t, message("news@example.com", "550 5.1.1 gone", "double")+message("news@example.com", orDefault(want, "250"), "active"))
			if n := resets(w); n != 1 {
				t.Errorf("%d RSET, want one", n)
			}
			w.upstream.Clear()
			w.playFor(t, message("news@example.com", "250", "third"))
			for who, n := range map[string]int{"double": 0, "active": 1, "third": 1} {
				if who == "active" && want != "" {
					n = 0
				}
				if got := w.served(who); got != n {
					t.Errorf("%s was served %d times, want %d", who, got, n)
				}
			}
			_ = pool.Close()
		})
	}
}

// TestFaultsOfQUIT: nobody waits for the answer, neither at the end of the program nor where a connection has carried
// all the messages that it may.
func TestFaultsOfQUIT(t *testing.T) { //nolint:paralleltest // see above
	w, set := running(t)
	for name, fault := range faults() {
		t.Run(name, func(t *testing.T) {
			w.upstream.CloseConnections()
			checkLeaks(t, w)
			w.upstream.Forget()
			pool := upstream.New(upstream.Options{
				Targets: []upstream.Target{{Address: w.upstream.Addr(), TLS: upstream.None}}, Hello: "gate.example", MaxMessages: 2,
			})
			if err := pool.Probe(t.Context()); err != nil {
				t.Fatal(err)
			}
			set.Upstream = pool
			w.reload(*set)
			w.upstream.On(smtptest.Quit, fault)
			for range 3 {
				w.playFor(t, message("news@example.com", "250", "active"))
			}
			began := time.Now()
			_ = pool.Close()
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("the pool closed in %v", took)
			}
			if n := w.served("active"); n != 3 {
				t.Errorf("served %d times, want 3", n)
			}
			w.upstream.Clear()
		})
	}
}

func TestAMessageThatTheUpstreamRefusesCostsNoConnection(t *testing.T) {
	t.Parallel()
	w := start(t)
	for _, verb := range []smtptest.Verb{smtptest.Mail, smtptest.Rcpt, smtptest.Data, smtptest.Dot} {
		w.upstream.On(verb, smtptest.Reply("554 5.7.1 no").Times(1))
		w.play(message("news@example.com", "554 5.7.1 no", "active"))
		w.play(message("news@example.com", "250", "active"))
	}
	if n := w.upstream.Total(); n != 1 {
		t.Errorf("%d connections, want the one of the probe", n)
	}
}

// TestADrainDoesNotWaitForAnUpstreamThatDoesNotSayGoodbye: sessions end, connections close, Serve returns.
func TestADrainDoesNotWaitForAnUpstreamThatDoesNotSayGoodbye(t *testing.T) {
	t.Parallel()
	w := start(t, func(_ *world, o *smtpproxy.Options) { o.Limits.Idle = time.Hour })
	w.upstream.On(smtptest.Quit, smtptest.Hang())
	c := dial(w)
	c.Play(message("news@example.com", "250", "active"))
	w.drain()
	c.Play("S: 421 4.3.2\nS.\n")
	w.stop()
	for _, p := range w.pools {
		_ = p.Close()
	}
	smtptest.Eventually(t, "no upstream connection is left", func() bool { return w.upstream.Open() == 0 })
}

// playFor is play for a subtest.
func (w *world) playFor(t *testing.T, dialogue string) {
	t.Helper()
	if err := smtptest.Play(w.addr, t.Name(), "S: 220\nC: EHLO client.example\nS* 250\n"+dialogue, w.upstream); err != nil {
		t.Fatal(err)
	}
}

// patience is short where nothing but its end tells a fault, and long enough for a busy machine.
func patience(f smtptest.Fault) time.Duration {
	if f == smtptest.Hang() {
		return 2 * time.Second
	}
	return 20 * time.Second
}

func resets(w *world) (n int) {
	for _, line := range w.upstream.Lines() {
		if line == "RSET" {
			n++
		}
	}
	return n
}
