package smtpproxy_test

import (
	"bufio"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

// The tests of this file show, one by one, that the session has none of the defects for which
// docs/decisions/0001-our-own-listener.md rejects another listener. Those that need no session are in wire.

func TestNestedMailIsRefusedAndKeepsTheTransaction(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.play("C: MAIL FROM:<order@shop.example.com>\nS: 250\nC: RCPT TO:<one@example.net>\nS: 250\n" +
		"C: MAIL FROM:<news@example.com>\nS: 503 5.5.1\nC: DATA\nS: 354\nC: Subject: x\nC:\nC: .\nS: 250\n")
	if m := w.upstream.Messages(); len(m) != 1 || !strings.HasPrefix(m[0].MailArg, "<order@shop.example.com>") {
		t.Errorf("upstream got %+v, want the first transaction alone", m)
	}
}

func TestCHUNKINGIsNeitherOfferedNorTaken(t *testing.T) {
	t.Parallel()
	w := start(t)
	c := smtptest.Dial(t, w.addr, w.upstream)
	c.Play("S: 220\nC: EHLO client.example\nS= 250-gate.example\nS= 250-PIPELINING\nS= 250-ENHANCEDSTATUSCODES\n" +
		"S~ ^250-SIZE \nS~ ^250-LIMITS \nS= 250-8BITMIME\nS= 250-SMTPUTF8\nS= 250 DSN\n")
	c.Play("C: MAIL FROM:<news@example.com>\nS: 250\nC: RCPT TO:<active@example.net>\nS: 250\n" +
		"C: BDAT 1000 LAST\nC: DATA\nC: Subject: a chunk that would be commands\nC:\nC: .\nS: 502 5.5.1\nS.\n")
	if n := w.served("active"); n != 0 {
		t.Errorf("served %d times by what is in a chunk", n)
	}
}

func TestNo354WithoutAnUpstreamInHand(t *testing.T) {
	t.Parallel()
	w := start(t, func(_ *world, o *smtpproxy.Options) {
		o.Upstream = upstream.New(upstream.Options{Targets: []upstream.Target{{Address: "127.0.0.1:1", TLS: upstream.None}}})
	})
	w.play("C: MAIL FROM:<news@example.com>\nS: 250\nC: RCPT TO:<active@example.net>\nS: 250\nC: DATA\nS: 451 4.4.1\n")
}

func TestAQuotedLocalPartIsNotAnotherPersonsConsent(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.play("C: MAIL FROM:<news@example.com>\nS: 250\n" +
		`C: RCPT TO:<"active@example.net> ORCPT=rfc822;x"@consented.example>` + "\nS: 553 5.1.3\n" +
		`C: RCPT TO:<"active@example.net"@consented.example>` + "\nS: 553 5.1.3\nU! RCPT\n")
}

func TestAStalledMessageEndsTheSession(t *testing.T) {
	t.Parallel()
	w := start(t, func(_ *world, o *smtpproxy.Options) { o.Limits.Progress = 50 * time.Millisecond })
	c := dial(w)
	begin, _, _ := strings.Cut(message("news@example.com", "250", "active"), "C: .")
	c.Play(begin + "C: MAIL FROM:<evil@example.com>\nC: RCPT TO:<double@example.net>\nC: DATA\nS.\n")
	smtptest.Eventually(t, "the upstream connection is closed", func() bool { return w.upstream.Open() == 0 })
	for _, m := range w.upstream.Messages() {
		if m.Complete || m.MailArg != "<news@example.com>" && !strings.HasPrefix(m.MailArg, "<news@example.com> ") {
			t.Errorf("of a message that never ended the upstream got %+v", m)
		}
	}
}

func TestRepliesToOneGroupLeaveInOneWrite(t *testing.T) {
	t.Parallel()
	w := start(t)
	nc, err := net.Dial("tcp", w.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(5 * time.Second))
	r := bufio.NewReader(nc)
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if _, err := nc.Write([]byte("EHLO client.example\r\nNOOP\r\nMAIL FROM:<news@example.com>\r\nRCPT TO:<active@example.net>\r\nRSET\r\nNOOP\r\n")); err != nil {
		t.Fatal(err)
	}
	// One write of a few hundred octets on loopback is one read.
	reply := make([]byte, 4096)
	n, err := nc.Read(reply)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(reply[:n]), "\r\n"); got != 13 {
		t.Errorf("the first read holds %d reply lines, want all 13:\n%s", got, reply[:n])
	}
}

func TestAShutdownTellsIdleSessions(t *testing.T) {
	t.Parallel()
	w := start(t)
	c := dial(w)
	w.drain()
	c.Play("S: 421 4.3.2\nS.\n")
}
