package smtpproxy_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
)

// wantServed holds how often each recipient has the message against n.
func (w *world) wantServed(n int, to ...string) {
	w.tb.Helper()
	for _, who := range to {
		if got := w.served(who); got != n {
			w.tb.Errorf("%s was served %d times, want %d", who, got, n)
		}
	}
}

// rcptMax makes the upstream announce that it takes n recipients of a message.
func rcptMax(n int) build {
	return func(w *world, o *smtpproxy.Options) {
		w.upstream.On(smtptest.EHLO, smtptest.Reply(fmt.Sprintf("250-up\n250-PIPELINING\n250-LIMITS RCPTMAX=%d\n250 DSN", n)))
		o.Upstream = w.pool()
	}
}

func TestASharedMessageThatIsPartlyDeferredSendsOnlyTheRestOnTheRetry(t *testing.T) {
	t.Parallel()
	to := []string{"active", "double", "third"}
	for _, from := range []string{"news@example.com", "order@shop.example.com", "watch@example.com"} {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			w.upstream.OnRcpt("double@example.net", smtptest.Reply("450 4.2.0 greylisted").Times(1))
			w.play(message(from, "451 4.4.2 Delivered to 2 of 3 recipients", to...))
			w.play(message(from, "250", to...))
			w.wantServed(1, to...)
			if w.partlyDelivered() {
				t.Error("the ledger is open though the message is done")
			}
			w.play(message(from, "250", to...))
			w.wantServed(2, to...)
		})
	}
}

func TestARecipientThatIsAlwaysPutOffHoldsUpNobody(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.upstream.OnRcpt("double@example.net", smtptest.Reply("452 4.2.2 mailbox full"))
	for range 3 {
		w.play(message("news@example.com", "451 4.4.2 Delivered to 2 of 3 recipients", "active", "double", "third"))
	}
	w.wantServed(1, "active", "third")
	w.upstream.OnRcpt("double@example.net", smtptest.Reply("550 5.2.2 given up"))
	w.play(message("news@example.com", "250", "active", "double", "third"))
	if w.notices() != 1 || w.served("double") != 0 {
		t.Errorf("%d notices, double served %d times; want the sender told once", w.notices(), w.served("double"))
	}
}

func TestAnUpstreamThatTakesFewerRecipientsThanItSaysServesThemAll(t *testing.T) {
	t.Parallel()
	w := start(t)
	to := []string{"r1", "r2", "r3", "r4", "r5"}
	for _, beyond := range to[2:] {
		w.upstream.OnRcpt(beyond+"@example.net", smtptest.Reply("452 4.5.3 too many recipients").Times(1))
	}
	w.play(message("order@shop.example.com", "451 4.4.2 Delivered to 2 of 5", to...))
	w.play(message("order@shop.example.com", "250", to...))
	w.wantServed(1, to...)
}

// TestWhatOneTransactionIsDoneWithStaysNotedForTheOther: a queue may send one message in several transactions.
func TestWhatOneTransactionIsDoneWithStaysNotedForTheOther(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.upstream.OnRcpt("r1@example.net", smtptest.Reply("450 4.2.0 greylisted").Times(1))
	w.play(message("order@shop.example.com", "451 4.4.2 Delivered to 2 of 3", "r1", "r2", "r3"))
	w.play(message("order@shop.example.com", "250", "r4", "r5"))
	w.play(message("order@shop.example.com", "250", "r1", "r2", "r3"))
	w.wantServed(1, "r1", "r2", "r3", "r4", "r5")
	if w.partlyDelivered() {
		t.Error("the ledger is open though all is done")
	}
}

func TestANoticeIsNotSentBeforeTheMessageIs(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.upstream.OnRcpt("double@example.net", smtptest.Reply("550 5.1.1 gone"))
	w.upstream.On(smtptest.Dot, smtptest.Reply("451 4.3.0 not now").Times(1))
	w.play(message("news@example.com", "451 4.3.0 not now", "active", "double"))
	if n := w.notices(); n != 0 {
		t.Errorf("%d notices about a message that nobody has", n)
	}
	w.play(message("news@example.com", "250", "active", "double"))
	if n := w.notices(); n != 1 {
		t.Errorf("%d notices, want one", n)
	}
}

// TestWhileAMessageIsPartlyDeliveredOthersAreSpooledAndGoOn: nothing of them is different for anybody.
func TestWhileAMessageIsPartlyDeliveredOthersAreSpooledAndGoOn(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.note("somebody else's")
	w.play(message("news@example.com", "250", "active", "double", "third") + message("news@example.com", "250", "active"))
	w.wantServed(2, "active")
	w.wantServed(1, "double", "third")
	if got := w.upstream.Messages(); len(got) != 2 || len(got[0].RcptArgs) != 3 {
		t.Errorf("upstream got %+v, want one copy for three and one for one", got)
	}
	w.play("C: MAIL FROM:<news@example.com>\nS: 250\nC: RCPT TO:<active@example.net>\nS: 250\nC: RCPT TO:<double@example.net>\nS: 250\n" +
		"C: DATA\nS: 354\nC< Subject: x\\r\\n\\r\\nbare\\n.\\r\\n\nC: .\nS: 554 5.6.0\n")
}

// TestARetryThatShrinksToOneRecipientIsKnownAgain: the message names two, and owes one of them a copy.
func TestARetryThatShrinksToOneRecipientIsKnownAgain(t *testing.T) {
	t.Parallel()
	for from, second := range map[string]string{"news@example.com": "550", "promo@example.com": "550", "deals@example.com": "250"} {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			w.upstream.OnRcpt("double@example.net", smtptest.Reply("450 4.2.0 greylisted").Times(1))
			w.play(message(from, "451 4.4.2 Delivered to 1 of 2", "active", "double"))
			w.withdraw("double@example.net")
			w.clock.add(time.Second)
			retry := message(from, "250", "active", "double")
			w.play(strings.Replace(retry, "double@example.net>\nS: 250", "double@example.net>\nS: "+second, 1))
			w.wantServed(1, "active")
			if w.partlyDelivered() {
				t.Error("the ledger is open though the message is done")
			}
		})
	}
}

// TestTwoSpellingsOfAnAddressAreNotedApart: both are forwarded as they were written, so each may have to wait alone.
func TestTwoSpellingsOfAnAddressAreNotedApart(t *testing.T) {
	t.Parallel()
	w := start(t)
	w.upstream.OnRcpt("double@example.net", smtptest.Reply("450 4.2.0 greylisted").Times(1))
	w.play(message("order@shop.example.com", "451 4.4.2 Delivered to 1 of 2", "double", "DOUBLE"))
	w.play(message("order@shop.example.com", "250", "double", "DOUBLE"))
	w.wantServed(1, "double", "DOUBLE")
	if w.partlyDelivered() {
		t.Error("the ledger is open though the message is done")
	}
}

// note leaves an entry in the ledger.
func (w *world) note(key string) {
	w.tb.Helper()
	if err := w.store.Note(w.tb.Context(), key, []string{"member"}, time.Hour); err != nil {
		w.tb.Fatal(err)
	}
}

func TestASharedMessageThatMayHaveBeenDeliveredInPartWaitsForTheLedger(t *testing.T) {
	t.Parallel()
	w := start(t, func(_ *world, o *smtpproxy.Options) {
		o.Ledger, o.PartlyDelivered = &stumbling{Ledger: o.Ledger, enter: true}, func() bool { return true }
	})
	w.play(message("news@example.com", "451 4.3.0", "active", "double"))
	w.wantServed(0, "active", "double")
	w.play(message("news@example.com", "250", "active"))
}

func TestTransactionalMailDoesNotWaitForTheLedger(t *testing.T) {
	t.Parallel()
	to := []string{"r1", "r2", "r3", "r4"}
	for name, change := range map[string]build{
		"cut at the upstream's limit": rcptMax(2),
		"one copy for all":            func(_ *world, o *smtpproxy.Options) { o.PartlyDelivered = func() bool { return true } },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, change)
			w.records.set(true)
			w.store.Fail(errLedger)
			w.play(message("order@shop.example.com", "250", to...))
			w.wantServed(1, to...)
			w.upstream.OnRcpt("r4@example.net", smtptest.Reply("450 4.2.0 greylisted"))
			w.play(message("order@shop.example.com", "451 4.4.2 Delivered to 3 of 4", to...))
			w.wantServed(2, to[:3]...)
			if sent, failed := w.counted.of("sent_without_ledger.receipts"), w.counted.of("ledger_failed.receipts"); sent != 2 || failed != 1 {
				t.Errorf("%d messages counted as sent without the ledger, %d notes as failed; want 2 and 1", sent, failed)
			}
			w.store.Fail(nil)
		})
	}
}

// hasty is a ledger that says it failed when it took a lease, and perhaps when it is to give it back.
type hasty struct {
	gate.Ledger
	enters, leaves atomic.Int32 // how many still fail
}

func (l *hasty) Enter(ctx context.Context, key, owner string, ttl time.Duration) ([]string, bool, error) {
	members, free, err := l.Ledger.Enter(ctx, key, owner, ttl)
	if l.enters.Add(-1) >= 0 {
		return nil, false, errLedger
	}
	return members, free, err
}

func (l *hasty) Leave(ctx context.Context, key, owner string) error {
	if l.leaves.Add(-1) >= 0 {
		return errLedger
	}
	return l.Ledger.Leave(ctx, key, owner)
}

func TestALeaseThatWasTakenUnheardIsNotInTheWayOfTheRetry(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		leaves int32
		again  bool // at the same gate
		reply  string
	}{
		"at the gate that took it": {0, true, "250"},
		"at another":               {0, false, "250"},
		"at the gate that took it and cannot give it back": {1, true, "250"},
		"at another while it is not given back":            {1, false, "451 4.4.2 This message is being delivered"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first := start(t)
			ledger := &hasty{Ledger: first.store}
			ledger.enters.Store(1)
			ledger.leaves.Store(c.leaves)
			share := func(_ *world, o *smtpproxy.Options) { o.Ledger = ledger }
			w, other := start(t, share), start(t, share)
			w.play(message("promo@example.com", "451 4.3.0", "active", "double"))
			if !c.again {
				w = other
			}
			w.play(message("promo@example.com", c.reply, "active", "double"))
		})
	}
}

func TestTwoGatesDoNotSendAMessageAtTheSameTime(t *testing.T) {
	t.Parallel()
	for _, from := range []string{"promo@example.com", "news@example.com"} {
		t.Run(from, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			w.note("somebody else's")
			other := start(t, func(_ *world, o *smtpproxy.Options) { o.Ledger, o.PartlyDelivered = w.store, w.partlyDelivered })
			w.upstream.On(smtptest.Dot, smtptest.Hang().Times(1))
			first := dial(w)
			sent := message(from, "250", "active", "double")
			first.Play(sent[:strings.LastIndex(sent, "S: ")]) // and does not wait for the reply
			smtptest.Eventually(t, "the first copy is on its way", func() bool {
				return slices.Contains(w.upstream.Lines(), "Subject: hello")
			})
			for _, gate := range []*world{w, other} {
				gate.play(message(from, "451 4.4.2 This message is being delivered", "active", "double"))
			}
			first.Play("S: 451 4.4.2\n") // no answer from the upstream
			other.play(message(from, "250", "active", "double"))
		})
	}
}

// leave sends a message and is gone before the upstream answers, which it does slowly.
func (w *world) leave(content, from string, to ...string) {
	w.tb.Helper()
	w.upstream.On(smtptest.Dot, smtptest.Slow(1).Times(1))
	c := w.rawClient()
	c.begin(from, to...)
	if _, err := c.nc.Write([]byte(content + ".\r\n")); err != nil {
		w.tb.Fatal(err)
	}
	_ = c.nc.Close()
}

// TestAClientThatDoesNotWaitForTheReplyChangesNothing: the dot has come, so the message is sent, and the upstream
// connection stays good. What several have is not sent again, unless it is large.
func TestAClientThatDoesNotWaitForTheReplyChangesNothing(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, from string
		to         []string
		lines      int
		again      int // how often each has the message after the retry
	}{
		{"one recipient", "news@example.com", []string{"active"}, 1, 2},
		{"several share a copy", "news@example.com", []string{"active", "double"}, 1, 1},
		{"several share a large copy", "news@example.com", []string{"active", "double"}, 10_000, 2},
		{"a copy each", "promo@example.com", []string{"active", "double"}, 1, 1},
		{"a large copy each", "promo@example.com", []string{"active", "double"}, 10_000, 1},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			var log loud
			w := start(t, bigMessages, func(_ *world, o *smtpproxy.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
			content := "Message-ID: <1@example.com>\r\nSubject: hello\r\n\r\n" + strings.Repeat("some text\r\n", tc.lines)
			w.leave(content, tc.from, tc.to...)
			stream, _, _ := strings.Cut(tc.from, "@")
			smtptest.Eventually(t, "it is counted", func() bool { return w.counted.of("unheard."+stream) == 1 })
			smtptest.Eventually(t, "the session is over", func() bool { return w.server.Sessions() == 0 })
			w.wantServed(1, tc.to...)
			if line := log.String(); !strings.Contains(line, "<1@example.com>") || !strings.Contains(line, "session=") || strings.Contains(line, "active@") {
				t.Errorf("logged %q, want session and message id and nobody's address", line)
			}
			if got := w.rawClient().message([]byte(content), tc.from, tc.to...); !strings.HasPrefix(got, "250") {
				t.Errorf("the retry got %s", got)
			}
			w.wantServed(tc.again, tc.to...)
			if n := w.upstream.Total(); n > 2 {
				t.Errorf("%d connections upstream, want the one of the probe and one more at most", n)
			}
			if w.partlyDelivered() {
				t.Error("the ledger is open after the retry")
			}
		})
	}
}

func TestAClientThatOnlyStopsTalkingHearsTheReply(t *testing.T) {
	t.Parallel()
	w := start(t)
	c := w.rawClient()
	c.begin("news@example.com", "active", "double")
	if _, err := c.nc.Write([]byte("Subject: x\r\n\r\n.\r\nQUIT\r\n")); err != nil {
		t.Fatal(err)
	}
	if err := c.nc.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got := c.reply() + c.reply(); !strings.HasPrefix(got, "250") || !strings.Contains(got, "221") {
		t.Errorf("heard %q", got)
	}
	if w.counted.of("unheard.news") != 0 || w.partlyDelivered() {
		t.Error("the reply counts as unheard")
	}
}

// TestAMessageIsTheSameToTheLedgerStreamedAndSpooled: whatever the size of its pieces.
func TestAMessageIsTheSameToTheLedgerStreamedAndSpooled(t *testing.T) {
	t.Parallel()
	const head = "Subject: x\r\n\r\n"
	for name, content := range map[string]string{
		"small":                     head + "text\r\n",
		"large":                     head + strings.Repeat("..dots and text\r\n", 20_000),
		"a header that is large":    "X-Long: a\r\n" + strings.Repeat("\t"+strings.Repeat("b", 98)+"\r\n", 900) + "\r\ntext\r\n",
		"as large as is hashed":     head + strings.Repeat("0123456789abcd\r\n", 4096),
		"just larger":               head + strings.Repeat("0123456789abcd\r\n", 4096) + "x\r\n",
		"a header and nothing else": head,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, bigMessages)
			w.upstream.OnRcpt("double@example.net", smtptest.Reply("450 4.2.0 greylisted").Times(1))
			for _, reply := range []string{"451 4.4.2 Delivered to 1 of 2", "250"} {
				if got := w.rawClient().message([]byte(content), "news@example.com", "active", "double"); !strings.HasPrefix(got, reply) {
					t.Errorf("got %s, want %s", got, reply)
				}
			}
			checkCopies(t, name, w.upstream.Messages(), content, true, 2)
			w.wantServed(1, "active", "double")
		})
	}
}
