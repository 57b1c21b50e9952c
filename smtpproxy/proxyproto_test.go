package smtpproxy_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
)

// proxied trusts loopback to say who the client is, and lets two networks relay that are not there.
func proxied(_ *world, o *smtpproxy.Options) {
	o.Listeners[0].Proxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	o.Listeners[0].Networks = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("2001:db8::/32")}
}

// fromElsewhere trusts a proxy that no test connects from.
func fromElsewhere(_ *world, o *smtpproxy.Options) {
	o.Listeners[0].Proxies = []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}
}

const (
	version1 = "PROXY TCP4 198.51.100.7 192.0.2.1 40000 25\r\n"
	magic    = "\r\n\r\n\x00\r\nQUIT\n"
	v4       = "\xc6\x33\x64\x07\xc0\x00\x02\x01\x9c\x40\x00\x19" // 198.51.100.7:40000 to 192.0.2.1:25
	v6       = "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x07" +
		"\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01\x9c\x40\x00\x19"
)

// raw is a line of a dialogue that sends these octets.
func raw(octets string) string {
	var b strings.Builder
	for _, c := range []byte(octets) {
		fmt.Fprintf(&b, `\x%02x`, c)
	}
	return "C< " + b.String() + "\n"
}

func TestTheClientIsWhoTheProxySays(t *testing.T) {
	t.Parallel()
	const relays, mayNot = "S: 250 2.1.0\nC: RCPT TO:<none@example.net>\nS: 550\n", "S: 554 5.7.1\n"
	for name, tt := range map[string]struct{ header, reply, client string }{
		"version 1":                    {version1, relays, "198.51.100.7"},
		"version 1, IPv6":              {"PROXY TCP6 2001:db8::7 2001:db8::1 40000 25\r\n", relays, "2001:db8::7"},
		"version 1, a stranger":        {"PROXY TCP4 203.0.113.9 192.0.2.1 40000 25\r\n", mayNot, ""},
		"version 1, not known":         {"PROXY UNKNOWN\r\n", mayNot, ""},
		"version 1, not known at all":  {"PROXY UNKNOWN ffff:f::1 ffff:f::2 65535 65535\r\n", mayNot, ""},
		"version 2":                    {magic + "\x21\x11\x00\x0c" + v4, relays, "198.51.100.7"},
		"version 2, IPv6":              {magic + "\x21\x21\x00\x24" + v6, relays, "2001:db8::7"},
		"version 2, more to tell":      {magic + "\x21\x11\x00\x0f" + v4 + "\x04\x00\x00", relays, "198.51.100.7"},
		"version 1, a mapped address":  {"PROXY TCP6 ::ffff:198.51.100.7 ::ffff:192.0.2.1 4 25\r\n", relays, "198.51.100.7"},
		"version 2, the proxy itself":  {magic + "\x20\x00\x00\x00", mayNot, ""},
		"version 2, itself, addressed": {magic + "\x20\x11\x00\x0c" + v4, mayNot, ""},
	} {
		for _, together := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, with the first commands: %v", name, together), func(t *testing.T) {
				t.Parallel()
				w := start(t, proxied)
				between := "S: 220\n"
				if together {
					between = ""
				}
				after, _ := strings.CutPrefix("S: 220\n", between)
				smtptest.Dial(t, w.addr, w.upstream).Play(raw(tt.header) + between +
					"C: EHLO client.example\n" + after + "S* 250\nC: MAIL FROM:<news@example.com>\n" + tt.reply)
				if entries := w.blocks.all(); tt.client != "" && (len(entries) != 1 || entries[0].Client != tt.client) {
					t.Errorf("blocked %+v, want one of client %s", entries, tt.client)
				}
			})
		}
	}
}

func TestAProxyThatDoesNotSayWhoTheClientIsIsClosedUnheard(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string]string{
		"nothing":                         "",
		"a client's own words":            "EHLO client.example\r\n",
		"TLS at once":                     "\x16\x03\x01\x00\x05hello",
		"version 1 cut short":             "PROXY TCP4 198.51",
		"version 1 without its CR":        "PROXY TCP4 198.51.100.7 192.0.2.1 40000 25\n",
		"version 1 that never ends":       "PROXY " + strings.Repeat("x", 4000),
		"version 1 of no address":         "PROXY TCP4 active@example.net 192.0.2.1 40000 25\r\n",
		"version 1 of another family":     "PROXY TCP4 2001:db8::7 2001:db8::1 40000 25\r\n",
		"version 2 cut in its magic":      magic[:7],
		"version 2 cut in its address":    magic + "\x21\x11\x00\x0c" + v4[:5],
		"version 2 with another magic":    "\r\n\r\n\x00\r\nQUIX\n\x21\x11\x00\x0c" + v4,
		"version 2 of version 3":          magic + "\x31\x11\x00\x0c" + v4,
		"version 2 of UDP":                magic + "\x21\x12\x00\x0c" + v4,
		"version 2 without an address":    magic + "\x21\x00\x00\x00",
		"version 2 shorter than it needs": magic + "\x21\x11\x00\x04" + v4[:4],
		"version 2 of a file":             magic + "\x21\x31\x00\xd8" + strings.Repeat("/", 216),
		"version 2 of 65,535 octets":      magic + "\x21\x11\xff\xff" + v4,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, proxied, func(_ *world, o *smtpproxy.Options) { o.Limits.ProxyHeader = 50 * time.Millisecond })
			smtptest.Dial(t, w.addr, w.upstream).Play(raw(sent) + "S.\n")
		})
	}
}

func TestAClientThatIsNoProxyIsServedUnlessItSaysItIsOne(t *testing.T) {
	t.Parallel()
	for listener, change := range map[string]build{"that knows other proxies": fromElsewhere, "that knows no proxies": plain} {
		for name, says := range map[string]string{
			"a client":               "C: EHLO client.example\nS* 250\nC: MAIL FROM:<news@example.com>\nS: 250\n",
			"a word that begins so":  "C: PROXIMITY\nS: 500\nC: NOOP\nS: 250\n",
			"a blank line":           raw("\r\n\r\n") + "S: 500\nS: 500\nC: NOOP\nS: 250\n",
			"version 1":              raw(version1) + "S.\n",
			"version 1 and commands": raw(version1+"EHLO client.example\r\n") + "S.\n",
			"version 2":              raw(magic+"\x21\x11\x00\x0c"+v4) + "S.\n",
			"version 2 and commands": raw(magic+"\x21\x11\x00\x0c"+v4+"EHLO client.example\r\n") + "S.\n",
			"version 2, itself":      raw(magic+"\x20\x00\x00\x00") + "S.\n",
		} {
			t.Run("a listener "+listener+"/"+name, func(t *testing.T) {
				t.Parallel()
				log := &loud{}
				w := start(t, change, log.listen)
				smtptest.Dial(t, w.addr, w.upstream).Play("S: 220\n" + says)
				w.stop()
				if forged := strings.HasSuffix(says, "S.\n"); strings.Contains(log.String(), "proxy_protocol does not list") != forged {
					t.Errorf("logged %q, want a line about the header: %v", log.String(), forged)
				}
			})
		}
	}
}

func TestAHeaderBeforeTLSIsSeenOnAListenerThatKnowsNoProxies(t *testing.T) {
	t.Parallel()
	for name, header := range map[string]string{"version 1": version1, "version 2": magic + "\x21\x11\x00\x0c" + v4} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ca, log := smtptest.NewAuthority(t), &loud{}
			w := start(t, log.listen, func(_ *world, o *smtpproxy.Options) {
				o.Listeners[0].TLS, o.Listeners[0].Config = smtpproxy.TLSImplicit, ca.Server()
			})
			smtptest.Dial(t, w.addr, w.upstream).Play(raw(header+"\x16\x03\x01") + "S.\n")
			w.stop()
			if !strings.Contains(log.String(), "proxy_protocol does not list") {
				t.Errorf("logged %q, want a line about the header", log.String())
			}
		})
	}
}

func TestAForgedHeaderInPiecesIsSeenWhole(t *testing.T) {
	t.Parallel()
	w := start(t, fromElsewhere)
	// The reply to a piece shows that it was read by itself.
	smtptest.Dial(t, w.addr, w.upstream).Play("S: 220\n" + raw(magic[:2]) + "S: 500\n" + raw(magic[2:4]) + "S: 500\n" +
		raw(magic[4:]+"\x21\x11\x00\x0c"+v4) + "S.\n")
}

func TestAProxyThatKeepsSilentHoldsUpNobodyAndNoDrain(t *testing.T) {
	t.Parallel()
	w := start(t, proxied, func(_ *world, o *smtpproxy.Options) { o.Limits.ProxyHeader = time.Hour })
	silent := smtptest.Dial(t, w.addr, w.upstream)
	smtptest.Dial(t, w.addr, w.upstream).Play(raw(version1) + "S: 220\nC: QUIT\nS: 221\nS.\n")
	w.drain()
	silent.Play("S.\n")
}

func TestTheHeaderStandsBeforeTLS(t *testing.T) {
	t.Parallel()
	for _, mode := range []smtpproxy.TLSMode{smtpproxy.TLSImplicit, smtpproxy.TLSStartTLS} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			ca := smtptest.NewAuthority(t)
			w := start(t, proxied, func(_ *world, o *smtpproxy.Options) {
				o.Listeners[0].TLS, o.Listeners[0].Config = mode, ca.Server()
			})
			conn, err := net.Dial("tcp", w.addr)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, version1); err != nil {
				t.Fatal(err)
			}
			c := secured(t, conn, mode, ca.Client())
			if err := c.SendMail(sender, []string{"active@example.net"}, strings.NewReader("Subject: hello\r\n\r\ntext\r\n")); err != nil {
				t.Fatal(err)
			}
			if got := w.upstream.Messages(); len(got) != 1 || !bytes.Contains(got[0].Data, []byte("with ESMTPS id")) {
				t.Errorf("upstream got %+v, want one message that came with ESMTPS", got)
			}
		})
	}
}

// secured speaks SMTP under TLS on a connection that stands.
func secured(t *testing.T, conn net.Conn, mode smtpproxy.TLSMode, config *tls.Config) *smtp.Client {
	t.Helper()
	t.Cleanup(func() { _ = conn.Close() })
	config = config.Clone()
	config.ServerName = "127.0.0.1"
	if mode == smtpproxy.TLSImplicit {
		return smtp.NewClient(tls.Client(conn, config))
	}
	c, err := smtp.NewClientStartTLS(conn, config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSessionsAreCountedByTheNetworkOfTheClientNotOfTheProxy(t *testing.T) {
	t.Parallel()
	from := func(ip string) string { return raw("PROXY " + ip + " 40000 25\r\n") }
	for name, tt := range map[string]struct{ first, second, reply string }{
		"the same IPv4 address":       {"TCP4 198.51.100.7 192.0.2.1", "TCP4 198.51.100.7 192.0.2.1", "421 4.7.0"},
		"the next IPv4 address":       {"TCP4 198.51.100.7 192.0.2.1", "TCP4 198.51.100.8 192.0.2.1", "220"},
		"the same /64":                {"TCP6 2001:db8:1:2::3 ::1", "TCP6 2001:db8:1:2:ffff::4 ::1", "421 4.7.0"},
		"the next /64":                {"TCP6 2001:db8:1:2::3 ::1", "TCP6 2001:db8:1:3::3 ::1", "220"},
		"an IPv4 address both ways":   {"TCP4 198.51.100.7 192.0.2.1", "TCP6 ::ffff:198.51.100.7 ::1", "421 4.7.0"},
		"the proxy, twice for itself": {"UNKNOWN", "UNKNOWN", "421 4.7.0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, proxied, func(_ *world, o *smtpproxy.Options) { o.Limits.NetworkSessions = 1 })
			smtptest.Dial(t, w.addr, w.upstream).Play(from(tt.first) + "S: 220\n")
			smtptest.Dial(t, w.addr, w.upstream).Play(from(tt.second) + "S: " + tt.reply + "\n")
		})
	}
}

// loud keeps what is logged above debug.
type loud struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *loud) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *loud) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestAHealthCheckLogsNothingAndDialsNobody(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change       build
		says, header string
	}{
		"that leaves at once":              {plain, "", ""},
		"that reads the greeting":          {plain, "S: 220\n", ""},
		"that says goodbye":                {plain, "S: 220\nC: EHLO health\nS* 250\nC: QUIT\nS: 221\n", ""},
		"by a proxy without a header":      {proxied, "", raw(version1)},
		"by a proxy that speaks of itself": {proxied, raw(magic+"\x20\x00\x00\x00") + "S: 220\n", raw(version1)},
		"beside a proxy":                   {fromElsewhere, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			log := &loud{}
			w := start(t, tt.change, log.listen)
			dialled := w.upstream.Total()
			for range 3 {
				c := smtptest.Dial(t, w.addr, w.upstream)
				c.Play(tt.says)
				c.Close()
			}
			smtptest.Dial(t, w.addr, w.upstream).Play(tt.header + "S: 220\n") // those before it have been accepted
			w.stop()
			if log.String() != "" || w.upstream.Total() != dialled {
				t.Errorf("logged %q, dialled %d times", log.String(), w.upstream.Total()-dialled)
			}
		})
	}
}

func TestAHealthCheckOfAPortWithTLSLogsNothing(t *testing.T) {
	t.Parallel()
	ca, log := smtptest.NewAuthority(t), &loud{}
	w := start(t, log.listen, func(_ *world, o *smtpproxy.Options) {
		o.Listeners[0].TLS, o.Listeners[0].Config = smtpproxy.TLSImplicit, ca.Server()
	})
	smtptest.Dial(t, w.addr, w.upstream).Close()
	if err := overTLS(t, w, smtpproxy.TLSImplicit, ca.Client()).Noop(); err != nil {
		t.Fatal(err)
	}
	w.stop()
	if log.String() != "" {
		t.Errorf("logged %q", log.String())
	}
}

// stop drains the gate and waits until every session has ended.
func (w *world) stop() {
	w.drain()
	w.done <- <-w.done
}

func (l *loud) listen(_ *world, o *smtpproxy.Options) {
	o.Log = slog.New(slog.NewTextHandler(l, &slog.HandlerOptions{Level: slog.LevelInfo}))
}

func plain(*world, *smtpproxy.Options) {}
