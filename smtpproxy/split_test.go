package smtpproxy_test

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
)

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
