package smtpproxy_test

import (
	"strings"
	"testing"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

// The tests of this file are for traps of docs/standards.md that no other test has for its subject.

// upstreamThatSays lets the gate use an upstream with these EHLO keywords.
func upstreamThatSays(keywords ...string) build {
	return func(w *world, o *smtpproxy.Options) {
		w.upstream = smtptest.Start(w.tb, smtptest.Capabilities(keywords...))
		o.Upstream = w.pool()
	}
}

func TestTrap11KeywordsOfTheUpstreamCountInAnyCase(t *testing.T) {
	t.Parallel()
	w := start(t, upstreamThatSays("pipelining", "8bitmime", "SmtpUtf8", "dsn", "size 9000"))
	c := smtptest.Dial(t, w.addr, w.upstream)
	c.Play("S: 220\nC: EHLO client.example\nS: 250-\nS: 250-PIPELINING\nS: 250-ENH\nS= 250-SIZE 808\nS: 250-LIMITS\n" +
		"S= 250-8BITMIME\nS= 250-SMTPUTF8\nS= 250 DSN\n")
}

func TestTrap12NothingIsOfferedThatTheUpstreamLacks(t *testing.T) {
	t.Parallel()
	w := start(t, upstreamThatSays("PIPELINING"))
	c := smtptest.Dial(t, w.addr, w.upstream)
	c.Play("S: 220\nC: EHLO client.example\nS: 250-\nS: 250-PIPELINING\nS: 250-ENH\nS: 250-SIZE\nS: 250 LIMITS\n" +
		"C: MAIL FROM:<news@example.com> BODY=8BITMIME\nS: 555 5.5.4\nC: MAIL FROM:<news@example.com> SMTPUTF8\nS: 555 5.5.4\n" +
		"C: MAIL FROM:<news@example.com>\nS: 250\nC: RCPT TO:<active@example.net> NOTIFY=NEVER\nS: 555 5.5.4\n")
}

func TestTrap12AnUpstreamNeverReachedPromisesNothing(t *testing.T) {
	t.Parallel()
	w := start(t, func(_ *world, o *smtpproxy.Options) {
		o.Upstream = upstream.New(upstream.Options{Targets: []upstream.Target{{Address: "127.0.0.1:1", TLS: upstream.None}}})
	})
	c := smtptest.Dial(t, w.addr, w.upstream)
	c.Play("S: 220\nC: EHLO client.example\nS: 250-\nS: 250-PIPELINING\nS: 250-ENH\nS: 250-SIZE\nS: 250 LIMITS\n")
}

func TestTrap26NobodyGetsTheLinkOfSomebodyElse(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.play(message("promo@example.com", "250", "active", "double", "third"))
	got := w.upstream.Messages()
	if len(got) != 3 {
		t.Fatalf("%d copies, want one each", len(got))
	}
	for _, m := range got {
		name, _, _ := strings.Cut(strings.TrimPrefix(m.RcptArgs[0], "<"), "@")
		header := string(m.Data)
		if len(m.RcptArgs) != 1 || strings.Count(header, "https://u.example.com/u/") != 1 || !strings.Contains(header, "/u/"+name+">") {
			t.Errorf("%s got\n%s", m.RcptArgs, header)
		}
	}
}

func TestTrap28ARefusalNamesNoOtherRecipient(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.upstream.OnRcpt("double@example.net", smtptest.Reply("450 4.2.0 later"))
	c := dial(w)
	c.Play("C: MAIL FROM:<news@example.com>\nS: 250\nC: RCPT TO:<active@example.net>\nS: 250\nC: RCPT TO:<double@example.net>\nS: 250\n" +
		"C: RCPT TO:<withdrawn@example.net>\nS~ ^550 5\\.7\\.1 [^@]*$\nC: DATA\nS: 354\nC: Subject: x\nC:\nC: .\nS~ ^45[^@]*$\n")
	for _, e := range w.blocks.all() {
		if strings.Contains(e.Reply, "@") || strings.Contains(e.Hint, "@") {
			t.Errorf("entry %+v names an address", e)
		}
	}
}

func TestTrap28TheTraceNamesARecipientOnlyWhereThereIsNoOther(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		from string
		to   []string
		want int // of the copies name somebody
	}{
		"one recipient":                {"news@example.com", []string{"active"}, 1},
		"a shared copy":                {"news@example.com", []string{"active", "double"}, 0},
		"a copy each":                  {"promo@example.com", []string{"active", "double"}, 0},
		"the others are not permitted": {"deals@example.com", []string{"active", "none"}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			w.play(message(tt.from, "250", tt.to...))
			named := 0
			for _, m := range w.upstream.Messages() {
				named += strings.Count(string(m.Data), "for <")
			}
			if named != tt.want || len(w.upstream.Messages()) == 0 {
				t.Errorf("%d copies name a recipient, want %d", named, tt.want)
			}
		})
	}
}

func TestTrap30NoHeaderChoosesTheStream(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.play("C: MAIL FROM:<news@example.com>\nS: 250\nC: RCPT TO:<none@example.net>\nS: 550\nC: RCPT TO:<active@example.net>\nS: 250\nC: DATA\nS: 354\n" +
		"C: From: order@shop.example.com\nC: X-Stream: receipts\nC: Precedence: transactional\nC: Auto-Submitted: auto-generated\nC:\nC: .\nS: 250\n")
	for _, e := range w.blocks.all() {
		if e.Stream != "news" {
			t.Errorf("decided in stream %s, want news by the reverse-path", e.Stream)
		}
	}
	if w.served("none") != 0 {
		t.Error("the header let somebody in")
	}
}

func TestTrap35LMTPAnswersARecipientAsOftenAsItWasNamed(t *testing.T) {
	t.Parallel()
	w := start(t, func(_ *world, o *smtpproxy.Options) { o.Listeners[0].LMTP = true })
	c := smtptest.Dial(t, w.addr, w.upstream)
	c.Play("S: 220\nC: LHLO client.example\nS* 250\nC: MAIL FROM:<promo@example.com>\nS: 250\nC: RCPT TO:<active@example.net>\nS: 250\n" +
		"C: RCPT TO:<active@EXAMPLE.net>\nS: 250\nC: RCPT TO:<active@example.net>\nS: 250\nC: DATA\nS: 354\nC: Subject: x\nC:\nC: .\n" +
		"S: 250\nS: 250\nS: 250\nC: NOOP\nS: 250 2.0.0 OK\n")
}

func TestTrap44AClientsSignInStaysAtTheGate(t *testing.T) {
	t.Parallel()
	w := start(t, withCredential, func(w *world, o *smtpproxy.Options) {
		w.upstream = smtptest.Start(w.tb, smtptest.WithAuth("gate", "password", "PLAIN"))
		p := upstream.New(upstream.Options{Targets: []upstream.Target{{
			Address: w.upstream.Addr(), TLS: upstream.None, Username: "gate", Password: "password",
		}}})
		w.pools = append(w.pools, p)
		o.Upstream = p
	})
	w.play("C: AUTH PLAIN AGNybQBzZWNyZXQ=\nS: 235\n" +
		strings.Replace(message("news@example.com", "250", "active"), "news@example.com>", "news@example.com> AUTH=crm@example.com", 1))
	m := w.upstream.Messages()
	if len(m) != 1 || m[0].Username != "gate" || strings.Contains(m[0].MailArg, "AUTH") {
		t.Errorf("upstream got %+v, want the gate's own sign-in", m)
	}
}

// TestTrap45WhatTheUpstreamRefusedIsNotCountedAsSent: a permit is a decision, no delivery.
func TestTrap45WhatTheUpstreamRefusedIsNotCountedAsSent(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.upstream.On(smtptest.Dot, smtptest.Close())
	w.play(message("news@example.com", "451 4.4.2", "active"))
	if w.counted.of("permitted.news") != 1 || w.counted.of("unknown.news") != 1 {
		t.Errorf("permitted %d, unknown %d; want the decision and the outcome, each once", w.counted.of("permitted.news"), w.counted.of("unknown.news"))
	}
	for _, e := range w.blocks.all() {
		if e.Verdict == gate.Block {
			t.Errorf("entry %+v", e)
		}
	}
}
