package smtpproxy_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
)

// play runs a dialogue after EHLO.
func (w *world) play(dialogue string) {
	w.tb.Helper()
	text := "S: 220\nC: EHLO client.example\nS* 250\n" + dialogue
	if err := smtptest.Play(w.addr, w.tb.Name(), text, w.upstream); err != nil {
		w.tb.Fatal(err)
	}
}

// message is a transaction as a dialogue; reply is what the dot gets.
func message(from, reply string, to ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "C: MAIL FROM:<%s>\nS: 250\n", from)
	for _, r := range to {
		fmt.Fprintf(&b, "C: RCPT TO:<%s@example.net>\nS: 250\n", r)
	}
	fmt.Fprintf(&b, "C: DATA\nS: 354\nC: Subject: hello\nC:\nC: text\nC: .\nS: %s\n", reply)
	return b.String()
}

// served counts the complete messages that a recipient got upstream.
func (w *world) served(who string) int {
	n := 0
	for _, m := range w.upstream.Messages() {
		for _, r := range m.RcptArgs {
			if m.Complete && strings.HasPrefix(r, "<"+who+"@") {
				n++
			}
		}
	}
	return n
}

// notices counts those that the upstream accepted.
func (w *world) notices() int {
	n := 0
	for _, m := range w.upstream.Messages() {
		if m.Accepted && strings.HasPrefix(m.MailArg, "<>") {
			n++
		}
	}
	return n
}

func TestAnUpstreamFaultHasItsReplyAndTruncatesNothing(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		verb  smtptest.Verb
		fault smtptest.Fault
		reply string
	}{
		{"MAIL refused for good is passed on", smtptest.Mail, smtptest.Reply("550 5.7.1 no such sender"), "550 5.7.1 no such sender"},
		{"MAIL put off is passed on", smtptest.Mail, smtptest.Reply("451 4.3.0 busy"), "451 4.3.0 busy"},
		{"DATA refused for good is passed on", smtptest.Data, smtptest.Reply("554 5.6.0 no"), "554 5.6.0 no"},
		{"content refused for good is passed on", smtptest.Dot, smtptest.Reply("554 5.6.0 spam"), "554 5.6.0 spam"},
		{"content put off is passed on", smtptest.Dot, smtptest.Reply("452 4.3.1 full"), "452 4.3.1 full"},
		{"421 is the gate's own trouble", smtptest.Mail, smtptest.Reply("421 4.3.2 bye"), "451 4.4.1"},
		{"530 is the gate's own trouble", smtptest.Mail, smtptest.Reply("530 5.7.0 sign in"), "451 4.4.1"},
		{"500 is the gate's own trouble", smtptest.Rcpt, smtptest.Reply("500 5.5.2 what"), "451 4.4.1"},
		{"a hang at MAIL", smtptest.Mail, smtptest.Hang(), "451 4.4.1"},
		{"a hang at DATA", smtptest.Data, smtptest.Hang(), "451 4.4.1"},
		{"garbage at RCPT", smtptest.Rcpt, smtptest.Garbage(), "451 4.4.1"},
		{"a close in the body", smtptest.Body, smtptest.Close(), "451 4.4."},
		{"a close after the dot", smtptest.Dot, smtptest.Close(), "451 4.4.2"},
		{"a hang after the dot", smtptest.Dot, smtptest.Hang(), "451 4.4.2"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			w.upstream.On(c.verb, c.fault)
			w.play(message("news@example.com", c.reply, "active") + "C: NOOP\nS: 250\n")
			for _, m := range w.upstream.Messages() {
				if m.Complete && !bytes.HasSuffix(m.Data, []byte("text\r\n")) {
					t.Errorf("truncated message upstream: %q", m.Data)
				}
			}
			w.upstream.Clear()
			w.play(message("news@example.com", "250", "active"))
		})
	}
}

func TestBytesAreKept(t *testing.T) {
	t.Parallel()
	w := start(t, func(_ *world, o *smtpproxy.Options) { o.Limits.Wire.Message = 1 << 20 })
	body := "Subject: =?utf-8?q?=C3=A9?=\r\nX-Odd:no blank\r\n\tfolded\r\n\r\n..dot\r\n\x00\xff 8-bit\r\n" +
		strings.Repeat("0123456789", 10000) + "\r\n\r\n"
	text := "C: MAIL FROM:<news@example.com>\nS: 250\nC: RCPT TO:<active@example.net>\nS: 250\nC: DATA\nS: 354\nC< " +
		escape(body) + ".\\r\\n\nS: 250\n"
	w.play(text)
	got := w.upstream.Messages()[0].Data
	lines, rest, ok := bytes.Cut(got, []byte("Subject:"))
	if !ok || "Subject:"+string(rest) != body {
		t.Errorf("upstream got %.200q, want the message behind our lines", got)
	}
	if !bytes.HasPrefix(lines, []byte("Received: by gate.example ")) || bytes.Count(lines, []byte("\r\n")) < 1 {
		t.Errorf("lines on top: %q", lines)
	}
}

func escape(s string) string {
	return strings.NewReplacer("\\", `\\`, "\r", `\r`, "\n", `\n`, "\t", `\t`, "\x00", `\0`, "\xff", `\xff`).Replace(s)
}

func TestObserveAddsNothing(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.play(message("watch@example.com", "250", "none", "passive"))
	m := w.upstream.Messages()
	if len(m) != 1 || string(m[0].Data) != "Subject: hello\r\n\r\ntext\r\n" || len(m[0].RcptArgs) != 2 {
		t.Fatalf("upstream got %+v, want the message as it came, once, for both", m)
	}
	for _, e := range w.blocks.all() {
		if !e.WouldBlock || e.Reason == "" || !strings.HasPrefix(e.Reply, "250") {
			t.Errorf("entry %+v, want would_block with its reason", e)
		}
	}
	if len(w.blocks.all()) != 2 {
		t.Errorf("%d entries, want 2", len(w.blocks.all()))
	}
}

func TestEveryBlockIsRecordedBeforeItsReply(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.play("C: MAIL FROM:<news@example.com>\nS: 250\nC: RCPT TO:<passive@example.net>\nS: 550\n")
	entries := w.blocks.all()
	if len(entries) != 1 {
		t.Fatalf("%d entries, want 1", len(entries))
	}
	e := entries[0]
	if e.Reason != gate.ReasonPassiveUnconfirmed || e.Stream != "news" || e.Purpose != "news" || e.Phase != "rcpt" ||
		e.Recipient != "p***@example.net" || e.Address != "sealed:passive@example.net" || e.MailFrom != "news@example.com" ||
		e.Citation == "" || e.Hint == "" || e.PolicyVersion == "" || e.Client != "127.0.0.1" ||
		!strings.Contains(e.Reply, "["+e.ID+"]") {
		t.Errorf("entry %+v", e)
	}
}

func TestAMessageThatIsBlockedIsNamedInItsEntry(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.play("C: MAIL FROM:<>\nS: 250\nC: RCPT TO:<none@example.net>\nS: 250\nC: DATA\nS: 354\n" +
		"C: Message-ID: <buy@now.example>\nC:\nC: cheap\nC: .\nS: 550 5.7.1\n")
	if e := w.blocks.all(); len(e) != 1 || e[0].MessageID != "<buy@now.example>" {
		t.Errorf("entries %+v, want one of <buy@now.example>", e)
	}
}

func TestADiscardThatCannotBeWrittenIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.blocks.full = true
	w.play("C: MAIL FROM:<deals@example.com>\nS: 250\nC: RCPT TO:<none@example.net>\nS= 451 4.3.0 Temporary failure, try again later\n" +
		"C: DATA\nS: 451 4.3.0\n")
}

func TestADiscardIsDurable(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.play("C: MAIL FROM:<deals@example.com>\nS: 250\nC: RCPT TO:<none@example.net>\nS: 250\n")
	w.blocks.mu.Lock()
	defer w.blocks.mu.Unlock()
	if len(w.blocks.durable) != 1 || !w.blocks.durable[0] {
		t.Errorf("durable = %v, want the discarded recipient on disk before the reply", w.blocks.durable)
	}
}

func TestPipelinedRecipientsAreOneLookup(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.play("C: MAIL FROM:<news@example.com>\nC: RCPT TO:<active@example.net>\nC: RCPT TO:<double@example.net>\n" +
		"C: RCPT TO:<none@example.net>\nC: RCPT TO:<third@example.net>\nS: 250\nS: 250\nS: 250\nS: 550\nS: 250\n")
	if n := w.records.calls(); n != 1 {
		t.Errorf("%d store round trips for one group, want 1", n)
	}
}

func TestTheSameRecipientTwiceIsForwardedOnceAndAnsweredTwice(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.play(message("news@example.com", "250", "active", "active"))
	if n := w.served("active"); n != 1 {
		t.Errorf("served %d times, want once", n)
	}
}

func TestASplitThatIsPartlyDeferredSendsOnlyTheRestOnTheRetry(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.upstream.OnRcpt("double@example.net", smtptest.Reply("450 4.2.0 greylisted").Times(1))
	to := []string{"active", "double", "third"}
	w.play(message("promo@example.com", "451 4.4.2 Delivered to 2 of 3 recipients", to...))
	w.play(message("promo@example.com", "250", to...))
	for _, who := range to {
		if n := w.served(who); n != 1 {
			t.Errorf("%s was served %d times, want once", who, n)
		}
	}
	w.play(message("promo@example.com", "250", to...))
	if n := w.served("active"); n != 2 {
		t.Errorf("after the end of the first message the same one again was served %d times in all, want twice", n)
	}
}

func TestASplitThatIsPartlyRefusedTellsTheSender(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.upstream.OnRcpt("double@example.net", smtptest.Reply("550 5.1.1 gone"))
	w.play(message("promo@example.com", "250", "active", "double", "third"))
	if notices := w.notices(); notices != 1 || w.served("active") != 1 || w.served("third") != 1 || w.served("double") != 0 {
		t.Errorf("%d notices, served %d, %d, %d", notices, w.served("active"), w.served("third"), w.served("double"))
	}
}

func TestWithoutItsNoticeAPartlyRefusedMessageIsNotAcknowledged(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.upstream.OnRcpt("double@example.net", smtptest.Reply("550 5.1.1 gone"))
	w.upstream.OnRcpt("promo@example.com", smtptest.Reply("450 4.2.0 no notices now"))
	w.play(message("promo@example.com", "451 4.4.2", "active", "double"))
	w.upstream.OnRcpt("promo@example.com", smtptest.Reply("250 2.1.5 ok"))
	w.play(message("promo@example.com", "250", "active", "double"))
	if n := w.served("active"); n != 1 {
		t.Errorf("active was served %d times, want once", n)
	}
}

func TestWhatTheUpstreamSaysOfTheSenderIsNotLogged(t *testing.T) {
	t.Parallel()
	var log loud
	w := start(t, func(_ *world, o *smtpproxy.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	w.upstream.OnRcpt("double@example.net", smtptest.Reply("550 5.1.1 gone"))
	w.upstream.OnRcpt("orders@shop.example.com", smtptest.Reply("450 4.2.0 no notices now").Times(1))
	w.play(message("orders@shop.example.com", "451", "active", "double"))
	w.upstream.On(smtptest.Dot, smtptest.Reply("554 5.6.0 <orders@shop.example.com> takes no notices").Times(1))
	w.play(message("orders@shop.example.com", "451", "active", "double") + "C: QUIT\nS: 221\n")
	if got := log.String(); !strings.Contains(got, "upstream refused the notice with 554") || strings.Contains(got, "orders@") {
		t.Errorf("logged %s", got)
	}
}

func TestConsentWithdrawnBeforeTheDotStopsTheCopy(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, from, reply string }{
		{"a copy of one is refused", "news@example.com", "550 5.7.1 Recipient blocked by consent policy (withdrawn)"},
		{"and so is one with lines of its own", "promo@example.com", "550 5.7.1 Recipient blocked by consent policy (withdrawn)"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			begin, end, _ := strings.Cut(message(c.from, c.reply, "active"), "C: Subject")
			c1 := dial(w)
			c1.Play(begin)
			w.withdraw("active@example.net")
			w.clock.add(time.Second)
			c1.Play("C: Subject" + end)
			if n := w.served("active"); n != 0 {
				t.Errorf("served %d times after the withdrawal", n)
			}
		})
	}
}

func TestConsentWithdrawnBeforeTheDotPutsOffASharedCopy(t *testing.T) {
	t.Parallel()
	w := start(t)
	begin, end, _ := strings.Cut(message("news@example.com", "451 4.7.1", "active", "double"), "C: Subject")
	c := dial(w)
	c.Play(begin)
	w.withdraw("active@example.net")
	w.clock.add(time.Second)
	c.Play("C: Subject" + end)
	if w.served("active")+w.served("double") != 0 {
		t.Error("a copy left after the withdrawal")
	}
}

func TestABodyOverTheMemoryBoundIsSplitFromAFileThatHasNoName(t *testing.T) {
	t.Parallel()
	var dir string
	w := start(t, func(_ *world, o *smtpproxy.Options) {
		o.Limits.SpoolMem, o.Limits.Wire.Message, dir = 1000, 1<<20, o.SpoolDir
	})
	line := strings.Repeat("x", 70) + `\r\n`
	w.play("C: MAIL FROM:<promo@example.com>\nS: 250\nC: RCPT TO:<active@example.net>\nS: 250\nC: RCPT TO:<double@example.net>\nS: 250\n" +
		"C: DATA\nS: 354\nC< Subject: big\\r\\n\\r\\n" + strings.Repeat(line, 1000) + ".\\r\\n\nS: 250\n")
	for _, m := range w.upstream.Messages() {
		if n := bytes.Count(m.Data, []byte(strings.Repeat("x", 70)+"\r\n")); n != 1000 {
			t.Errorf("%s got %d lines, want 1000", m.RcptArgs, n)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("left in the spool folder: %v, %v", left, err)
	}
}

func TestAMessageThatFindsNoRoomIsPutOffAndNothingIsSent(t *testing.T) {
	t.Parallel()
	w := start(t, func(_ *world, o *smtpproxy.Options) {
		o.Limits.SpoolMem, o.SpoolDir = 1, "/nowhere/at/all"
	})
	w.play(message("promo@example.com", "452 4.3.1", "active", "double") + "C: NOOP\nS: 250\n")
	if w.served("active")+w.served("double") != 0 {
		t.Error("something was sent")
	}
}

func TestAConfirmationRequestPermitsOneMail(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.clock.add(-23 * time.Hour) // the request is an hour old
	w.play(message("confirm@example.com", "250", "pending") +
		"C: MAIL FROM:<confirm@example.com>\nS: 250\nC: RCPT TO:<pending@example.net>\nS~ ^550 5\\.7\\.1 .*\\(confirmation_pending\\)\n")
}

func TestAClientThatLeavesInsideTheMessageLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	w := start(t)
	c := dial(w)
	begin, _, _ := strings.Cut(message("news@example.com", "250", "active"), "C: .")
	c.Play(begin)
	c.Close()
	smtptest.Eventually(t, "the upstream connection is closed", func() bool { return w.upstream.Open() == 0 })
	if w.served("active") != 0 {
		t.Error("a truncated message was delivered")
	}
}

func TestADrainEndsIdleSessionsAndFinishesBusyOnes(t *testing.T) {
	t.Parallel()
	w := start(t)
	idle, busy := dial(w), dial(w)
	begin, end, _ := strings.Cut(message("news@example.com", "250", "active"), "C: Subject")
	busy.Play(begin)
	w.drain()
	idle.Play("S: 421 4.3.2\nS.\n")
	busy.Play("C: Subject" + end + "S: 421 4.3.2\nS.\n")
	if w.served("active") != 1 {
		t.Error("the busy session's message was not delivered")
	}
}

func TestRefusedRecipientsBeyondTheBudgetEndTheSession(t *testing.T) {
	t.Parallel()
	w := start(t, func(_ *world, o *smtpproxy.Options) { o.Limits.Refused = 2 })
	w.play("C: MAIL FROM:<news@example.com>\nS: 250\nC: RCPT TO:<a@example.net>\nS: 550\nC: RCPT TO:<b@example.net>\nS: 550\n" +
		"C: RCPT TO:<c@example.net>\nS: 550\nS: 421 4.7.0\nS.\n")
}

func TestNoGoTextReachesAClient(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.records.set(true)
	w.blocks.full = true
	c := dial(w)
	for _, line := range []string{"MAIL FROM:<news@example.com>", "RCPT TO:<active@example.net>", "DATA"} {
		c.Play("C: " + line + "\nS~ ^(250|451 4\\.3\\.0 Temporary failure, try again later$|554 5\\.5\\.1 No valid recipients$)\n")
	}
}

// dial opens a session that several dialogues are played on.
func dial(w *world) *smtptest.Client {
	w.tb.Helper()
	c := smtptest.Dial(w.tb, w.addr, w.upstream)
	c.Play("S: 220\nC: EHLO client.example\nS* 250\n")
	return c
}

func TestAConfirmationMailThatDidNotArriveMayBeTriedAgain(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.clock.add(-23 * time.Hour)
	w.upstream.On(smtptest.Dot, smtptest.Reply("451 4.3.0 not now").Times(1))
	w.play(message("confirm@example.com", "451 4.3.0 not now", "pending") +
		"C: MAIL FROM:<confirm@example.com>\nS: 250\nC: RCPT TO:<pending@example.net>\nS: 250\nC: RSET\nS: 250\n" +
		message("confirm@example.com", "250", "pending"))
}

func TestASharedMessageCutAtTheUpstreamsLimitRepeatsNothingOnTheRetry(t *testing.T) {
	t.Parallel()
	w := start(t, func(w *world, o *smtpproxy.Options) {
		w.upstream.On(smtptest.EHLO, smtptest.Reply("250-up\n250-PIPELINING\n250-LIMITS RCPTMAX=2\n250 DSN"))
		o.Upstream = w.pool()
	})
	w.upstream.OnRcpt("r1@example.net", smtptest.Reply("550 5.1.1 gone"))
	w.upstream.OnRcpt("r4@example.net", smtptest.Reply("450 4.2.0 greylisted").Times(1))
	to := []string{"r1", "r2", "r3", "r4"}
	w.play(message("order@shop.example.com", "451 4.4.2 Delivered to 2 of 4", to...))
	w.play(message("order@shop.example.com", "250", to...))
	for _, who := range to[1:] {
		if n := w.served(who); n != 1 {
			t.Errorf("%s was served %d times, want once", who, n)
		}
	}
}

func TestTextSentWithoutWaitingFor354IsNotReadAsCommands(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.play("C: MAIL FROM:<news@example.com>\nC: RCPT TO:<none@example.net>\nC: DATA\nC: Subject: x\nC:\nC: RSET\nC: MAIL FROM:<evil@example.com>\n" +
		"S: 250\nS: 550\nS: 554 5.5.1\nS.\n")
}

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

func TestAReceiptThatPassesWithoutTheStoreIsCounted(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.records.set(true)
	w.play(message("order@shop.example.com", "250", "none"))
	if n := w.counted.of("permitted_without_store.receipts"); n != 1 {
		t.Errorf("counted %d times, want once", n)
	}
}

func TestAMessageThatIsBeingDeliveredIsNotSentASecondTimeBesides(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.upstream.On(smtptest.Dot, smtptest.Hang().Times(1))
	first := dial(w)
	sent := message("promo@example.com", "250", "active", "double")
	sent = sent[:strings.LastIndex(sent, "S: ")]
	first.Play(sent) // and does not wait for the reply
	smtptest.Eventually(t, "the first copy is on its way", func() bool {
		return slices.Contains(w.upstream.Lines(), "Subject: hello")
	})
	w.play(message("promo@example.com", "451 4.4.2 This message is being delivered", "active", "double"))
	first.Play("S: 451 4.4.2\n") // no answer from the upstream
	w.play(message("promo@example.com", "250", "active", "double"))
	if n := w.served("double"); n != 1 {
		t.Errorf("double was served %d times, want once", n)
	}
}

func TestAnEnvelopeHasOneBoundForAllItsReplies(t *testing.T) {
	t.Parallel()
	w := start(t, func(_ *world, o *smtpproxy.Options) { o.Limits.Envelope = 50 * time.Millisecond })
	w.upstream.On(smtptest.Rcpt, smtptest.Slow(1)) // each in time, a thousandth of a second an octet
	everybody := []string{"active", "double", "a1", "a2", "a3"}
	w.play(message("receipt@shop.example.com", "451 4.4.1", everybody...))
}

func TestAnAcknowledgedWithdrawalHoldsInObserveToo(t *testing.T) {
	t.Parallel()
	w := start(t, func(_ *world, o *smtpproxy.Options) { o.Pending = func(gate.ID, string) bool { return true } })
	for _, who := range []string{"active", "passive", "none"} {
		w.play("C: MAIL FROM:<watch@example.com>\nS: 250\nC: RCPT TO:<" + who + "@example.net>\nS~ ^550 5\\.7\\.1 .*\\(withdrawn\\)\n")
	}
}

func TestATransactionWhoseRecipientsWerePutOffIsToBeTriedAgain(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.records.set(true)
	w.play("C: MAIL FROM:<news@example.com>\nC: RCPT TO:<active@example.net>\nC: DATA\nS: 250\nS: 451 4.3.0\nS: 451 4.3.0\n")
}

func TestConsentWithdrawnBeforeTheDotIsDiscardedWhereBlocksAre(t *testing.T) {
	t.Parallel()
	for hello, lmtp := range map[string]bool{"EHLO": false, "LHLO": true} {
		w := start(t, func(_ *world, o *smtpproxy.Options) { o.Listeners[0].LMTP = lmtp })
		begin, end, _ := strings.Cut(message("deals@example.com", "250", "active"), "C: Subject")
		c := smtptest.Dial(t, w.addr, w.upstream)
		c.Play("S: 220\nC: " + hello + " client.example\nS* 250\n" + begin)
		w.withdraw("active@example.net")
		w.clock.add(time.Second)
		c.Play("C: Subject" + end)
		if w.served("active") != 0 || len(w.blocks.all()) != 1 || !w.blocks.durable[0] {
			t.Errorf("%s: served %d times, blocks %+v; want none served and the block on disk", hello, w.served("active"), w.blocks.all())
		}
	}
}

func TestOnlyDeliveredMailEarnsTheBudgetForRefusedRecipientsBack(t *testing.T) {
	t.Parallel()
	w := start(t, func(_ *world, o *smtpproxy.Options) { o.Limits.Refused, o.Limits.RefusedDelay = 2, 0 })
	refused := "C: MAIL FROM:<news@example.com>\nS: 250\nC: RCPT TO:<active@example.net>\nS: 250\nC: RCPT TO:<none@example.net>\nS: 550\nC: RSET\nS: 250\n"
	served := message("news@example.com", "250", "active")
	w.play(refused + served + refused + served + refused + refused +
		"C: MAIL FROM:<news@example.com>\nS: 250\nC: RCPT TO:<none@example.net>\nS: 550\nS: 421 4.7.0\nS.\n")
}

func TestNotifyMustSayWhatItMay(t *testing.T) {
	t.Parallel()
	w := start(t)
	text := "C: MAIL FROM:<order@shop.example.com>\nS: 250\n"
	for _, p := range []string{"NOTIFY=FOO", "NOTIFY=NEVER,FAILURE", "NOTIFY=", "NOTIFY", "ORCPT=nothing"} {
		text += "C: RCPT TO:<one@example.net> " + p + "\nS: 501 5.5.4\n"
	}
	w.play(text + "C: RCPT TO:<one@example.net> NOTIFY=success,FAILURE\nS: 250\n")
}

func TestObserveLetsMailFromNobodyPassAsItCame(t *testing.T) {
	t.Parallel()
	w := start(t, func(_ *world, o *smtpproxy.Options) { o.Mode = gate.ModeObserve })
	w.play(message("", "250", "none"))
	if m := w.upstream.Messages(); len(m) != 1 || string(m[0].Data) != "Subject: hello\r\n\r\ntext\r\n" {
		t.Errorf("upstream got %+v, want the message as it came", m)
	}
}
