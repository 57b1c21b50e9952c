package upstream_test

import (
	"crypto/tls"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/consentgate/consentgate/smtpproxy/smtptest"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

// secured sets the first target's TLS, user name and password.
func secured(mode upstream.TLSMode, c *tls.Config, username, password string) func(*upstream.Options) {
	return func(o *upstream.Options) {
		t := &o.Targets[0]
		t.TLS, t.Config, t.Username, t.Password = mode, c, username, password
	}
}

func TestTLSModes(t *testing.T) {
	t.Parallel()
	authority := smtptest.NewAuthority(t)
	spelled := func(u *smtptest.Upstream) {
		smtptest.WithTLS(authority)(u)
		smtptest.Capabilities("pipelining", "StartTls")(u)
	}
	for name, tc := range map[string]struct {
		option    smtptest.Option
		mode      upstream.TLSMode
		encrypted bool
	}{
		"opportunistic, offered in another case": {spelled, upstream.Opportunistic, true},
		"starttls":                               {smtptest.WithTLS(authority), upstream.StartTLS, true},
		"implicit":                               {smtptest.WithImplicitTLS(authority), upstream.Implicit, true},
		"opportunistic, offered":                 {smtptest.WithTLS(authority), upstream.Opportunistic, true},
		"opportunistic, not offered":             {smtptest.Capabilities(), upstream.Opportunistic, false},
		"none":                                   {smtptest.WithTLS(authority), upstream.None, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := smtptest.Start(t, tc.option)
			p := newPool(t, secured(tc.mode, authority.Client(), "", ""), u)
			mustSend(t, p)
			mustSend(t, p)
			for _, m := range u.Messages() {
				if m.TLS != tc.encrypted {
					t.Errorf("encrypted: %v, want %v", m.TLS, tc.encrypted)
				}
			}
			if u.Total() != 1 {
				t.Errorf("%d connections, want the first to be kept", u.Total())
			}
			u.CloseConnections()
			mustSend(t, p)
		})
	}
}

func TestOpportunisticTLSWarnsOnce(t *testing.T) {
	t.Parallel()
	u := smtptest.Start(t)
	var log strings.Builder
	p := newPool(t, func(o *upstream.Options) {
		o.Targets[0].TLS = upstream.Opportunistic
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		o.MaxMessages = 1
	}, u)
	mustSend(t, p)
	mustSend(t, p)
	if got := strings.Count(log.String(), "plain text"); got != 1 {
		t.Errorf("%d warnings in %q, want 1", got, log.String())
	}
}

// TestNothingLeavesInPlainText: whatever goes wrong with TLS ends the connection before MAIL or a password is sent.
func TestNothingLeavesInPlainText(t *testing.T) {
	t.Parallel()
	authority, stranger := smtptest.NewAuthority(t), smtptest.NewAuthority(t)
	wrongName := authority.Client()
	wrongName.ServerName = "mx.example.com"
	for name, tc := range map[string]struct {
		mode   upstream.TLSMode
		config *tls.Config
		option smtptest.Option
		fault  smtptest.Fault
	}{
		"required and not offered":            {upstream.StartTLS, authority.Client(), smtptest.Capabilities(), smtptest.Fault{}},
		"required and refused":                {upstream.StartTLS, authority.Client(), smtptest.WithTLS(authority), smtptest.Reply("454 4.7.0 no TLS now")},
		"offered and refused":                 {upstream.Opportunistic, authority.Client(), smtptest.WithTLS(authority), smtptest.Reply("454 4.7.0 no TLS now")},
		"closed at STARTTLS":                  {upstream.StartTLS, authority.Client(), smtptest.WithTLS(authority), smtptest.Close()},
		"a certificate of someone else":       {upstream.StartTLS, stranger.Client(), smtptest.WithTLS(authority), smtptest.Fault{}},
		"opportunistic, an unknown authority": {upstream.Opportunistic, stranger.Client(), smtptest.WithTLS(authority), smtptest.Fault{}},
		"implicit, an unknown authority":      {upstream.Implicit, stranger.Client(), smtptest.WithImplicitTLS(authority), smtptest.Fault{}},
		"a certificate for another name":      {upstream.StartTLS, wrongName, smtptest.WithTLS(authority), smtptest.Fault{}},
		"system roots by default":             {upstream.StartTLS, nil, smtptest.WithTLS(authority), smtptest.Fault{}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := smtptest.Start(t, tc.option, smtptest.WithAuth("gate", "secret", "PLAIN LOGIN"))
			u.On(smtptest.StartTLS, tc.fault)
			p := newPool(t, secured(tc.mode, tc.config, "gate", "secret"), u)
			if _, err := send(t.Context(), p, "hello\r\n"); class(err) != "unavailable" {
				t.Errorf("got %v, want ErrUnavailable", err)
			}
			if got := verbs(u); strings.Contains(got, "MAIL") || strings.Contains(got, "AUTH") {
				t.Errorf("the upstream got %s", got)
			}
			smtptest.Eventually(t, "the connection is closed", func() bool { return u.Open() == 0 })
		})
	}
}

func TestRepliesInjectedBeforeTLSAreDropped(t *testing.T) {
	t.Parallel()
	authority := smtptest.NewAuthority(t)
	u := smtptest.Start(t, smtptest.WithTLS(authority), smtptest.Capabilities("PIPELINING"))
	u.On(smtptest.StartTLS, smtptest.Reply("220 go\n250-evil.test\n250-DSN\n250 SMTPUTF8"))
	p := newPool(t, secured(upstream.StartTLS, authority.Client(), "", ""), u)
	if err := p.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c := p.Caps(); !c.Known || c.DSN || c.SMTPUTF8 {
		t.Errorf("capabilities %+v, want those that were said in TLS and not what was injected in plain text", c)
	}
}

func TestAuth(t *testing.T) {
	t.Parallel()
	authority := smtptest.NewAuthority(t)
	for name, tc := range map[string]struct {
		mechanisms, password string
		fault                smtptest.Fault
		want                 string
	}{
		"PLAIN":                         {"PLAIN LOGIN", "secret", smtptest.Fault{}, "reply"},
		"LOGIN where there is no PLAIN": {"LOGIN", "secret", smtptest.Fault{}, "reply"},
		"lower case":                    {"login plain", "secret", smtptest.Fault{}, "reply"},
		"a wrong password":              {"PLAIN", "guess", smtptest.Fault{}, "unavailable"},
		"neither mechanism":             {"CRAM-MD5", "secret", smtptest.Fault{}, "unavailable"},
		"a refusal for the moment":      {"PLAIN", "secret", smtptest.Reply("454 4.7.0 later"), "unavailable"},
		"an end":                        {"PLAIN", "secret", smtptest.Close(), "unavailable"},
		"garbage":                       {"PLAIN", "secret", smtptest.Garbage(), "unavailable"},
		"an endless exchange":           {"PLAIN", "secret", smtptest.Reply("334 VXNlcm5hbWU6"), "unavailable"},
		"a challenge that is none":      {"PLAIN", "secret", smtptest.Reply("334 !"), "unavailable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := smtptest.Start(t, smtptest.WithTLS(authority), smtptest.WithAuth("gate", "secret", tc.mechanisms))
			u.On(smtptest.Auth, tc.fault)
			p := newPool(t, secured(upstream.StartTLS, authority.Client(), "gate", tc.password), u)
			_, err := send(t.Context(), p, "hello\r\n")
			if class(err) != tc.want {
				t.Errorf("got %v, want %s", err, tc.want)
			}
			if err != nil && (strings.Contains(err.Error(), "secret") || strings.Contains(err.Error(), "guess")) {
				t.Errorf("%v shows the password", err)
			}
			for _, m := range u.Messages() {
				if m.Username != "gate" {
					t.Errorf("message of %q", m.Username)
				}
			}
		})
	}
}

// connTo is a connection that ends at the address.
type connTo struct {
	net.Conn
	addr net.Addr
}

func (c connTo) RemoteAddr() net.Addr { return c.addr }

func TestAuthInTheClearOnlyOnLoopback(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"127.0.0.1": true, "127.8.8.8": true, "::1": true, "::ffff:127.0.0.1": true,
		"192.0.2.1": false, "10.0.0.1": false, "2001:db8::1": false, "0.0.0.0": false,
	} {
		if got := upstream.MaySendPassword(connTo{addr: &net.TCPAddr{IP: net.ParseIP(address)}}); got != want {
			t.Errorf("%s: %v, want %v", address, got, want)
		}
	}
	if upstream.MaySendPassword(connTo{addr: &net.UDPAddr{IP: net.IPv6loopback}}) {
		t.Error("an address that is no TCP address counts as loopback")
	}
	u := smtptest.Start(t, smtptest.WithAuth("gate", "secret", "PLAIN"))
	mustSend(t, newPool(t, secured(upstream.None, nil, "gate", "secret"), u))
}
