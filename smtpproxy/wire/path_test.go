package wire_test

import (
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/smtpproxy/wire"
)

func TestPathsOfRCPT(t *testing.T) {
	t.Parallel()
	const bad = "501 5.5.4"
	for arg, want := range map[string]string{
		"TO:<ann@example.com>":                  "ann@example.com",
		"to:<ann@example.com>":                  "ann@example.com",
		"TO: <ann@example.com>":                 "ann@example.com",
		"TO:<postmaster>":                       "postmaster",
		"TO:<ann@[192.0.2.1]>":                  "ann@[192.0.2.1]",
		"TO:<ann@[IPv6:2001:db8::1]>":           "ann@[IPv6:2001:db8::1]",
		"TO:<ann+tag=x/y@example.com>":          "ann+tag=x/y@example.com",
		"TO:<jürgen@bücher.example>":            "jürgen@bücher.example",
		`TO:<"ann lee"@example.com>`:            `"ann lee"@example.com`,
		`TO:<"a>b"@example.com>`:                `"a>b"@example.com`,
		`TO:<"a\">b"@example.com>`:              `"a\">b"@example.com`,
		`TO:<"a\\"@example.com>`:                `"a\\"@example.com`,
		`TO:<"a@b"@example.com>`:                `"a@b"@example.com`,
		"TO:<@relay.example:ann@example.com>":   "ann@example.com",
		"TO:<@a.example,@b.example:ann@c.test>": "ann@c.test",
		`TO:<@a.example:"x:y"@c.test>`:          `"x:y"@c.test`,
		// For the reader of addresses to judge; on the wire they are one thing to everybody.
		"TO:<a@b@c>":        "a@b@c",
		"TO:<u..ser.@x>":    "u..ser.@x",
		"TO:<user@x,y@z>":   "user@x,y@z",
		"TO:<@r:a@x>":       "a@x",
		"TO:<ann@EXAMPLE.>": "ann@EXAMPLE.",

		"":                                 bad,
		"TO":                               bad,
		"TO:":                              bad,
		"FROM:<ann@example.com>":           bad,
		"TO :<ann@example.com>":            bad,
		"TO:  <ann@example.com>":           bad,
		"TO:ann@example.com":               bad,
		"TO:<>":                            bad,
		"TO:<ann@example.com":              bad,
		"TO:<<ann@example.com>>":           bad,
		"TO:<ann@example.com>>":            bad,
		"TO:<ann@example.com>x":            bad,
		"TO:<ann@example.com>NOTIFY=NEVER": bad,
		"TO:<ann @example.com>":            bad,
		"TO:< ann@example.com>":            bad,
		"TO:Ann <ann@example.com>":         bad,
		`TO:<"ann@example.com>`:            bad,
		`TO:<"ann\"@example.com>`:          bad,
		`TO:<"ann">`:                       bad,
		`TO:<"ann"x@example.com>`:          bad,
		`TO:<"a""b"@example.com>`:          bad,
		`TO:<a"b"@example.com>`:            bad,
		`TO:<a"> NOTIFY=NEVER"@x>`:         bad,
		`TO:<a\>b@example.com>`:            bad,
		`TO:<a@"x>y">`:                     bad,
		`TO:<"a"@"x>y">`:                   bad,
		"TO:<@relay.example:>":             bad,
		"TO:<@relay.example>":              bad,
		"TO:<@relay@x>":                    bad,
		"TO:<a\x00@example.com>":           bad,
		"TO:<a\r@example.com>":             bad,
		"TO:<a@example.com\r\nRCPT TO:<b>": bad,
		"TO:<a\u0085@example.com>":         bad,
		"TO:<a\xff@example.com>":           bad,
	} {
		p, err := wire.ParseRcpt(arg)
		got := p.Mailbox
		if err != nil {
			got = status(err)
		}
		if got != want {
			t.Errorf("RCPT %q: %q, want %q", arg, got, want)
		}
	}
}

func TestNullReversePathIsForMAILOnly(t *testing.T) {
	t.Parallel()
	if p, err := wire.ParseMail("FROM:<>"); err != nil || p.Mailbox != "" {
		t.Errorf("MAIL FROM:<>: %+v, %v", p, err)
	}
	if _, err := wire.ParseMail("FROM:<@relay.example:>"); err == nil {
		t.Error("a source route before nothing is taken for the null reverse-path")
	}
	if _, err := wire.ParseRcpt("TO:<>"); err == nil {
		t.Error("RCPT TO:<> passes")
	}
}

func TestParametersStayAsTheyWereWritten(t *testing.T) {
	t.Parallel()
	const line = `FROM:<a@b>  size=5000000000 BODY=8bitmime SMTPUTF8 EnvId=QQ+2b314159 AUTH=<> X-VENDOR=a,b;c RET=HDRS `
	want := []wire.Param{
		{Key: "SIZE", Value: "5000000000", HasValue: true},
		{Key: "BODY", Value: "8bitmime", HasValue: true},
		{Key: "SMTPUTF8"},
		{Key: "ENVID", Value: "QQ+2b314159", HasValue: true},
		{Key: "AUTH", Value: "<>", HasValue: true},
		{Key: "X-VENDOR", Value: "a,b;c", HasValue: true},
		{Key: "RET", Value: "HDRS", HasValue: true},
	}
	p, err := wire.ParseMail(line)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, p.Params); diff != "" {
		t.Error(diff)
	}
	if param, ok := p.Param("RET"); !ok || param.Value != "HDRS" {
		t.Errorf("Param(RET) = %+v, %v", param, ok)
	}
	if _, ok := p.Param("NOTIFY"); ok {
		t.Error("Param finds what is not there")
	}
}

func TestParametersOutsideTheGrammar(t *testing.T) {
	t.Parallel()
	for _, params := range []string{
		"=", "=x", "SIZE=", "SIZE=1=2", "SIZE=1 SIZE=2", "SIZE=1 size=1", "-X=1", "X_Y=1", "é=1", "SIZE\u00a0X", "AUTH==",
	} {
		if p, err := wire.ParseMail("FROM:<a@b> " + params); err == nil || status(err) != "501 5.5.4" {
			t.Errorf("%q: %+v, %v, want 501 5.5.4", params, p, err)
		}
	}
}

func TestDeclaredSizeHas63Bits(t *testing.T) {
	t.Parallel()
	for params, want := range map[string]int64{
		"":                              0,
		" SIZE=0":                       0,
		" SIZE=5000000000":              5_000_000_000,
		" SIZE=99999999999999999999":    math.MaxInt64,
		" SIZE=100000000000000000000":   -1, // 21 digits: RFC 1870 section 4 has 20
		" SIZE":                         -1,
		" SIZE=+1":                      -1,
		" SIZE=1k":                      -1,
		" BODY=8BITMIME SIZE=007 X=SIZ": 7,
	} {
		p, err := wire.ParseMail("FROM:<a@b>" + params)
		if err != nil {
			t.Fatal(err)
		}
		got, err := p.Size()
		if err != nil {
			got = -1
		}
		if got != want {
			t.Errorf("%q: %d, %v, want %d", params, got, err, want)
		}
	}
}

func TestWhatNeedsSMTPUTF8(t *testing.T) {
	t.Parallel()
	for arg, want := range map[string]bool{
		"TO:<ann@example.com> NOTIFY=NEVER":              false,
		"TO:<jürgen@example.com>":                        true,
		"TO:<ann@bücher.example>":                        true,
		"TO:<ann@example.com> ORCPT=utf-8;jürgen@x.test": true,
	} {
		p, err := wire.ParseRcpt(arg)
		if err != nil || p.NeedsUTF8() != want {
			t.Errorf("%s: %v, %v, want %v", arg, p.NeedsUTF8(), err, want)
		}
	}
}

// FuzzPath: whatever is accepted can be written into a command again, and is then read as the same.
func FuzzPath(f *testing.F) {
	for _, arg := range []string{
		"TO:<ann@example.com> NOTIFY=NEVER ORCPT=rfc822;ann@example.com", "to: <@a,@b:x@y>", `TO:<"v@y> NOTIFY=NEVER"@evil.example>`,
		`TO:<"a\"b\\"@[IPv6:::1]>`, "TO:<postmaster>", "TO:<a@b@c>", "TO:<é@b> X=é", `TO:<"a"b@c>`, "TO:<@r:> X",
	} {
		f.Add(arg)
	}
	f.Fuzz(func(t *testing.T, arg string) {
		p, err := wire.ParseRcpt(arg)
		if err != nil {
			if s := status(err); !strings.HasPrefix(s, "501 5.") {
				t.Fatalf("%q: %s", arg, s)
			}
			return
		}
		again := "TO:<" + p.Mailbox + ">"
		for _, param := range p.Params {
			again += " " + param.Key
			if param.HasValue {
				again += "=" + param.Value
			}
		}
		if strings.ContainsAny(again, "\r\n\x00") {
			t.Fatalf("%q: control characters in %q", arg, again)
		}
		q, err := wire.ParseRcpt(again)
		if diff := cmp.Diff(p, q); err != nil || diff != "" {
			t.Fatalf("%q becomes %q: %v\n%s", arg, again, err, diff)
		}
	})
}

// FuzzCommand: Next never invents text, and gives every line an answer of its own.
func FuzzCommand(f *testing.F) {
	for _, in := range []string{
		"MAIL FROM:<a@b>\r\n", "noop\n", "\r\n\r\n", "AUTH PLAIN AGE=\r\n", "R\u017fET\r\n", "x\x00\r\n", "DATA\r\n.\r\n",
	} {
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in string) {
		if len(in) > 4000 {
			return
		}
		whole, err := commands(newTape(in).conn(wire.Options{}))
		if err == nil {
			t.Fatal("no end")
		}
		pieces, _ := commands(newTape(bytewise(in)...).conn(wire.Options{}))
		if diff := cmp.Diff(whole, pieces); in != "" && diff != "" {
			t.Fatalf("%q differs when it comes byte by byte:\n%s", in, diff)
		}
		if lines := strings.Count(in, "\n"); len(whole) != lines {
			t.Fatalf("%d answers to %d lines", len(whole), lines)
		}
		for _, command := range whole {
			_, arg, _ := strings.Cut(command, " ")
			if !strings.Contains(in, arg) && !strings.HasPrefix(command, "500 ") {
				t.Fatalf("%q is not in %q", arg, in)
			}
		}
	})
}
