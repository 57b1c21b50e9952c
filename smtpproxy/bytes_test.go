package smtpproxy_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// rawClient sends messages of any bytes.
type rawClient struct {
	tb testing.TB
	nc net.Conn
	r  *bufio.Reader
}

func (w *world) rawClient() *rawClient {
	w.tb.Helper()
	nc, err := net.Dial("tcp", w.addr)
	if err != nil {
		w.tb.Fatal(err)
	}
	w.tb.Cleanup(func() { _ = nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(2 * time.Minute))
	c := &rawClient{w.tb, nc, bufio.NewReader(nc)}
	c.reply()
	c.say("EHLO client.example")
	return c
}

// reply reads one reply, of one or more lines, and returns its last line.
func (c *rawClient) reply() string {
	c.tb.Helper()
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			c.tb.Fatalf("%q, then %v", line, err)
		}
		if len(line) < 4 || line[3] != '-' {
			return strings.TrimRight(line, "\r\n")
		}
	}
}

func (c *rawClient) say(line string) string {
	c.tb.Helper()
	if _, err := io.WriteString(c.nc, line+"\r\n"); err != nil {
		c.tb.Fatal(err)
	}
	return c.reply()
}

// begin says all up to 354.
func (c *rawClient) begin(from string, to ...string) {
	c.tb.Helper()
	lines := []string{"MAIL FROM:<" + from + ">"}
	for _, r := range to {
		lines = append(lines, "RCPT TO:<"+r+"@example.net>")
	}
	for _, line := range lines {
		if got := c.say(line); !strings.HasPrefix(got, "250") {
			c.tb.Fatalf("%s: %s", line, got)
		}
	}
	if got := c.say("DATA"); !strings.HasPrefix(got, "354") {
		c.tb.Fatalf("DATA: %s", got)
	}
}

// message sends content, dot-stuffed as it is given, in one write, and returns the reply to its end.
func (c *rawClient) message(content []byte, from string, to ...string) string {
	c.tb.Helper()
	c.begin(from, to...)
	if _, err := c.nc.Write(append(bytes.Clone(content), ".\r\n"...)); err != nil {
		c.tb.Fatal(err)
	}
	return c.reply()
}

func bigMessages(_ *world, o *smtpproxy.Options) {
	o.Limits.Wire.Message, o.Limits.SpoolMem, o.Limits.Recipients = 64<<20, 64<<10, 100
}

// kind is a message, and what becomes of it.
type kind struct {
	name, content    string
	reply, normalise string // 250 unless said; as it is unless said
}

func kinds() []kind {
	const head = "Subject: x\r\n\r\n"
	fields := func(n int) string { return strings.Repeat("X-Field: some value\r\n", n) + "\r\ntext\r\n" }
	return []kind{
		{name: "a header alone", content: "Subject: x\r\n"},
		{name: "a header and the blank line", content: head},
		{name: "a body of one octet", content: head + "x\r\n"},
		{name: "a body of blank lines", content: head + "\r\n\r\n\r\n"},
		{name: "lines of dots", content: head + "..\r\n...\r\n....\r\n..a\r\n"},
		{name: "8-bit without BODY=8BITMIME", content: head + "Caf\xe9 \xff\xfe\r\n"},
		{name: "UTF-8 in the header", content: "Subject: Café\r\n\r\ntext\r\n"},
		{name: "NUL", content: head + "a\x00b\r\n\x00\r\n"},
		{name: "a line of 100,000", content: head + strings.Repeat("x", 100_000) + "\r\n"},
		{name: "a folded field of 90,000", content: "X-Long: a\r\n" + strings.Repeat("\t"+strings.Repeat("b", 98)+"\r\n", 900) + "\r\ntext\r\n"},
		{name: "a field of one long line", content: "X-Long: " + strings.Repeat("b", 90_000) + "\r\n\r\ntext\r\n"},
		{name: "1,000 fields", content: fields(1000)},
		{name: "1,001 fields", content: fields(1001), reply: "554 5.6.0"},
		{name: "a header over 256 KiB", content: "X-Long: " + strings.Repeat("b", 300_000) + "\r\n\r\n", reply: "554 5.6.0"},
		{name: "fields as odd as they are allowed", content: "x:y\r\nX-A :  b \r\nX-A:\r\n \tc\r\nx:y\r\n\r\ntext\r\n"},
		{name: "nothing", content: "", reply: "554 5.6.0"},
		{name: "a body without a header", content: "\r\ntext\r\n", reply: "554 5.6.0"},
		{name: "no field in the header", content: "text\r\n", reply: "554 5.6.0"},
		{name: "an mbox line", content: "From news@example.com Mon Nov 23 12:00:00 2026\r\n" + head, reply: "554 5.6.0"},
		{name: "a header that begins with a blank", content: " a\r\n" + head, reply: "554 5.6.0"},
		{name: "a field name that is no ASCII", content: "Sübject: x\r\n\r\n", reply: "554 5.6.0"},
		{name: "CR CR LF before the end", content: head + "text\r\r\n", reply: "554 5.6.0", normalise: head + "text\r\n"},
		{name: "CR CR LF in the header", content: "Subject: x\r\r\nTo: y\r\n\r\n", reply: "554 5.6.0", normalise: "Subject: x\r\nTo: y\r\n\r\n"},
		{name: "LF alone", content: head + "a\nb\r\n", reply: "554 5.6.0", normalise: head + "a\r\nb\r\n"},
		{name: "CR alone", content: head + "a\rb\r\n", reply: "554 5.6.0", normalise: head + "ab\r\n"},
		{name: "LF . LF", content: head + "a\n.\nb\r\n", reply: "554 5.6.0", normalise: head + "a\r\n..\r\nb\r\n"},
		{name: "LF . CRLF", content: head + "a\n.\r\nb\r\n", reply: "554 5.6.0", normalise: head + "a\r\n..\r\nb\r\n"},
		{name: "CR . CR", content: head + "a\r.\rb\r\n", reply: "554 5.6.0", normalise: head + "a.b\r\n"},
		{name: ". CR X", content: head + ".\rx\r\n", reply: "554 5.6.0", normalise: head + "x\r\n"},
	}
}

// TestMessagesOfEveryKind: what stands behind our lines upstream is what the client sent, or nothing is.
func TestMessagesOfEveryKind(t *testing.T) {
	t.Parallel()
	for _, policy := range []wire.BarePolicy{wire.Reject, wire.Normalise} {
		for _, way := range []struct{ from, to string }{{"news@example.com", "active"}, {"promo@example.com", "active double"}} {
			t.Run(fmt.Sprintf("%s/bare lines %d", way.from, policy), func(t *testing.T) {
				t.Parallel()
				w := start(t, bigMessages, func(_ *world, o *smtpproxy.Options) { o.BareLines = policy })
				c := w.rawClient()
				for _, tc := range kinds() {
					reply, want := tc.reply, tc.content
					if policy == wire.Normalise && tc.normalise != "" {
						reply, want = "", tc.normalise
					}
					w.upstream.Forget()
					if got := c.message([]byte(tc.content), way.from, strings.Fields(way.to)...); !strings.HasPrefix(got, orDefault(reply, "250")) {
						t.Errorf("%s: %s, want %s", tc.name, got, orDefault(reply, "250"))
					}
					checkCopies(t, tc.name, w.upstream.Messages(), want, reply == "", len(strings.Fields(way.to)))
				}
			})
		}
	}
}

func orDefault(s, d string) string {
	if s == "" {
		return d
	}
	return s
}

// checkCopies: as many copies were ended upstream as were owed, each with exactly content behind lines of ours.
func checkCopies(t *testing.T, name string, got []smtptest.Message, content string, owed bool, copies int) {
	t.Helper()
	n := 0
	for _, m := range got {
		if !m.Complete {
			continue
		}
		n++
		ours, ok := bytes.CutSuffix(m.Data, []byte(content))
		if !ok || !bytes.HasPrefix(ours, []byte("Received: ")) || !bytes.HasSuffix(ours, []byte("\r\n")) || bytes.Contains(ours, []byte("\r\n\r\n")) {
			t.Errorf("%s: the upstream got %.300q", name, m.Data)
		}
	}
	if !owed {
		copies = 0
	}
	if n != copies {
		t.Errorf("%s: %d copies were ended upstream, want %d", name, n, copies)
	}
}

// TestDotsAtEveryBufferBoundary: stuffed lines, and the end of the message behind them, around the sizes of every
// buffer on the way.
func TestDotsAtEveryBufferBoundary(t *testing.T) {
	t.Parallel()
	for _, way := range []struct{ from, to string }{{"news@example.com", "active"}, {"promo@example.com", "active double"}} {
		t.Run(way.from, func(t *testing.T) {
			t.Parallel()
			w := start(t, bigMessages)
			c := w.rawClient()
			for _, boundary := range []int{1 << 10, 2 << 10, 4 << 10, 32 << 10, 64 << 10, 128 << 10} {
				for at := boundary - 6; at <= boundary+6; at++ {
					w.upstream.Forget()
					content := dotsAt(at)
					if got := c.message(content, way.from, strings.Fields(way.to)...); !strings.HasPrefix(got, "250") {
						t.Fatalf("dots at %d: %s", at, got)
					}
					checkCopies(t, fmt.Sprintf("dots at %d", at), w.upstream.Messages(), string(content), true, len(strings.Fields(way.to)))
				}
			}
		})
	}
}

// dotsAt is a message in which a line begins at that octet with a stuffed dot, and nothing but dots follows.
func dotsAt(n int) []byte {
	b := []byte("Subject: dots\r\n\r\n")
	for len(b) < n {
		line := min(78, n-len(b))
		if rest := n - len(b) - line; rest == 1 {
			line-- // a line has at least its CRLF
		}
		b = append(append(b, strings.Repeat("a", line-2)...), "\r\n"...)
	}
	return append(b, "..\r\n...\r\n..\r\n"...)
}
