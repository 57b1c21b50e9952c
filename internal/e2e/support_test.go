package e2e_test

import (
	"slices"
	"strings"
	"testing"
)

// The tests below prove the support itself, without the gate: what a client sends to Postfix is what the mailbox gives.

const plain = "From: News <news@example.com>\r\nTo: undisclosed-recipients:;\r\nSubject: =?utf-8?q?Caf=C3=A9?=\r\n" +
	"X-Folded: one,\r\n\ttwo\r\n\r\nFrom the start of a line\r\n.dot\r\n\r\nand a last line\r\n"

func TestPostfixDeliversWhatSmtplibSends(t *testing.T) {
	t.Parallel()
	p := startPostfix(t)
	to := []string{`"odd one"@example.net`, "ann@example.com", "bob@example.org"}

	o := smtplib(t, p.addr, envelope{From: "news@example.com", To: to, Data: []byte(plain)})
	if o.Code != 250 || len(o.Refused) != 0 {
		t.Fatalf("smtplib: %+v", o)
	}
	copies := p.wait(len(to))
	for i, d := range copies {
		if d.from != "news@example.com" || !slices.Contains(to, d.to) {
			t.Errorf("copy %d from %q to %q", i, d.from, d.to)
		}
		if string(d.data) != plain {
			t.Errorf("copy for %s: got %q, want %q", d.to, d.data, plain)
		}
	}
}

func TestPostfixDeliversWhatSwaksSends(t *testing.T) {
	t.Parallel()
	p := startPostfix(t)
	dialogue, code := swaks(t, p.addr, "--from", "<>", "--to", "ann@example.com", "--data", "Subject: by swaks\n\ntext\n")
	if code != 0 {
		t.Fatalf("swaks exits %d:\n%s", code, dialogue)
	}
	d := p.wait(1)[0]
	if d.from != "" || d.to != "ann@example.com" || !strings.HasPrefix(string(d.data), "Subject: by swaks\r\n\r\ntext\r\n") {
		t.Errorf("from %q to %q: %q", d.from, d.to, d.data)
	}
}

func TestASettingMakesPostfixRefuse(t *testing.T) {
	t.Parallel()
	p := startPostfix(t, "message_size_limit = 1000", "smtpd_recipient_restrictions = check_recipient_access static:{451 4.7.1 later}")

	o := smtplib(t, p.addr, envelope{From: "news@example.com", To: []string{"ann@example.com"}, Data: []byte(plain)})
	if got := o.Refused["ann@example.com"]; o.Code != 554 || got.Code != 451 || !strings.Contains(got.Text, "later") {
		t.Errorf("smtplib: %+v", o)
	}
	large := plain + strings.Repeat("x", 1000) + "\r\n"
	o = smtplib(t, p.addr, envelope{From: "news@example.com", To: []string{"ann@example.com"}, Data: []byte(large)})
	if o.Code != 552 {
		t.Errorf("smtplib: %+v, want 552 by the size that MAIL declares", o)
	}
	dialogue, code := swaks(t, p.addr, "--from", "news@example.com", "--to", "ann@example.com")
	if code != 24 || !strings.Contains(dialogue, "<** 451 4.7.1") {
		t.Errorf("swaks exits %d:\n%s", code, dialogue)
	}
	if n := len(p.inbox()); n != 0 {
		t.Errorf("%d copies delivered, want none", n)
	}
}

func TestTwoInstancesDoNotMeet(t *testing.T) {
	t.Parallel()
	one, other := startPostfix(t), startPostfix(t)
	smtplib(t, one.addr, envelope{From: "a@example.com", To: []string{"ann@example.com"}, Data: []byte(plain)})
	one.wait(1)
	if n := len(other.inbox()); n != 0 {
		t.Errorf("the other instance holds %d copies", n)
	}
}
