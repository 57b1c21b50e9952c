package smtpproxy_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
)

// noticeTo sends a split message in which the upstream refuses double for good, and returns the notice; empty where
// there is none.
func noticeTo(t *testing.T, mail, rcpt string) string {
	t.Helper()
	w := start(t)
	w.upstream.OnRcpt("double@example.net", smtptest.Reply("550 5.1.1 gone"))
	w.play("C: MAIL FROM:<promo@example.com>" + mail + "\nS: 250\nC: RCPT TO:<active@example.net>\nS: 250\n" +
		"C: RCPT TO:<double@example.net>" + rcpt + "\nS: 250\nC: DATA\nS: 354\nC: Subject: hello\nC:\nC: text\nC: .\nS: 250\n")
	for _, m := range w.upstream.Messages() {
		if m.Complete && strings.HasPrefix(m.MailArg, "<>") {
			return string(m.Data)
		}
	}
	return ""
}

func TestANoticeIsOwedUnlessNOTIFYLeavesFailureOut(t *testing.T) {
	t.Parallel()
	for rcpt, owed := range map[string]bool{
		"": true, " NOTIFY=FAILURE": true, " NOTIFY=success,failure": true, " NOTIFY=NEVER": false, " NOTIFY=SUCCESS,DELAY": false,
	} {
		if notice := noticeTo(t, "", rcpt); (notice != "") != owed {
			t.Errorf("%q: notice %q, owed: %v", rcpt, notice, owed)
		}
	}
}

func TestANoticeCarriesWhatTheSenderGaveForIt(t *testing.T) {
	t.Parallel()
	notice := noticeTo(t, " ENVID=job+2B7+3D1", " NOTIFY=FAILURE ORCPT=rfc822;d+2Bx@example.org")
	for _, line := range []string{
		"Original-Envelope-Id: job+7=1\r\n", "Original-Recipient: rfc822;d+x@example.org\r\n", "Final-Recipient: rfc822; double@example.net\r\n",
		"Action: failed\r\n", "Status: 5.1.1\r\n", "Auto-Submitted: auto-replied\r\n", "report-type=delivery-status", "Subject: hello\r\n",
	} {
		if !strings.Contains(notice, line) {
			t.Errorf("%q is missing in\n%s", line, notice)
		}
	}
	if strings.Contains(notice, "active@example.net") {
		t.Errorf("the notice names somebody else:\n%s", notice)
	}
	if notice := noticeTo(t, " ENVID=a+0D+0ABcc:x", ""); !strings.Contains(notice, "Original-Envelope-Id: a+0D+0ABcc:x\r\n") {
		t.Errorf("line breaks that an ENVID hides come out in\n%s", notice)
	}
}

// TestWithoutANoticeAPermanentRefusalIsNot250: every way in which the upstream may fail to take the notice.
func TestWithoutANoticeAPermanentRefusalIsNot250(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]smtptest.Fault{
		"refused": smtptest.Reply("550 5.1.1 who"), "put off": smtptest.Reply("450 4.2.0 later"),
		"closed": smtptest.Close(), "garbled": smtptest.Garbage(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			w.upstream.OnRcpt("r550@example.net", smtptest.Reply("550 5.1.1 gone"))
			w.upstream.OnRcpt("order@shop.example.com", fault)
			w.play(message("order@shop.example.com", "451 4.4.2 Delivered to 1 of 2", "r550", "other"))
			w.upstream.OnRcpt("order@shop.example.com", smtptest.Reply("250 2.1.5 ok"))
			w.play(message("order@shop.example.com", "250", "r550", "other"))
			if n, notices := w.served("other"), w.notices(); n != 1 || notices != 1 {
				t.Errorf("served %d times, %d notices; want each once", n, notices)
			}
		})
	}
}

func TestPastTheBoundNoNewCopyStarts(t *testing.T) {
	t.Parallel()
	w := start(t, func(_ *world, o *smtpproxy.Options) { o.Limits.Deliver = -time.Second })
	w.play(message("promo@example.com", "451 4.4.1", "active", "double"))
	if w.served("active")+w.served("double") != 0 {
		t.Error("a copy was sent past the bound")
	}
}

func TestTheStoreIsAskedAgainBeforeTheDotAndItsTroubleIsNoConsent(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"news@example.com", "promo@example.com"} {
		w := start(t)
		begin, end, _ := strings.Cut(message(from, "451 4.3.0", "active", "double"), "C: Subject")
		c := dial(w)
		c.Play(begin)
		w.records.set(true)
		w.clock.add(time.Second)
		c.Play("C: Subject" + end)
		if w.served("active")+w.served("double") != 0 {
			t.Errorf("%s: a copy left without a consent that could be read", from)
		}
	}
}

// delayed is a store whose answers take time.
type delayed struct {
	gate.Reader
	clock *clock
	by    time.Duration
}

func (d delayed) Records(ctx context.Context, ids []gate.ID) []gate.Lookup {
	found := d.Reader.Records(ctx, ids)
	d.clock.add(d.by)
	return found
}

func TestConsentIsAsOldAsTheQuestionAboutIt(t *testing.T) {
	t.Parallel()
	w := start(t, func(w *world, o *smtpproxy.Options) {
		o.Records = delayed{o.Records, w.clock, o.Limits.Fresh + time.Millisecond}
	})
	w.play(message("news@example.com", "250", "active"))
	if n := w.records.calls(); n != 2 {
		t.Errorf("the store was asked %d times, want again before the dot", n)
	}
}

func TestARefusalInMidContentIsPassedOnWhateverTheSize(t *testing.T) {
	t.Parallel()
	for size, reply := range map[int]string{1 << 8: "552 5.3.4 too big", 1 << 16: "452 4.3.1 full", 1 << 20: "552 5.3.4 too big", 1 << 24: "552 5.3.4 too big"} {
		for _, from := range []string{"news@example.com", "promo@example.com"} {
			t.Run(fmt.Sprint(from, size), func(t *testing.T) {
				t.Parallel()
				w := start(t, bigMessages)
				w.upstream.On(smtptest.Body, smtptest.Reply(reply))
				content := "Subject: x\r\n\r\n" + strings.Repeat("some text here\r\n", size>>4)
				if got := w.rawClient().message([]byte(content), from, "active", "double"); !strings.HasPrefix(got, reply) {
					t.Errorf("the client heard %s", got)
				}
				w.wantServed(0, "active", "double")
			})
		}
	}
}

// TestTroubleThatNoReplyTellsIsLoggedOnce: the client hears a neutral text, or only that the upstream is not available.
func TestTroubleThatNoReplyTellsIsLoggedOnce(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		change build
		reply  string
		logged string
	}{
		"the disk is full": {func(_ *world, o *smtpproxy.Options) { o.Limits.SpoolMem, o.SpoolDir = 1, "/nowhere/at/all" }, "452 4.3.1", "/nowhere/at/all"},
		"the ledger does not answer": {
			func(_ *world, o *smtpproxy.Options) { o.Ledger = &stumbling{Ledger: o.Ledger, enter: true} }, "451 4.3.0", "i/o timeout",
		},
		"the upstream hangs up":             {func(w *world, _ *smtpproxy.Options) { w.upstream.On(smtptest.Mail, smtptest.Close()) }, "451 4.4.1", "upstream unavailable"},
		"the upstream hangs up on somebody": {func(w *world, _ *smtpproxy.Options) { w.upstream.OnRcpt("double@example.net", smtptest.Close()) }, "451 4.4.2", "upstream unavailable"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log loud
			w := start(t, tc.change, func(_ *world, o *smtpproxy.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
			w.play(message("promo@example.com", tc.reply, "active", "double") + "C: NOOP\nS: 250\n")
			got := log.String()
			if strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=WARN") || !strings.Contains(got, tc.logged) || strings.Contains(got, "example.net") {
				t.Errorf("logged %q, want one warning with %q and nobody's address", got, tc.logged)
			}
			if want := strings.Count(tc.reply, "452"); w.counted.of("spool_full.promo") != want {
				t.Errorf("spool_full was counted %d times, want %d", w.counted.of("spool_full.promo"), want)
			}
		})
	}
}

func TestLMTPTellsApartWhoWithdrewAndWhoHasToWait(t *testing.T) {
	t.Parallel()
	w := start(t, func(_ *world, o *smtpproxy.Options) { o.Listeners[0].LMTP = true })
	c := smtptest.Dial(t, w.addr, w.upstream)
	c.Play("S: 220\nC: LHLO client.example\nS* 250\nC: MAIL FROM:<news@example.com>\nS: 250\n" +
		"C: RCPT TO:<active@example.net>\nS: 250\nC: RCPT TO:<double@example.net>\nS: 250\nC: DATA\nS: 354\n")
	w.withdraw("active@example.net")
	w.clock.add(time.Second)
	c.Play("C: Subject: x\nC:\nC: .\nS: 550 5.7.1 Recipient blocked by consent policy (withdrawn)\nS: 451 4.7.1\n")
	if w.served("active")+w.served("double") != 0 {
		t.Error("a copy left after the withdrawal")
	}
}

// stumbling is a ledger of which one method fails.
type stumbling struct {
	gate.Ledger
	enter, note bool
}

var errLedger = errors.New("dial tcp 10.0.0.5:6379: i/o timeout")

func (l *stumbling) Enter(ctx context.Context, key, owner string, ttl time.Duration) ([]string, bool, error) {
	if l.enter {
		return nil, false, errLedger
	}
	return l.Ledger.Enter(ctx, key, owner, ttl)
}

func (l *stumbling) Note(ctx context.Context, key string, members []string, ttl time.Duration) error {
	if l.note {
		return errLedger
	}
	return l.Ledger.Note(ctx, key, members, ttl)
}

func TestWithoutTheLedgerNothingIsSplit(t *testing.T) {
	t.Parallel()
	w := start(t, func(_ *world, o *smtpproxy.Options) { o.Ledger = &stumbling{Ledger: o.Ledger, enter: true} })
	w.play(message("promo@example.com", "451 4.3.0", "active", "double"))
	if w.served("active")+w.served("double") != 0 {
		t.Error("a copy was sent that nobody could have noted")
	}
	w.play(message("news@example.com", "250", "active", "double"))
}

func TestALedgerThatCannotBeWrittenIsNeverA250(t *testing.T) {
	t.Parallel()
	w := start(t, func(_ *world, o *smtpproxy.Options) { o.Ledger = &stumbling{Ledger: o.Ledger, note: true} })
	w.upstream.OnRcpt("double@example.net", smtptest.Reply("450 4.2.0 greylisted"))
	for _, from := range []string{"promo@example.com", "news@example.com", "order@shop.example.com"} {
		w.play(message(from, "451 4.4.2 Delivered to 1 of 2", "active", "double"))
	}
	for _, stream := range []string{"promo", "news", "receipts"} {
		if n := w.counted.of("ledger_failed." + stream); n != 1 {
			t.Errorf("the ledger's failure was counted %d times for %s, want once", n, stream)
		}
	}
}
