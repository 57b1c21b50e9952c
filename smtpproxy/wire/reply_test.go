package wire_test

import (
	"strings"
	"testing"

	"github.com/emersion/go-smtp"

	"github.com/consentgate/consentgate/smtpproxy/wire"
)

func TestReplies(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 600)
	tests := map[string]struct {
		reply smtp.SMTPError
		want  string
	}{
		"one line":            {smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "No"}, "550 5.7.1 No\r\n"},
		"code on every line":  {smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 7, 1}, Message: "No\nand why"}, "550-5.7.1 No\r\n550 5.7.1 and why\r\n"},
		"code not set":        {smtp.SMTPError{Code: 451, Message: "Later"}, "451 4.0.0 Later\r\n"},
		"no code":             {smtp.SMTPError{Code: 250, EnhancedCode: smtp.NoEnhancedCode, Message: "OK"}, "250 OK\r\n"},
		"354 has none":        {smtp.SMTPError{Code: 354, Message: "Go ahead"}, "354 Go ahead\r\n"},
		"no text":             {smtp.SMTPError{Code: 250}, "250 2.0.0\r\n"},
		"empty line":          {smtp.SMTPError{Code: 250, Message: "a\n\nb"}, "250-2.0.0 a\r\n250-2.0.0\r\n250 2.0.0 b\r\n"},
		"CRLF from upstream":  {smtp.SMTPError{Code: 250, Message: "a\r\nb"}, "250-2.0.0 a\r\n250 2.0.0 b\r\n"},
		"CR cannot end lines": {smtp.SMTPError{Code: 250, Message: "a\r354 b"}, "250 2.0.0 a?354 b\r\n"},
		"control and 8-bit":   {smtp.SMTPError{Code: 250, Message: "\x00\x1bé\xff\t"}, "250 2.0.0 ?????\r\n"},
		"line of 512":         {smtp.SMTPError{Code: 250, Message: long}, "250 2.0.0 " + long[:500] + "\r\n"},
	}
	for name, tc := range tests {
		tp := newTape()
		c := tp.conn(wire.Options{})
		c.Reply(&tc.reply)
		if err := c.Flush(); err != nil || tp.out.String() != tc.want {
			t.Errorf("%s: %v, %q, want %q", name, err, tp.out.String(), tc.want)
		}
	}
}

func TestGreetingAndEHLOHaveNoEnhancedCodes(t *testing.T) {
	t.Parallel()
	tp := newTape()
	c := tp.conn(wire.Options{})
	c.ReplyLines(220, []string{"mx.example.com ESMTP"})
	c.ReplyLines(250, []string{"mx.example.com", "PIPELINING", "SIZE 1\r\n250 AUTH PLAIN"})
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	want := "220 mx.example.com ESMTP\r\n250-mx.example.com\r\n250-PIPELINING\r\n250 SIZE 1??250 AUTH PLAIN\r\n"
	if got := tp.out.String(); got != want || tp.writes != 1 {
		t.Errorf("%q in %d writes", got, tp.writes)
	}
}

func TestRepliesAllocateNothing(t *testing.T) {
	c := wire.NewConn(&loop{}, wire.Options{})
	ok := &smtp.SMTPError{Code: 250, EnhancedCode: smtp.NoEnhancedCode, Message: "OK"}
	if got := testing.AllocsPerRun(100, func() {
		c.Reply(ok)
		if err := c.Flush(); err != nil {
			t.Fatal(err)
		}
	}); got > 0 {
		t.Errorf("%v allocations a reply", got)
	}
}
