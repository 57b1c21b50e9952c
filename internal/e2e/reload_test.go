package e2e_test

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/consentgate/consentgate/internal/testredis"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
)

func TestSIGHUPTakesNewSettingsWholeAndDropsNoSession(t *testing.T) {
	t.Parallel()
	redis, box := testredis.Start(t), startPostfix(t)
	settings := func(streams string) string {
		return "mode: enforce\ndefault_stream: news\nlisteners: [{address: \"127.0.0.1:0\"}]\nupstreams: [{address: \"" + box.addr + "\"}]\n" +
			"streams:\n  news: {kind: marketing, purpose: news}\n" + streams
	}
	path := configFile(t, settings(""))
	g := startGate(t, redis.URL, "--config", path)
	c := smtptest.Dial(t, g.addr, nil)
	c.Play("S: 220\nC: EHLO client.example\nS* 250\nC: MAIL FROM:<orders@shop.example.com>\nS: 250\nC: RCPT TO:<bob@example.com>\nS: 550 5.7.1\nC: RSET\nS: 250\n")

	g.reload(path, settings("  receipts: {kind: transactional, match: {mail_from: [nonsense]}}\n"), "msg=\"reload refused")
	c.Play("C: MAIL FROM:<orders@shop.example.com>\nS: 250\nC: RCPT TO:<bob@example.com>\nS: 550 5.7.1\nC: RSET\nS: 250\n")

	g.reload(path, strings.Replace(settings(""), "127.0.0.1:0", "127.0.0.1:1", 1), "needs a restart")

	g.reload(path, settings("  receipts: {kind: transactional, match: {mail_from: [\"*@shop.example.com\"]}}\n"), "msg=reloaded")
	c.Play("C: MAIL FROM:<orders@shop.example.com>\nS: 250\nC: RCPT TO:<bob@example.com>\nS: 250\nC: DATA\nS: 354\nC: Subject: x\nC:\nC: .\nS: 250\n")
	box.wait(1)
}

// reload writes new settings, sends SIGHUP and waits for the log to say what became of them.
func (g *gateway) reload(path, text, word string) {
	g.t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		g.t.Fatal(err)
	}
	if err := g.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		g.t.Fatal(err)
	}
	waitFor(g.t, 10*time.Second, word, func() bool { return g.log.has(word) })
}
