package app

import (
	"context"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"testing"

	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
)

// withInbound is a config whose marketing mail carries a link and an address to unsubscribe.
func withInbound(t *testing.T, dir, upstream, inbound string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("", fmt.Appendf(nil, `
data_dir: %q
listeners: [{address: "127.0.0.1:0"}]
upstreams: [{address: %q}]
default_stream: news
streams: {news: {kind: marketing, purpose: news, unsubscribe: [https, mailto]}}
unsubscribe: {listen: "127.0.0.1:0", public_url: "http://127.0.0.1:8025"}
inbound: {listen: "127.0.0.1:0", protocol: smtp, %s}
`, dir, upstream, inbound), config.Options{Env: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// running is an app that serves until the test ends.
func running(t *testing.T, cfg *config.Config) *App {
	t.Helper()
	a, err := New(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, Reloads{}) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		a.Close()
	})
	return a
}

// send begins a message to ann and wants the reply to RCPT to begin so.
func send(t *testing.T, a *App, want string) {
	t.Helper()
	text := "S: 220\nC: EHLO client.example\nS* 250\nC: MAIL FROM:<news@example.com>\nS: 250\nC: RCPT TO:<ann@example.com>\nS: " + want + "\n"
	if strings.HasPrefix(want, "250") {
		text += "C: DATA\nS: 354\nC: Subject: news\nC:\nC: text\nC: .\nS: 250\n"
	}
	if err := smtptest.Play(a.SMTPAddrs()[0].String(), "send", text+"C: QUIT\nS: 221\n", nil); err != nil {
		t.Fatal(err)
	}
}

// write sends mail to the gate itself and wants its last reply to begin so.
func write(t *testing.T, a *App, to, want string) {
	t.Helper()
	text := "S: 220\nC: EHLO mail.example\nS* 250\nC: MAIL FROM:<ann@example.com>\nS: 250\nC: RCPT TO:<" + to + ">\n"
	if strings.HasPrefix(want, "550") {
		text += "S: " + want + "\n"
	} else {
		text += "S: 250\nC: DATA\nS: 354\nC: From: ann@example.com\nC: Subject: unsubscribe\nC:\nC: .\nS: " + want + "\n"
	}
	if err := smtptest.Play(a.InboundAddr().String(), "write", text+"C: QUIT\nS: 221\n", nil); err != nil {
		t.Fatal(err)
	}
}

// mailtoOf is the address in the List-Unsubscribe of the first message that the upstream got.
func mailtoOf(t *testing.T, up *smtptest.Upstream) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)^List-Unsubscribe: <http://127\.0\.0\.1:8025/u/[\w-]{50}>,\r\n <mailto:([a-z2-7]{60}@u\.example\.com)\?subject=unsubscribe>\r\n` +
		`List-Unsubscribe-Post: List-Unsubscribe=One-Click\r$`).FindSubmatch(up.Messages()[0].Data)
	if m == nil {
		t.Fatalf("no List-Unsubscribe with a link and an address:\n%s", up.Messages()[0].Data)
	}
	return string(m[1])
}

func TestTheAddressInADeliveredMailStopsTheNext(t *testing.T) {
	t.Parallel()
	up := smtptest.Start(t)
	a := running(t, withInbound(t, t.TempDir(), up.Addr(), "domain: u.example.com"))
	agree(t, a, "ann@example.com")
	send(t, a, "250")
	write(t, a, mailtoOf(t, up), "250 2.0.0")
	send(t, a, "550 5.7.1 Recipient blocked by consent policy (withdrawn)")
}

func TestAReloadTellsTheInboundListenerWhatItIsFor(t *testing.T) {
	t.Parallel()
	up, dir := smtptest.Start(t), t.TempDir()
	a := running(t, withInbound(t, dir, up.Addr(), "domain: u.example.com"))
	agree(t, a, "ann@example.com")
	send(t, a, "250")
	to := mailtoOf(t, up)
	write(t, a, "fbl@example.com", "550 5.1.1")
	if err := a.Reload(t.Context(), withInbound(t, dir, up.Addr(), "domain: v.example.com, complaints: fbl@example.com")); err != nil {
		t.Fatal(err)
	}
	write(t, a, "fbl@example.com", "250 2.0.0")
	write(t, a, to, "550 5.1.1")
	write(t, a, strings.Replace(to, "@u.", "@v.", 1), "250 2.0.0")
}

func TestWhereAndHowTheInboundListenerSpeaksNeedsARestart(t *testing.T) {
	t.Parallel()
	a := running(t, withInbound(t, t.TempDir(), "127.0.0.1:1", "domain: u.example.com"))
	for key, change := range map[string]func(*config.Inbound){
		"inbound.protocol": func(in *config.Inbound) { in.Protocol = config.LMTP },
		"inbound.listen":   func(in *config.Inbound) { in.Listen = "127.0.0.1:9" },
		"inbound.domain":   func(in *config.Inbound) { in.Domain = "" },
	} {
		cfg, _ := a.inForce()
		next := *cfg
		change(&next.Inbound)
		if err := a.Reload(t.Context(), &next); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s was changed without a restart: %v", key, err)
		}
	}
}
