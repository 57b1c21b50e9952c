package wire_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// pieces cuts s into pieces of n octets.
func pieces(s string, n int) (cut []string) {
	n = 1 + (n&0xff)%64
	for ; len(s) > n; s = s[n:] {
		cut = append(cut, s[:n])
	}
	if s != "" {
		cut = append(cut, s)
	}
	return cut
}

func bufioReader(b []byte) *bufio.Reader { return bufio.NewReader(bytes.NewReader(b)) }

// reference reads a message one byte at a time, straight from RFC 5321: it ends where the last five octets are
// CRLF "." CRLF, the beginning counting as a line's.
func reference(in string) (text, rest string, ended bool) {
	last := "???\r\n"
	for i := range len(in) {
		if last = last[1:] + in[i:i+1]; last == "\r\n.\r\n" {
			return strings.TrimSuffix(in[:i+1], ".\r\n"), in[i+1:], true
		}
	}
	return "", "", false
}

// strays tells whether text holds a CR or LF that is not half of a CRLF.
func strays(text string) bool {
	return strings.ContainsAny(strings.ReplaceAll(text, "\r\n", ""), "\r\n")
}

// tidy is what a message says with its stray CRs dropped and its stray LFs made into line ends, without stuffing.
func tidy(text string) string {
	text = string(wire.Unstuff([]byte(text)))
	text = strings.ReplaceAll(text, "\r\n", "\n")
	text = strings.ReplaceAll(text, "\r", "")
	return strings.ReplaceAll(text, "\n", "\r\n")
}

func FuzzDataReader(f *testing.F) {
	for _, in := range []string{
		"a\r\n.\r\nQUIT\r\n", ".\r\n", "a\n.\n.\r\n\r\n.\r\n", "a\r\r\n.\r\n", "a\r\n.\rX\r\n.\r\n", "a\r\n.\nx\r\n.\r\n", "\r.\r\n.\r\n",
		"a\r.\r\r\n.\r\n", "..\r\n...\r\n.x\r\n.\r\n", "\r\n\r\n.\r\n", "a\r\n.\r\r\n\r\n.\r\n", "a\n..\n.\r\n\r\n.\r\n.\r\n",
	} {
		f.Add(in, 0)
		f.Add(in, 1)
		f.Add(in, 63)
	}
	f.Fuzz(func(t *testing.T, in string, piece int) {
		want, rest, ended := reference(in)
		for _, policy := range []wire.BarePolicy{wire.Reject, wire.Normalise} {
			tp := newTape(pieces(in, piece)...)
			c := tp.conn(wire.Options{BareLines: policy})
			got, err := receive(c)
			if !ended {
				if !errors.Is(err, wire.ErrBroken) || !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatalf("%q has no end, yet %v", in, err)
				}
				continue
			}
			switch {
			case strays(want) && policy == wire.Reject:
				if !errors.Is(err, wire.ErrBareLine) || strays(got) {
					t.Fatalf("%q: %q, %v, want ErrBareLine", in, got, err)
				}
			case strays(want):
				checkTidy(t, in, got, tidy(want), err)
			case got != want || !errors.Is(err, io.EOF):
				t.Fatalf("%q: %q, %v, want %q", in, got, err, want)
			}
			if next := nextLine(c); next != firstLine(rest, policy) {
				t.Fatalf("%q: then %q, want %q", in, next, firstLine(rest, policy))
			}
		}
	})
}

// checkTidy: got says the same as want and holds no end of data that was not sent.
func checkTidy(t *testing.T, in, got, want string, err error) {
	t.Helper()
	if end := strings.Index("\r\n"+got, "\r\n.\r\n"); end >= 0 || strays(got) {
		t.Fatalf("%q becomes %q: an end of data or a stray", in, got)
	}
	if said := string(wire.Unstuff([]byte(got))); said != want || !errors.Is(err, io.EOF) {
		t.Fatalf("%q: %q, %v, want %q", in, said, err, want)
	}
}

// nextLine is the verb and argument that follow, or the error.
func nextLine(c *wire.Conn) string {
	cmd, err := c.Next()
	if err != nil {
		return err.Error()
	}
	return string(cmd.Verb) + cmd.Arg
}

// firstLine is what nextLine says of a connection that only has s to say.
func firstLine(s string, policy wire.BarePolicy) string {
	return nextLine(newTape(pieces(s, 255)...).conn(wire.Options{BareLines: policy}))
}
