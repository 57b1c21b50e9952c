package smtpproxy_test

import (
	"strings"
	"testing"

	"github.com/consentgate/consentgate/smtpproxy/smtptest"
)

func wantReply(t *testing.T, got, code string) {
	t.Helper()
	if !strings.HasPrefix(got, code) {
		t.Errorf("got %q, want %s", got, code)
	}
}

func TestSessionsThatWaitHoldNoWorker(t *testing.T) { //nolint:paralleltest // counts the process's goroutines
	const sessions, spare = 60, 16
	w := start(t)
	waiting := make([]*rawClient, sessions)
	for i := range waiting {
		waiting[i] = w.rawClient()
		waiting[i].begin("news@example.com", "active") // as far as 354: each has a worker of its own
	}
	if n := smtptest.Workers(); n < sessions {
		t.Errorf("%d workers for %d transactions", n, sessions)
	}
	for _, c := range waiting {
		wantReply(t, c.say("Subject: x\r\n\r\n."), "250")
	}
	smtptest.Eventually(t, "the workers beyond the spare ones end", func() bool { return smtptest.Workers() <= spare })
	for _, c := range waiting { // and all sessions go on
		wantReply(t, c.say("QUIT"), "221")
	}
	w.stop()
	smtptest.Eventually(t, "the spare workers end with the server", func() bool { return smtptest.Workers() == 0 })
}
