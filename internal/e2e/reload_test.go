package e2e_test

import (
	"crypto/tls"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

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

// TestSIGHUPTakesNewCertificatesCredentialsAndPacks: each of them by a real socket, while a session that began before
// goes on; and what is wrong with one of them changes none.
func TestSIGHUPTakesNewCertificatesCredentialsAndPacks(t *testing.T) {
	t.Parallel()
	up := smtptest.Start(t)
	cert, key := certificate(t)
	packs := t.TempDir()
	settings := func(users ...string) string {
		var b strings.Builder
		for _, u := range users {
			hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
			if err != nil {
				t.Fatal(err)
			}
			b.WriteString("  - {username: " + u + ", password_hash: " + string(hash) + "}\n")
		}
		return "default_stream: news\ntls: {certificate: " + cert + ", key: " + key + "}\npolicies: {folder: " + packs + "}\n" +
			"listeners:\n  - {address: \"127.0.0.1:0\"}\n  - {address: \"127.0.0.1:0\", tls: implicit, require_auth: true}\n" +
			"credentials:\n" + b.String() + "upstreams: [{address: \"" + up.Addr() + "\"}]\nstreams: {news: {kind: marketing, purpose: marketing}}\n"
	}
	path := configFile(t, settings("crm"))
	union := pack(t)
	writeFile(t, packs+"/eu.yaml", union)
	g := startGate(t, embedded(t), "--config", path)
	at := g.addresses()
	g.grant("ann@example.com", "active")
	shown := leaf(t, at[1])
	c := smtptest.Dial(t, at[0], nil)
	c.Play("S: 220\nC: EHLO client.example\nS* 250\nC: MAIL FROM:<news@example.com>\nS: 250\nC: RCPT TO:<ann@example.com>\nS: 250\n")

	renewed, newKey := certificate(t)
	replace(t, renewed, cert)
	replace(t, newKey, key)
	writeFile(t, packs+"/eu.yaml", "jurisdiction: EU\nmodel: nonsense\n")
	g.reload(path, settings("crm", "shop"), "msg=\"reload refused")
	signIn(t, at[1], "crm", "235 2.7.0")
	signIn(t, at[1], "shop", "535 5.7.8")

	if !strings.Contains(union, singleOptIn+"permit\n") {
		t.Fatalf("policies/eu.yaml lacks %q", singleOptIn)
	}
	writeFile(t, packs+"/eu.yaml", strings.Replace(union, singleOptIn+"permit", singleOptIn+"confirmation_required", 1))
	g.reload(path, settings("shop"), "msg=reloaded")
	if again := leaf(t, at[1]); again == shown {
		t.Error("the old certificate is shown after the reload")
	}
	signIn(t, at[1], "crm", "535 5.7.8")
	signIn(t, at[1], "shop", "235 2.7.0")
	c.Play("C: DATA\nS: 354\nC: Subject: x\nC:\nC: .\nS: 250\nC: MAIL FROM:<news@example.com>\nS: 250\n" +
		"C: RCPT TO:<ann@example.com>\nS: 550 5.7.1 Recipient blocked by consent policy (confirmation_required)\nC: QUIT\nS: 221\nS.\n")
	if n := len(up.Messages()); n != 1 {
		t.Errorf("%d messages upstream, want the one of the session that went on", n)
	}
}

// singleOptIn is where the EU's pack answers for one.
const singleOptIn = "  active_single:\n    all:\n      answer: "

// pack is the EU's.
func pack(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../policies/eu.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// replace puts a file in the place of another, as those do that renew certificates.
func replace(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// leaf is the certificate that a listener shows.
func leaf(t *testing.T, addr string) string {
	t.Helper()
	conn, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // it is looked at, not trusted
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return string(conn.ConnectionState().PeerCertificates[0].Raw)
}

// signIn signs in over TLS with the password secret, and expects a reply that begins so.
func signIn(t *testing.T, addr, name, reply string) {
	t.Helper()
	dialogue, _ := swaks(t, addr, "--tls-on-connect", "--auth-user", name, "--auth-password", "secret", "--auth", "PLAIN", "--quit-after", "AUTH")
	if !regexp.MustCompile(`(?m)^<~.? +` + reply).MatchString(dialogue) {
		t.Errorf("%s signs in: want %s\n%s", name, reply, dialogue)
	}
}
