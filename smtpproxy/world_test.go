package smtpproxy_test

import (
	"fmt"
	"strings"

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

// dial opens a session that several dialogues are played on.
func dial(w *world) *smtptest.Client {
	w.tb.Helper()
	c := smtptest.Dial(w.tb, w.addr, w.upstream)
	c.Play("S: 220\nC: EHLO client.example\nS* 250\n")
	return c
}
