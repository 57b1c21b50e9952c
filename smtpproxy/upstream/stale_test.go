package upstream_test

import (
	"testing"

	"github.com/consentgate/consentgate/smtpproxy/smtptest"
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
