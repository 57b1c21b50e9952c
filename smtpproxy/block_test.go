package smtpproxy_test

import (
	"strings"
	"testing"

	"github.com/consentgate/consentgate/gate"
)

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
