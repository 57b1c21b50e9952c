package smtpproxy_test

import (
	"fmt"
	"testing"

	"github.com/consentgate/consentgate/smtpproxy/smtptest"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

// TestFaultsOfSTARTTLSAndAUTH: the opening of a connection to an upstream that wants both. The client hears 451 instead
// of 354, no word leaves in plain text or without a sign-in, and a second upstream makes it good. It counts goroutines
// and descriptors, so no other test runs beside it.
func TestFaultsOfSTARTTLSAndAUTH(t *testing.T) { //nolint:paralleltest // see above
	ca := smtptest.NewAuthority(t)
	w, set := running(t)
	first := smtptest.Start(t, smtptest.WithTLS(ca), smtptest.WithAuth("gate", "password", "PLAIN"))
	secured := upstream.Target{
		Address: first.Addr(), TLS: upstream.StartTLS, Config: ca.Client(), Username: "gate", Password: "password",
	}
	second := upstream.Target{Address: w.upstream.Addr(), TLS: upstream.None}
	for _, verb := range []smtptest.Verb{smtptest.StartTLS, smtptest.Auth} {
		for name, fault := range faults() {
			t.Run(fmt.Sprintf("%s/%s", verb, name), func(t *testing.T) {
				first.CloseConnections()
				w.upstream.CloseConnections()
				checkLeaks(t, w)
				first.Forget()
				w.upstream.Forget()
				use := func(targets ...upstream.Target) *upstream.Pool {
					p := upstream.New(upstream.Options{Targets: targets, Hello: "gate.example", Dial: patience(fault)})
					set.Upstream = p
					w.reload(*set)
					return p
				}
				first.On(verb, fault)
				alone, reply := use(secured), "354"
				if name != "slow" {
					reply = "451 4.4.1 Upstream not available, try again"
				}
				w.playFor(t, "C: MAIL FROM:<news@example.com>\nS: 250\nC: RCPT TO:<active@example.net>\nS: 250\nC: DATA\nS: "+reply+"\n")
				_ = alone.Close()
				both := use(secured, second)
				w.playFor(t, message("news@example.com", "250", "active"))
				_ = both.Close()
				first.Clear()
				well := use(secured)
				w.playFor(t, message("news@example.com", "250", "active"))
				_ = well.Close()
				checkOpenings(t, first)
			})
		}
	}
}

// checkOpenings: no message came over an opening that went wrong, so all of them came under TLS and signed in.
func checkOpenings(t *testing.T, u *smtptest.Upstream) {
	t.Helper()
	for _, m := range u.Messages() {
		if !m.TLS || m.Username != "gate" {
			t.Errorf("a message came with TLS: %v, signed in as %q", m.TLS, m.Username)
		}
	}
	smtptest.Eventually(t, "no connection is left", func() bool { return u.Open() == 0 })
}
