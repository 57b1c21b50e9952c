package e2e_test

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/crypto/bcrypt"

	"github.com/consentgate/consentgate/smtpproxy/smtptest"
)

// doors are the addresses of one gate's listeners.
type doors struct {
	plain, starttls, implicit, lmtp string
	gate                            *gateway
	upstream                        *smtptest.Upstream
}

// openDoors starts a gate in front of a fake upstream, with a listener of each kind. Those with TLS want the
// credential crm with the password secret. ann@example.com agreed to news.
func openDoors(t *testing.T) *doors {
	t.Helper()
	up := smtptest.Start(t)
	cert, key := certificate(t)
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	conf := configFile(t, `
tls: {certificate: `+cert+`, key: `+key+`}
default_stream: news
listeners:
  - {address: "127.0.0.1:0"}
  - {address: "127.0.0.1:0", tls: starttls, require_auth: true}
  - {address: "127.0.0.1:0", tls: implicit, require_auth: true}
  - {address: "127.0.0.1:0", protocol: lmtp}
credentials: [{username: crm, password_hash: `+string(hash)+`}]
upstreams: [{address: "`+up.Addr()+`"}]
streams:
  news: {kind: marketing, purpose: marketing}
  receipts: {kind: transactional, match: {mail_from: ["*@shop.example.com"]}}
`)
	g := startGate(t, embedded(t), "--config", conf)
	at := g.addresses()
	if len(at) != 4 {
		t.Fatalf("listening on %q, want four addresses\n%s", at, g.log)
	}
	g.grant("ann@example.com", "active")
	return &doors{at[0], at[1], at[2], at[3], g, up}
}

// embedded is the URL of a new embedded store.
func embedded(t *testing.T) string {
	t.Helper()
	return "sqlite:" + filepath.Join(t.TempDir(), "consent.db")
}

// addresses are those of the SMTP listeners, in their order.
func (g *gateway) addresses() (at []string) {
	for _, m := range regexp.MustCompile(`msg=listening listener=smtp address=(\S+)`).FindAllStringSubmatch(g.log.String(), -1) {
		at = append(at, m[1])
	}
	return at
}

// certificate writes one for loopback, and its key, as PEM files.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	pair := smtptest.NewAuthority(t).Server().Certificates[0]
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, der []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", pair.Certificate[0]), write("key.pem", "PRIVATE KEY", der)
}

const letter = "Date: Mon, 23 Nov 2026 12:00:00 +0000\r\nMessage-ID: <letter@example.com>\r\nFrom: News <news@example.com>\r\nTo: somebody@example.com\r\nSubject: by a real client\r\n\r\ntext\r\n.dot\r\n"

// client is a real program that sends letter, or a message of its own, and says how that went.
type client struct {
	name string
	with string // of Received: how the gate says that the message came
	send func(t *testing.T, d *doors, to string) (said string, sent bool)
}

// command runs a program with letter on its standard input, with line ends as Unix has them.
func command(name string, args func(d *doors, to string) []string) func(*testing.T, *doors, string) (string, bool) {
	return func(t *testing.T, d *doors, to string) (string, bool) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), program(t, name), args(d, to)...)
		cmd.Stdin = strings.NewReader(strings.ReplaceAll(letter, "\r\n", "\n"))
		out, err := cmd.CombinedOutput()
		if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		return string(out), err == nil
	}
}

func clients() []client {
	return []client{
		swaksClient("plain", "ESMTP"),
		swaksClient("STARTTLS", "ESMTPSA", "--tls", "--auth-user", "crm", "--auth-password", "secret", "--auth", "PLAIN"),
		swaksClient("STARTTLS", "ESMTPSA", "--tls", "--auth-user", "crm", "--auth-password", "secret", "--auth", "LOGIN"),
		swaksClient("implicit TLS", "ESMTPSA", "--tls-on-connect", "--auth-user", "crm", "--auth-password", "secret", "--auth", "PLAIN"),
		swaksClient("implicit TLS", "ESMTPSA", "--tls-on-connect", "--auth-user", "crm", "--auth-password", "secret", "--auth", "LOGIN"),
		curlClient("plain", "ESMTP", "smtp"),
		curlClient("STARTTLS", "ESMTPSA", "smtp", "--ssl-reqd", "--insecure", "--user", "crm:secret"),
		curlClient("implicit TLS", "ESMTPSA", "smtps", "--insecure", "--user", "crm:secret", "--login-options", "AUTH=LOGIN"),
		msmtpClient("plain", "ESMTP", "--tls=off", "--auth=off"),
		msmtpClient("STARTTLS", "ESMTPSA", "--tls=on", "--tls-starttls=on", "--tls-certcheck=off", "--auth=plain", "--user=crm", "--passwordeval=echo secret"),
		msmtpClient("implicit TLS", "ESMTPSA", "--tls=on", "--tls-starttls=off", "--tls-certcheck=off", "--auth=login", "--user=crm", "--passwordeval=echo secret"),
		nodemailerClient("plain", "ESMTP", nil),
		nodemailerClient("STARTTLS", "ESMTPSA", map[string]any{"requireTLS": true}),
		nodemailerClient("implicit TLS", "ESMTPSA", map[string]any{"secure": true}),
	}
}

// door is the listener that a kind of TLS finds.
func (d *doors) door(tls string) string {
	switch tls {
	case "STARTTLS":
		return d.starttls
	case "implicit TLS":
		return d.implicit
	}
	return d.plain
}

func swaksClient(tls, with string, args ...string) client {
	name := "swaks " + tls
	if len(args) > 0 {
		name += " AUTH " + args[len(args)-1]
	}
	return client{name, with, command("swaks", func(d *doors, to string) []string {
		return append([]string{
			"--server", d.door(tls), "--helo", "client.example.com", "--from", sender, "--to", to, "--data", "-", "--timeout", "60",
		}, args...)
	})}
}

func curlClient(tls, with, scheme string, args ...string) client {
	return client{"curl " + tls, with, command("curl", func(d *doors, to string) []string {
		return append([]string{
			"--silent", "--verbose", "--url", scheme + "://" + d.door(tls) + "/client.example.com", "--crlf",
			"--mail-from", sender, "--mail-rcpt", to, "--upload-file", "-",
		}, args...)
	})}
}

func msmtpClient(tls, with string, args ...string) client {
	return client{"msmtp " + tls, with, command("msmtp", func(d *doors, to string) []string {
		host, port, _ := net.SplitHostPort(d.door(tls))
		return append(append([]string{
			"--file=/dev/null", "--host=" + host, "--port=" + port, "--domain=client.example.com", "--from=" + sender,
		}, args...), "--", to)
	})}
}

func nodemailerClient(tls, with string, transport map[string]any) client {
	return client{"nodemailer " + tls, with, func(t *testing.T, d *doors, to string) (string, bool) {
		t.Helper()
		results := nodemailer(t, d.door(tls), transport, message{From: sender, To: to, Subject: "by a real client"})
		return results[0].Response, len(results[0].Accepted) == 1
	}}
}

// message is one of nodemailer's.
type message struct {
	From    string `json:"from"`
	To      string `json:"to"`
	Subject string `json:"subject"`
}

// nodemailed is what nodemailer makes of a message.
type nodemailed struct {
	Code, Response    string
	Accepted, Refused []string
}

// nodeJob is the standard input of send.mjs.
func nodeJob(t *testing.T, addr string, transport map[string]any, wait bool, messages []message) []byte {
	t.Helper()
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	options := map[string]any{"host": host, "port": json.Number(port), "name": "client.example.com", "tls": map[string]any{"rejectUnauthorized": false}}
	if transport["secure"] != nil || transport["requireTLS"] != nil {
		options["auth"] = map[string]string{"user": "crm", "pass": "secret"}
	}
	maps.Copy(options, transport)
	job, err := json.Marshal(map[string]any{"transport": options, "messages": messages, "wait": wait})
	if err != nil {
		t.Fatal(err)
	}
	return append(job, '\n')
}

// nodemailer sends all messages at once.
func nodemailer(t *testing.T, addr string, transport map[string]any, messages ...message) (results []nodemailed) {
	t.Helper()
	if _, err := os.Stat("testdata/node/node_modules/nodemailer"); err != nil {
		t.Fatal("nodemailer is not installed: run script/bootstrap")
	}
	cmd := exec.CommandContext(t.Context(), program(t, "node"), "testdata/node/send.mjs")
	cmd.Stdin = bytes.NewReader(nodeJob(t, addr, transport, false, messages))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("nodemailer: %v\n%s", err, stderr.String())
	}
	for line := range bytes.Lines(out) {
		results = append(results, parseNodemailed(t, line))
	}
	if len(results) != len(messages) {
		t.Fatalf("nodemailer said %s", out)
	}
	return results
}

func parseNodemailed(t *testing.T, line []byte) (r nodemailed) {
	t.Helper()
	if err := json.Unmarshal(line, &r); err != nil {
		t.Fatalf("nodemailer said %q: %v", line, err)
	}
	return r
}

// TestEveryClientIsServedAndIsToldWhyNot: each program, each kind of TLS, each way to sign in.
func TestEveryClientIsServedAndIsToldWhyNot(t *testing.T) {
	t.Parallel()
	d := openDoors(t)
	for _, c := range clients() { //nolint:paralleltest // one after another: they share the upstream's record
		t.Run(c.name, func(t *testing.T) {
			d.upstream.Forget()
			if said, sent := c.send(t, d, "ann@example.com"); !sent {
				t.Fatalf("not sent:\n%s", said)
			}
			got := d.upstream.Messages()
			if len(got) != 1 || !got[0].Complete || !strings.HasPrefix(got[0].MailArg, "<"+sender+">") {
				t.Fatalf("the upstream got %+v", got)
			}
			checkLetter(t, c, got[0].Data)
			said, sent := c.send(t, d, "bob@example.com")
			if sent || !strings.Contains(said, "5.7.1 Recipient blocked by consent policy (no_consent)") {
				t.Errorf("sent: %v; it said\n%s", sent, said)
			}
		})
	}
}

// checkLetter: our line on top says how it came, and below it is the letter, where the client did not write its own.
func checkLetter(t *testing.T, c client, data []byte) {
	t.Helper()
	ours, theirs, _ := bytes.Cut(data, []byte("\r\n"))
	if !bytes.Contains(ours, []byte(" with "+c.with+" id ")) {
		t.Errorf("%s, want it to say %s", ours, c.with)
	}
	if !strings.Contains(c.name, "nodemailer") && !bytes.HasPrefix(theirs, []byte(stuffed(letter))) {
		t.Errorf("the upstream got %q", theirs)
	}
}

func stuffed(s string) string { return strings.ReplaceAll(s, "\r\n.", "\r\n..") }

func TestAPoolOfNodemailerSendsManyOnFewConnectionsAndIsToldOfEveryRefusal(t *testing.T) {
	t.Parallel()
	d := openDoors(t)
	var messages []message
	for i := range 30 {
		to := "ann@example.com"
		if i%3 == 2 {
			to = "bob@example.com"
		}
		messages = append(messages, message{From: sender, To: to, Subject: "pooled"})
	}
	results := nodemailer(t, d.plain, map[string]any{"pool": true, "maxConnections": 3}, messages...)
	for i, r := range results {
		switch {
		case i%3 != 2 && len(r.Accepted) != 1:
			t.Errorf("message %d: %+v, want it accepted", i, r)
		case i%3 == 2 && (r.Code != "EENVELOPE" || !strings.Contains(r.Response, "(no_consent)")):
			t.Errorf("message %d: %+v, want the refusal", i, r)
		}
	}
	if n := len(d.upstream.Messages()); n != 20 {
		t.Errorf("%d messages upstream, want 20", n)
	}
	mixed := nodemailer(t, d.plain, nil, message{From: sender, To: "ann@example.com, bob@example.com", Subject: "both"})[0]
	if len(mixed.Accepted) != 1 || len(mixed.Refused) != 1 || !strings.Contains(mixed.Refused[0], "(no_consent)") {
		t.Errorf("to both: %+v", mixed)
	}
}
