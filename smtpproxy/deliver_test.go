package smtpproxy_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
)

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

func TestAConfirmationMailThatDidNotArriveMayBeTriedAgain(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.clock.add(-23 * time.Hour)
	w.upstream.On(smtptest.Dot, smtptest.Reply("451 4.3.0 not now").Times(1))
	w.play(message("confirm@example.com", "451 4.3.0 not now", "pending") +
		"C: MAIL FROM:<confirm@example.com>\nS: 250\nC: RCPT TO:<pending@example.net>\nS: 250\nC: RSET\nS: 250\n" +
		message("confirm@example.com", "250", "pending"))
}

func TestTextSentWithoutWaitingFor354IsNotReadAsCommands(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.play("C: MAIL FROM:<news@example.com>\nC: RCPT TO:<none@example.net>\nC: DATA\nC: Subject: x\nC:\nC: RSET\nC: MAIL FROM:<evil@example.com>\n" +
		"S: 250\nS: 550\nS: 554 5.5.1\nS.\n")
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

func TestATransactionWhoseRecipientsWerePutOffIsToBeTriedAgain(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.records.set(true)
	w.play("C: MAIL FROM:<news@example.com>\nC: RCPT TO:<active@example.net>\nC: DATA\nS: 250\nS: 451 4.3.0\nS: 451 4.3.0\n")
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
