package upstream_test

import (
	"testing"
	"time"

	"github.com/consentgate/consentgate/smtpproxy/smtptest"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

func TestStaleConnectionCostsNoMessage(t *testing.T) {
	t.Parallel()
	for name, age := range map[string]func(*smtptest.Upstream){
		"the upstream was restarted":    func(u *smtptest.Upstream) { u.Stop(); u.Restart() },
		"the upstream closed it":        (*smtptest.Upstream).CloseConnections,
		"a 421 waits on it":             func(u *smtptest.Upstream) { u.Say("421 4.4.2 idle too long") },
		"it is closed by the next MAIL": func(u *smtptest.Upstream) { u.On(smtptest.Mail, smtptest.Close().Times(1)) },
		"the next MAIL gets 421":        func(u *smtptest.Upstream) { u.On(smtptest.Mail, smtptest.Reply("421 4.7.0 enough").Times(1)) },
		"it is closed by the next RCPT": func(u *smtptest.Upstream) { u.On(smtptest.Rcpt, smtptest.Close().Times(1)) },
		"it is closed by the next DATA": func(u *smtptest.Upstream) { u.On(smtptest.Data, smtptest.Close().Times(1)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := smtptest.Start(t)
			p := newPool(t, nil, u)
			mustSend(t, p)
			age(u)
			mustSend(t, p)
			if got := len(u.Messages()); got != 2 {
				t.Errorf("%d messages came, want 2", got)
			}
			if u.Total() != 2 {
				t.Errorf("%d connections, want 2", u.Total())
			}
		})
	}
}

func TestConnectionThatEndsBetweenTwoCopiesIsReplaced(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]func(*smtptest.Upstream){
		"MAIL gets 421":       func(u *smtptest.Upstream) { u.On(smtptest.Mail, smtptest.Reply("421 4.7.0 enough").Times(1)) },
		"the dot gets 421":    func(u *smtptest.Upstream) { u.On(smtptest.Dot, smtptest.Reply("421 4.7.0 enough").Times(1)) },
		"it ends at the MAIL": func(u *smtptest.Upstream) { u.On(smtptest.Mail, smtptest.Close().Times(1)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := smtptest.Start(t)
			l := get(t, newPool(t, nil, u))
			await(t, l, envelope("x"))
			fault(u)
			l.Dot()
			l.Envelope(envelope("y"))
			if _, err := l.Result(); err != nil {
				t.Fatalf("Result: %v", err)
			}
			if a, err := l.Await(); err != nil || !a.Go() {
				t.Fatalf("Await: %+v, %v", a, err)
			}
			l.Dot()
			accepted(t, l)
			if u.Total() != 2 {
				t.Errorf("%d connections, want 2", u.Total())
			}
		})
	}
}

// TestANewConnectionThatEndsWhileItWaitsIsReplaced: a message that is spooled may take longer than the upstream waits.
func TestANewConnectionThatEndsWhileItWaitsIsReplaced(t *testing.T) {
	t.Parallel()
	for waited, want := range map[time.Duration]string{2 * time.Second: "reply", time.Millisecond: "unavailable"} {
		t.Run(waited.String(), func(t *testing.T) {
			t.Parallel()
			u := smtptest.Start(t)
			now := time.Now()
			p := newPool(t, func(o *upstream.Options) { o.Now = func() time.Time { return now } }, u)
			l := get(t, p)
			u.CloseConnections()
			smtptest.Eventually(t, "the connection has ended", func() bool { return u.Open() == 0 })
			now = now.Add(waited)
			l.Envelope(envelope("x"))
			if _, err := l.Await(); class(err) != want {
				t.Errorf("Await: %v, want %q", err, want)
			}
			l.Abort()
		})
	}
}

func TestReplayIsOnceOnly(t *testing.T) {
	t.Parallel()
	u := smtptest.Start(t)
	p := newPool(t, nil, u)
	mustSend(t, p)
	u.On(smtptest.Mail, smtptest.Close())
	if _, err := send(t.Context(), p, "hello\r\n"); class(err) != "unavailable" {
		t.Errorf("got %v, want ErrUnavailable", err)
	}
	if u.Total() != 2 {
		t.Errorf("%d connections, want the kept one and one more", u.Total())
	}
}

func TestStaleReplayFailsOver(t *testing.T) {
	t.Parallel()
	first, second := smtptest.Start(t), smtptest.Start(t)
	p := newPool(t, nil, first, second)
	mustSend(t, p)
	l := get(t, p)
	first.Stop()
	await(t, l, envelope("x"))
	l.Dot()
	accepted(t, l)
	if len(second.Messages()) != 1 {
		t.Error("the message did not reach the second target")
	}
}
