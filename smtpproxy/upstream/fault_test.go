package upstream_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/smtpproxy/smtptest"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

// checkLeaks fails the test if goroutines or descriptors are left at its end. Not for parallel tests.
func checkLeaks(t *testing.T) {
	t.Helper()
	goroutines, descriptors := smtptest.Goroutines(), openDescriptors(t)
	t.Cleanup(func() {
		smtptest.Eventually(t, "no goroutine is left", func() bool { return smtptest.Goroutines() <= goroutines })
		smtptest.Eventually(t, "no descriptor is left", func() bool { return openDescriptors(t) <= descriptors })
	})
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatalf("descriptors cannot be counted: %v", err)
	}
	return len(entries)
}

// outcome is what came of sending one message while a fault was set.
type outcome struct {
	class string // reply, unavailable, unknown
	code  int    // of the reply
	conns int    // connections the upstream saw
}

func faultOutcome(t *testing.T, verb smtptest.Verb, fault smtptest.Fault, kept bool) outcome {
	t.Helper()
	u := smtptest.Start(t)
	p := newPool(t, func(o *upstream.Options) {
		if fault == smtptest.Hang() {
			o.Dial, o.Reply, o.Dot = 200*time.Millisecond, 200*time.Millisecond, 200*time.Millisecond
		}
	}, u)
	if kept {
		mustSend(t, p)
		u.Forget()
	}
	u.On(verb, fault)
	r, err := send(t.Context(), p, "hello\r\n")
	got := outcome{class(err), r.Code, u.Total()}
	for _, m := range u.Messages() {
		if m.Complete && string(m.Data) != "hello\r\n" {
			t.Errorf("a truncated message was ended: %q", m.Data)
		}
	}
	u.Clear()
	_ = p.Close()
	smtptest.Eventually(t, "no connection is left", func() bool { return u.Open() == 0 })
	return got
}

// TestFaults: every fault at every verb, on a new connection and on a kept one. A fault that lasts ends the replay too.
func TestFaults(t *testing.T) {
	faults := map[string]smtptest.Fault{
		"4xx":     smtptest.Reply("451 4.3.0 not now"),
		"5xx":     smtptest.Reply("554 5.3.0 never"),
		"421":     smtptest.Reply("421 4.3.2 going down"),
		"hang":    smtptest.Hang(),
		"close":   smtptest.Close(),
		"garbage": smtptest.Garbage(),
		"slow":    smtptest.Slow(7),
	}
	dead := outcome{"unavailable", 0, 1}
	replayed := outcome{"unavailable", 0, 2}
	unknown := outcome{"unknown", 0, 1}
	sent := outcome{"reply", 250, 1}
	deferred, refused, ending := outcome{"reply", 451, 1}, outcome{"reply", 554, 1}, outcome{"reply", 421, 1}
	type row map[string]outcome
	opening := row{"4xx": dead, "5xx": dead, "421": dead, "hang": dead, "close": dead, "garbage": dead, "slow": sent}
	ehlo := row{"4xx": dead, "5xx": sent, "421": dead, "hang": dead, "close": dead, "garbage": dead, "slow": sent} // 5xx: HELO
	step := row{"4xx": deferred, "5xx": refused, "421": dead, "hang": dead, "close": dead, "garbage": dead, "slow": sent}
	keptStep := row{"4xx": deferred, "5xx": refused, "421": replayed, "hang": dead, "close": replayed, "garbage": dead, "slow": sent}
	body := row{"4xx": deferred, "5xx": refused, "421": ending, "hang": unknown, "close": unknown, "garbage": unknown, "slow": sent}
	quit := row{"4xx": sent, "5xx": sent, "421": sent, "hang": sent, "close": sent, "garbage": sent, "slow": sent}
	for _, tc := range []struct {
		verb smtptest.Verb
		kept bool
		want row
	}{
		{smtptest.Greeting, false, opening},
		{smtptest.EHLO, false, ehlo},
		{smtptest.Mail, false, step},
		{smtptest.Rcpt, false, step},
		{smtptest.Data, false, step},
		{smtptest.Body, false, body},
		{smtptest.Dot, false, body},
		{smtptest.Quit, false, quit},
		{smtptest.Mail, true, keptStep},
		{smtptest.Rcpt, true, keptStep},
		{smtptest.Data, true, keptStep},
		{smtptest.Body, true, body},
		{smtptest.Dot, true, body},
	} {
		for name, fault := range faults {
			t.Run(fmt.Sprintf("%s/%s/kept=%v", tc.verb, name, tc.kept), func(t *testing.T) {
				checkLeaks(t)
				if got := faultOutcome(t, tc.verb, fault, tc.kept); got != tc.want[name] {
					t.Errorf("got %+v, want %+v", got, tc.want[name])
				}
			})
		}
	}
}

func TestFaultsAtConnect(t *testing.T) {
	for name, fault := range map[string]smtptest.Fault{"hang": smtptest.Hang(), "close": smtptest.Close(), "garbage": smtptest.Garbage()} {
		t.Run(name, func(t *testing.T) {
			checkLeaks(t)
			if got, want := faultOutcome(t, smtptest.Connect, fault, false), (outcome{"unavailable", 0, 1}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// TestReplyOutOfPlaceEndsTheConnection: after it nobody knows which reply answers which command.
func TestReplyOutOfPlaceEndsTheConnection(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		verb  smtptest.Verb
		reply string
		want  string
	}{
		"354 to MAIL":    {smtptest.Mail, "354 go", "unavailable"},
		"354 to RCPT":    {smtptest.Rcpt, "354 go", "unavailable"},
		"250 to DATA":    {smtptest.Data, "250 2.0.0 Ok", "unavailable"},
		"334 to DATA":    {smtptest.Data, "334 go", "unavailable"},
		"354 to the dot": {smtptest.Dot, "354 go", "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := smtptest.Start(t)
			u.On(tc.verb, smtptest.Reply(tc.reply).Times(1))
			p := newPool(t, nil, u)
			if _, err := send(t.Context(), p, "hello\r\n"); class(err) != tc.want {
				t.Errorf("got %v, want %s", err, tc.want)
			}
			smtptest.Eventually(t, "the connection is closed", func() bool { return u.Open() == 0 })
			mustSend(t, p)
		})
	}
}

func TestRefusedRsetCostsNoMessage(t *testing.T) {
	t.Parallel()
	u := smtptest.Start(t)
	u.On(smtptest.Rcpt, smtptest.Reply("550 5.1.1 no").Times(1))
	u.On(smtptest.Rset, smtptest.Reply("502 5.5.1 no RSET"))
	p := newPool(t, nil, u)
	if r, err := send(t.Context(), p, "hello\r\n"); err != nil || r.Code != 550 {
		t.Fatalf("send: %v, %v", r, err)
	}
	mustSend(t, p)
	if u.Total() != 2 {
		t.Errorf("%d connections, want another one", u.Total())
	}
}

// large is more than the sockets of both sides hold.
func large() string { return strings.Repeat(strings.Repeat("x", 98)+"\r\n", 500_000) }

func TestUpstreamThatEndsInLargeContentHasNotTheMessage(t *testing.T) {
	for name, tc := range map[string]struct {
		fault smtptest.Fault
		write time.Duration
	}{
		"closed":        {smtptest.Close(), 10 * time.Second},
		"reads no more": {smtptest.Hang(), 200 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			checkLeaks(t)
			u := smtptest.Start(t)
			u.On(smtptest.Body, tc.fault)
			p := newPool(t, func(o *upstream.Options) { o.Write = tc.write }, u)
			if _, err := send(t.Context(), p, large()); class(err) != "unavailable" {
				t.Errorf("got %v, want ErrUnavailable: the dot has not left", err)
			}
			u.Clear()
			smtptest.Eventually(t, "the upstream sees the end", func() bool { return u.Open() == 0 })
			for _, m := range u.Messages() {
				if m.Complete {
					t.Error("the message was ended")
				}
			}
		})
	}
}

func TestVerdictInMidContentIsPassedOn(t *testing.T) {
	t.Parallel()
	u := smtptest.Start(t)
	u.On(smtptest.Body, smtptest.Reply("552 5.3.4 too big"))
	l := get(t, newPool(t, nil, u))
	await(t, l, envelope("x"))
	var err error
	for content := []byte(strings.Repeat("x", 1<<20)); err == nil; {
		_, err = l.Write(content)
	}
	if class(err) != "unavailable" {
		t.Fatalf("Write: %v", err)
	}
	if r, ok := l.Refusal(); !ok || r.Code != 552 {
		t.Errorf("Refusal: %v, %v; want the 552 that came before the connection ended", r, ok)
	}
	l.Release()
	for _, m := range u.Messages() {
		if m.Complete {
			t.Errorf("the message was ended: %+v", m)
		}
	}
}
