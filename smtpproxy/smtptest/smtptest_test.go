package smtptest_test

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/smtpproxy/smtptest"
)

func TestDialogueFile(t *testing.T) {
	t.Parallel()
	u := smtptest.Start(t)
	smtptest.Run(t, u.Addr(), "testdata/upstream.smtp", u)
	want := []smtptest.Message{{
		Conn: 1, MailArg: "<a@b.example>", RcptArgs: []string{"<ann@example.com>"},
		Data: []byte("Subject: a\\b\tcA\r\n\r\n..stuffed\r\n\x00\r\n"), Complete: true, Accepted: true,
	}}
	if diff := cmp.Diff(want, u.Messages()); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
	pipelined := "MAIL FROM:<a@b.example>\r\nRCPT TO:<ann@example.com>\r\nDATA\r\n"
	if got := u.Reads(); len(got) < 2 || got[1] != pipelined {
		t.Errorf("reads %q, want C lines in a row in one", got)
	}
}

// TestDialogueReportsTheLine: a dialogue that does not hold is an error at its line, with what was wanted.
func TestDialogueReportsTheLine(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"S: 554":                              `f.smtp:1: got "220 upstream.test ESMTP", wanted S: 554`,
		"S= 220 upstream":                     "f.smtp:1: got",
		"S~ ^250":                             "f.smtp:1: got",
		"S~ (":                                "f.smtp:1: error parsing regexp",
		"S: 220\n\n# remark\nC: NOOP\nS* 354": "f.smtp:5: got",
		"S.":                                  "f.smtp:1: got",
		"S: 220\nC: QUIT\nS: 221\nS: 250":     "f.smtp:4: wanted",
		"S: 220\nC: EHLO x\nS* 250\nU! EHLO":  `f.smtp:4: the upstream got "EHLO x"`,
		"X: 220":                              `f.smtp:1: sign "X:"`,
		"C? x":                                `f.smtp:1: sign "C?"`,
		"-":                                   `f.smtp:1: sign "-"`,
		`C< a\q`:                              `f.smtp:1: \q is none of`,
		`C< a\x4`:                             `f.smtp:1: \x is none of`,
		`C< a\`:                               "f.smtp:1: a backslash",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			u := smtptest.Start(t)
			err := smtptest.Play(u.Addr(), "f.smtp", text, u)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want an error with %q", err, want)
			}
		})
	}
	u := smtptest.Start(t)
	if err := smtptest.Play(u.Addr(), "f.smtp", "U: MAIL", nil); err == nil || !strings.Contains(err.Error(), "needs an upstream") {
		t.Errorf("U line without an upstream: %v", err)
	}
}

func TestMissingUpstreamLineIsShownWithWhatCame(t *testing.T) {
	t.Parallel()
	u := smtptest.Start(t)
	err := smtptest.PlayWithin(u.Addr(), "f.smtp", "C: EHLO client.example\nS: 220\nS* 250\nU: MAIL\n", u, 100*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), `the upstream got ["EHLO client.example"], wanted U: MAIL`) {
		t.Errorf("got %v, want the lines that came", err)
	}
}

func TestLineThatDoesNotComeIsReported(t *testing.T) {
	t.Parallel()
	for _, sign := range []string{"S: 250", "S* 250", "S."} {
		u := smtptest.Start(t)
		u.On(smtptest.EHLO, smtptest.Hang())
		err := smtptest.PlayWithin(u.Addr(), "f.smtp", "S: 220\nC: EHLO x\n"+sign, u, 50*time.Millisecond)
		if err == nil || !strings.Contains(err.Error(), "f.smtp:3: wanted") || !strings.Contains(err.Error(), "timeout") {
			t.Errorf("%s: got %v, want a timeout at line 3", sign, err)
		}
	}
}

func TestFaultsStrike(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		verb  smtptest.Verb
		fault smtptest.Fault
		text  string
	}{
		"a reply":                {smtptest.Mail, smtptest.Reply("451 4.3.0 a\n451 4.3.0 b"), "S: 220\nC: EHLO x\nS* 250\nC: MAIL FROM:<a@b>\nS= 451 4.3.0 a\nS= 451 4.3.0 b\nC: NOOP\nS: 250"},
		"a 421 ends":             {smtptest.Mail, smtptest.Reply("421 4.3.2 bye"), "S: 220\nC: EHLO x\nS* 250\nC: MAIL FROM:<a@b>\nS: 421\nS."},
		"an end at connect":      {smtptest.Connect, smtptest.Close(), "S."},
		"an end at the greeting": {smtptest.Greeting, smtptest.Close(), "S."},
		"an end in content":      {smtptest.Body, smtptest.Close(), "S: 220\nC: MAIL FROM:<a@b>\nC: RCPT TO:<x@y>\nC: DATA\nS: 250\nS: 250\nS: 354\nC: hello\nS."},
		"a verdict in content":   {smtptest.Body, smtptest.Reply("552 5.3.4 too big"), "S: 220\nC: MAIL FROM:<a@b>\nC: RCPT TO:<x@y>\nC: DATA\nS: 250\nS: 250\nS: 354\nC: hello\nS: 552\nS."},
		"slow replies":           {smtptest.Dot, smtptest.Slow(1), "S: 220\nC: MAIL FROM:<a@b>\nC: RCPT TO:<x@y>\nC: DATA\nS: 250\nS: 250\nS: 354\nC: .\nS= 250 2.0.0 Ok: queued"},
		"slow content":           {smtptest.Body, smtptest.Slow(3), "S: 220\nC: MAIL FROM:<a@b>\nC: RCPT TO:<x@y>\nC: DATA\nS: 250\nS: 250\nS: 354\nC: hello\nC: .\nS: 250"},
		"garbage":                {smtptest.Rset, smtptest.Garbage(), "S: 220\nC: RSET\nS~ no reply"},
		"354 without recipients": {smtptest.Data, smtptest.Reply("354 go"), "S: 220\nC: DATA\nS: 354\nC: .\nS: 250"},
		"a refused STARTTLS":     {smtptest.StartTLS, smtptest.Reply("454 4.7.0 no"), "S: 220\nC: STARTTLS\nS: 502"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := smtptest.Start(t)
			u.On(tc.verb, tc.fault)
			if err := smtptest.Play(u.Addr(), name, tc.text, u); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestFaultOfOneRecipientAndOfOneTime(t *testing.T) {
	t.Parallel()
	u := smtptest.Start(t)
	u.OnRcpt("Ann@Example.com", smtptest.Reply("550 5.1.1 no"))
	u.On(smtptest.Rcpt, smtptest.Reply("450 4.2.0 later").Times(1))
	err := smtptest.Play(u.Addr(), "f.smtp", strings.Join([]string{
		"S: 220", "C: MAIL FROM:<a@b>", "S: 250",
		"C: RCPT TO:<ann@example.com>", "S: 550", "C: RCPT TO:<bob@example.com>", "S: 450", "C: RCPT TO:<bob@example.com>", "S: 250",
	}, "\n"), u)
	if err != nil {
		t.Error(err)
	}
}

func TestHangLetsGoWhenCleared(t *testing.T) {
	t.Parallel()
	u := smtptest.Start(t)
	u.On(smtptest.Body, smtptest.Hang())
	conn, err := net.Dial("tcp", u.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("MAIL FROM:<a@b>\r\nRCPT TO:<x@y>\r\nDATA\r\nhello\r\n")); err != nil {
		t.Fatal(err)
	}
	smtptest.Eventually(t, "content has begun", func() bool { return len(u.Lines()) == 3 && u.Open() == 1 })
	smtptest.Eventually(t, "the hanging connection ends", func() bool { u.Clear(); return u.Open() == 0 })
	if m := u.Messages(); len(m) != 1 || m[0].Complete {
		t.Errorf("messages %+v, want one without its dot", m)
	}
}

func TestContentCutShortIsNotComplete(t *testing.T) {
	t.Parallel()
	u := smtptest.Start(t)
	err := smtptest.Play(u.Addr(), "f.smtp", "S: 220\nC: MAIL FROM:<a@b>\nC: RCPT TO:<x@y>\nC: DATA\nS: 250\nS: 250\nS: 354\nC< a\\r\\n\\n.\\n\\r.\\r\\nb\\n.\\r\\n", u)
	if err != nil {
		t.Fatal(err)
	}
	smtptest.Eventually(t, "the end is seen", func() bool { return len(u.Messages()) == 1 })
	if m := u.Messages()[0]; m.Complete || string(m.Data) != "a\r\n\n.\n\r.\r\nb\n.\r\n" {
		t.Errorf("complete %v, data %q: only CRLF.CRLF ends content", m.Complete, m.Data)
	}
}

func TestStopAndRestart(t *testing.T) {
	t.Parallel()
	u := smtptest.Start(t)
	conn, err := net.Dial("tcp", u.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	smtptest.Eventually(t, "the connection is counted", func() bool { return u.Open() == 1 && u.Total() == 1 })
	u.Stop()
	if u.Open() != 0 {
		t.Errorf("%d connections open after Stop", u.Open())
	}
	if c, err := net.Dial("tcp", u.Addr()); err == nil {
		c.Close()
		t.Error("connected while stopped")
	}
	u.Restart()
	if err := smtptest.Play(u.Addr(), "f.smtp", "S: 220", u); err != nil {
		t.Error(err)
	}
	u.Forget()
	if len(u.Lines()) != 0 || u.Total() != 2 {
		t.Errorf("lines %q, %d connections; want the record empty and the count going on", u.Lines(), u.Total())
	}
}

func TestClientGoesOnWhereItStopped(t *testing.T) {
	t.Parallel()
	u := smtptest.Start(t)
	c := smtptest.Dial(t, u.Addr(), u)
	c.Play("S: 220\nC: EHLO client.example\nS* 250\nU: EHLO")
	c.Play("U! EHLO\nC: NOOP\nS: 250")
	c.Close()
	smtptest.Eventually(t, "the connection is closed", func() bool { return u.Open() == 0 })
}
