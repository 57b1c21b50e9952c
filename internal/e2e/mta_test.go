package e2e_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The tests of this file put the gate between mail servers: Postfix and Exim hand it mail, Postfix takes it.

// relaying makes an instance hand all mail to the gate at addr, by smtp or lmtp.
func relaying(protocol, addr string) []string {
	host, port, _ := net.SplitHostPort(addr)
	return []string{
		"virtual_mailbox_domains =", "virtual_mailbox_maps =", "smtp_dns_support_level = disabled", "smtp_host_lookup = native",
		"default_transport = " + protocol + ":[" + host + "]:" + port, "smtp_helo_name = front.example.com", "lmtp_lhlo_name = front.example.com",
		"smtpd_recipient_restrictions = permit_mynetworks, reject",
	}
}

// between starts a gate with a listener for each protocol in front of box.
func between(t *testing.T, box *postfix) (g *gateway, smtp, lmtp string) {
	t.Helper()
	conf := configFile(t, `
default_stream: news
listeners: [{address: "127.0.0.1:0"}, {address: "127.0.0.1:0", protocol: lmtp}]
upstreams: [{address: "`+box.addr+`"}]
streams:
  news: {kind: marketing, purpose: marketing}
  receipts: {kind: transactional, match: {mail_from: ["*@shop.example.com"]}}
`)
	g = startGate(t, embedded(t), "--config", conf)
	at := g.addresses()
	if len(at) != 2 {
		t.Fatalf("listening on %q\n%s", at, g.log)
	}
	g.grant("ann@example.com", "active")
	return g, at[0], at[1]
}

// logged reports whether a line of Postfix's log has all the words.
func (p *postfix) logged(words ...string) bool {
	log, _ := os.ReadFile(p.path("log"))
	for line := range strings.Lines(string(log)) {
		missing := false
		for _, w := range words {
			missing = missing || !strings.Contains(line, w)
		}
		if !missing {
			return true
		}
	}
	return false
}

func TestPostfixRelaysThroughTheGateAndBouncesWhomItRefuses(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"smtp", "lmtp"} {
		t.Run(protocol, func(t *testing.T) {
			t.Parallel()
			box := startPostfix(t)
			_, smtp, lmtp := between(t, box)
			front := startPostfix(t, relaying(protocol, map[string]string{"smtp": smtp, "lmtp": lmtp}[protocol])...)

			o := smtplib(t, front.addr, envelope{From: sender, To: []string{"ann@example.com", "bob@example.com"}, Data: []byte(plain)})
			if o.Code != 250 || len(o.Refused) != 0 {
				t.Fatalf("smtplib: %+v", o)
			}
			got := box.wait(2) // the letter, and Postfix's notice about bob, which passes the gate as well
			if got[0].to != "ann@example.com" || !bytes.HasSuffix(got[0].data, []byte(plain)) {
				t.Errorf("to %s: %q", got[0].to, got[0].data)
			}
			if got[1].from != "" || got[1].to != sender || !bytes.Contains(got[1].data, []byte("consent policy (no_consent)")) ||
				!bytes.Contains(got[1].data, []byte("Final-Recipient: rfc822; bob@example.com")) || bytes.Contains(got[1].data, []byte("rfc822; ann@")) {
				t.Errorf("notice from %q to %q:\n%s", got[1].from, got[1].to, got[1].data)
			}
		})
	}
}

func TestPostfixPipelinesManyRecipientsThroughTheGate(t *testing.T) {
	t.Parallel()
	box := startPostfix(t)
	_, smtp, _ := between(t, box)
	front := startPostfix(t, append(relaying("smtp", smtp), "smtp_destination_recipient_limit = 200")...)
	to := make([]string, 120)
	for i := range to {
		to[i] = fmt.Sprintf("customer%d@example.org", i)
	}
	if o := smtplib(t, front.addr, envelope{From: "orders@shop.example.com", To: to, Data: []byte(plain)}); o.Code != 250 {
		t.Fatalf("smtplib: %+v", o)
	}
	for _, d := range box.wait(len(to)) {
		if !bytes.HasSuffix(d.data, []byte(plain)) {
			t.Fatalf("to %s: %q", d.to, d.data)
		}
	}
	if !box.logged("nrcpt=120") {
		t.Error("the recipients did not travel in one transaction")
	}
}

// TestBehindAQueueThatSpeaksLMTPOnlyTheDeferredRecipientIsTriedAgain: what LMTP is recommended for.
func TestBehindAQueueThatSpeaksLMTPOnlyTheDeferredRecipientIsTriedAgain(t *testing.T) {
	t.Parallel()
	box := startPostfix(t, "smtpd_recipient_restrictions = check_recipient_access inline:{{later@example.org=450 4.7.1 greylisted}}, permit_mynetworks, reject")
	_, _, lmtp := between(t, box)
	front := startPostfix(t, relaying("lmtp", lmtp)...)
	to := []string{"now@example.org", "later@example.org", "too@example.org"}
	if o := smtplib(t, front.addr, envelope{From: "orders@shop.example.com", To: to, Data: []byte(plain)}); o.Code != 250 {
		t.Fatalf("smtplib: %+v", o)
	}
	if got := box.wait(2); got[0].to != "now@example.org" || got[1].to != "too@example.org" {
		t.Errorf("delivered: %+v", got)
	}
	waitFor(t, 20*time.Second, "the one to be deferred", func() bool {
		return front.logged("to=<later@example.org>", "status=deferred", "450 4.7.1", "greylisted")
	})
	for _, who := range []string{"now", "too"} {
		if !front.logged("to=<"+who+"@example.org>", "status=sent") {
			t.Errorf("%s is not sent for Postfix", who)
		}
	}
}

// eximConf hands all mail to one host and says at once what came of it.
const eximConf = `primary_hostname = exim.example.com
spool_directory = DIR
log_file_path = DIR/%slog
qualify_domain = example.com
keep_environment =
exim_path = RUN
exim_user = nobody
exim_group = nogroup
begin routers
all:
  driver = manualroute
  transport = relay
  route_list = * 127.0.0.1
  self = send
begin transports
relay:
  driver = smtp
  port = PORT
  hosts_try_fastopen = :
begin retry
* * F,1h,1m
`

// exim sends a message to a port of loopback and returns what it logs. It drops its rights and must still reach its folder.
func exim(t *testing.T, port, text string, to ...string) (log string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "exim-")
	if err != nil {
		t.Fatal(err)
	}
	p := &postfix{t: t, dir: dir}
	t.Cleanup(func() { p.asRoot("rm", "-rf", dir) })
	p.must(os.Chmod(dir, 0o777))
	if _, err := os.Stat("testdata/exim/root/usr/sbin/exim4"); err != nil {
		t.Fatal("exim is not unpacked: run script/bootstrap")
	}
	run, err := filepath.Abs("testdata/exim/run")
	p.must(err)
	p.must(os.WriteFile(p.path("exim.conf"), []byte(strings.NewReplacer("DIR", dir, "PORT", port, "RUN", run).Replace(eximConf)), 0o644))
	args := []string{"-C", p.path("exim.conf"), "-odf", "-oi", "-f", sender}
	cmd := p.rootCommand(run, append(args, to...)...)
	cmd.Stdin = strings.NewReader(strings.ReplaceAll(text, "\r\n", "\n"))
	// The process that delivers has no right to the log, and says on standard error what it did.
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("exim: %v\n%s", err, out)
	}
	return string(out)
}

func TestEximRelaysThroughTheGate(t *testing.T) {
	t.Parallel()
	d := openDoors(t)
	_, port, _ := net.SplitHostPort(d.plain)
	log := exim(t, port, letter, "ann@example.com", "bob@example.com")
	got := d.upstream.Messages()
	if len(got) == 0 || !bytes.Contains(got[0].Data, []byte(stuffed("\r\n\r\ntext\r\n.dot\r\n"))) || got[0].RcptArgs[0] != "<ann@example.com>" {
		t.Errorf("the upstream got %+v\n%s", got, log)
	}
	if !strings.Contains(log, "** bob@example.com") || !strings.Contains(log, "(no_consent)") {
		t.Errorf("exim's log does not say why bob is refused:\n%s", log)
	}
}
