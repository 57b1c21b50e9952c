package smtpproxy_test

import (
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
)

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

func TestAnAcknowledgedWithdrawalHoldsInObserveToo(t *testing.T) {
	t.Parallel()
	w := start(t, func(_ *world, o *smtpproxy.Options) { o.Pending = func(gate.ID, string) bool { return true } })
	for _, who := range []string{"active", "passive", "none"} {
		w.play("C: MAIL FROM:<watch@example.com>\nS: 250\nC: RCPT TO:<" + who + "@example.net>\nS~ ^550 5\\.7\\.1 .*\\(withdrawn\\)\n")
	}
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
