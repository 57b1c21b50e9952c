package smtpproxy_test

import (
	"bytes"
	"crypto/tls"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
)

func TestImplicitTLSAndSTARTTLSKeepTheSessionPrivate(t *testing.T) {
	t.Parallel()
	for _, mode := range []smtpproxy.TLSMode{smtpproxy.TLSImplicit, smtpproxy.TLSStartTLS} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			ca := smtptest.NewAuthority(t)
			w := start(t, withCredential, func(_ *world, o *smtpproxy.Options) {
				o.Listeners[0].TLS, o.Listeners[0].Config = mode, ca.Server()
			})
			c := overTLS(t, w, mode, ca.Client())
			if ok, arg := c.Extension("AUTH"); !ok || arg != "PLAIN LOGIN" {
				t.Errorf("AUTH offered under TLS: %v %q", ok, arg)
			}
			if ok, _ := c.Extension("STARTTLS"); ok {
				t.Error("STARTTLS is offered again")
			}
			if err := c.Auth(sasl.NewPlainClient("", "crm", "secret")); err != nil {
				t.Fatal(err)
			}
			if err := c.SendMail(sender, []string{"active@example.net"}, strings.NewReader("Subject: hello\r\n\r\ntext\r\n")); err != nil {
				t.Fatal(err)
			}
			if got := w.upstream.Messages(); len(got) != 1 || !bytes.Contains(got[0].Data, []byte("with ESMTPSA id")) {
				t.Errorf("upstream got %+v, want one message that came with ESMTPSA", got)
			}
		})
	}
}

const sender = "news@example.com"

// overTLS connects with go-smtp's client, a peer that shares nothing with our engine.
func overTLS(t *testing.T, w *world, mode smtpproxy.TLSMode, config *tls.Config) *smtp.Client {
	t.Helper()
	connect := smtp.DialTLS
	if mode == smtpproxy.TLSStartTLS {
		connect = smtp.DialStartTLS
	}
	c, err := connect(w.addr, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestWithSTARTTLSRequiredNothingIsSignedInInTheClear(t *testing.T) {
	t.Parallel()
	ca := smtptest.NewAuthority(t)
	w := start(t, withCredential, func(_ *world, o *smtpproxy.Options) {
		o.Listeners[0].TLS, o.Listeners[0].Config = smtpproxy.TLSStartTLS, ca.Server()
	})
	w.play("C: AUTH PLAIN AGNybQBzZWNyZXQ=\nS: 530 5.7.0\nC: MAIL FROM:<news@example.com>\nS: 530 5.7.0 Must issue a STARTTLS\n" +
		"C: STARTTLS\nC: RSET\nS: 454 4.7.0\nS.\n")
}
