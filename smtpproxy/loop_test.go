package smtpproxy_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/consentgate/consentgate/smtpproxy"
)

// around sends a message with these fields on top through the gate, and returns the Received field that it got, with
// its CRLF; empty where it was refused as looping.
func (w *world) around(fields string) string {
	w.tb.Helper()
	before := w.complete()
	w.play("C: MAIL FROM:<news@example.com>\nS: 250\nC: RCPT TO:<active@example.net>\nS: 250\nC: DATA\nS: 354\nC< " +
		escape(fields) + `Subject: round and round\r\n\r\ntext\r\n.\r\n` + "\nS~ ^(250|554 5\\.4\\.6) \n")
	after := w.complete()
	if len(after) == len(before) {
		return ""
	}
	ours, _, ok := bytes.Cut(after[len(before)], []byte("\r\n"))
	if !ok || !bytes.HasPrefix(ours, []byte("Received: by ")) {
		w.tb.Fatalf("upstream got %q, want our Received on top", after[len(before)])
	}
	return string(ours) + "\r\n"
}

// complete is what the upstream got to the end.
func (w *world) complete() [][]byte {
	var data [][]byte
	for _, m := range w.upstream.Messages() {
		if m.Complete {
			data = append(data, m.Data)
		}
	}
	return data
}

func longHeaders(_ *world, o *smtpproxy.Options) { o.Limits.Wire.Message, o.Limits.Hops = 1<<16, 50 }

func TestAMessageThatWentThroughTheGateTooOftenIsLooping(t *testing.T) {
	t.Parallel()
	w := start(t, longHeaders)
	fields := ""
	for pass := 1; pass <= 3; pass++ {
		ours := w.around(fields)
		if ours == "" {
			t.Fatalf("refused at pass %d, want three to be taken:\n%s", pass, fields)
		}
		fields = "Received: from a.example by b.example with ESMTP id 1; Mon, 23 Nov 2026 12:00:00 +0000\r\n" + ours + fields
	}
	if ours := w.around(fields); ours != "" {
		t.Errorf("the fourth pass was taken:\n%s", ours)
	}
}

func TestOnlyOurOwnTraceCounts(t *testing.T) {
	t.Parallel()
	w := start(t, longHeaders, func(_ *world, o *smtpproxy.Options) { o.Limits.OwnHops, o.Instance = 1, "one" })
	ours := w.around("")
	named := start(t, longHeaders, func(_ *world, o *smtpproxy.Options) { o.Instance, o.Hostname = "one", "other.example" }).around("")
	marked := start(t, longHeaders, func(_ *world, o *smtpproxy.Options) { o.Instance = "two" }).around("")
	for name, tt := range map[string]struct {
		field   string
		looping bool
	}{
		"ours":                         {ours, true},
		"ours, folded by a relay":      {strings.ReplaceAll(ours, " id ", "\r\n\tid "), true},
		"ours, the field name in caps": {strings.Replace(ours, "Received", "RECEIVED", 1), true},
		"a gate of another name":       {named, false},
		"another gate of this name":    {marked, false},
		"ours in another field":        {strings.Replace(ours, "Received", "X-Received", 1), false},
		"ours inside another's":        {strings.Replace(ours, "by ", "from a.example by ", 1), false},
		"another program of this name": {"Received: by gate.example (Postfix) id 4F; Mon, 23 Nov 2026 12:00:00 +0000\r\n", false},
	} {
		if got := w.around(tt.field) == ""; got != tt.looping {
			t.Errorf("%s: looping %v, want %v\n%s", name, got, tt.looping, tt.field)
		}
	}
}

func TestTheTraceNamesNobody(t *testing.T) {
	t.Parallel()
	w := start(t, longHeaders, func(_ *world, o *smtpproxy.Options) { o.Instance = "0123456789abcdef" })
	if ours := w.around(""); strings.Contains(ours, "0123456789abcdef") || strings.Contains(ours, "127.0.0.1") {
		t.Errorf("shows instance or client: %s", ours)
	}
}
