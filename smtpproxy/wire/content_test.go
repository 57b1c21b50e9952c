package wire_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// receive reads one message and what Next finds behind it.
func receive(c *wire.Conn) (text string, err error) {
	content := c.Content()
	var b bytes.Buffer
	for {
		chunk, err := content.Next()
		if err != nil {
			return b.String(), err
		}
		b.Write(chunk)
	}
}

func TestEndOfData(t *testing.T) {
	t.Parallel()
	const bare = "bare"
	tests := map[string]struct{ sent, text string }{
		"lines":                         {"a\r\nb\r\n.\r\n", "a\r\nb\r\n"},
		"empty message":                 {".\r\n", ""},
		"blank line":                    {"\r\n.\r\n", "\r\n"},
		"dots of transparency stay":     {"..\r\n..x\r\n...\r\n.\r\n", "..\r\n..x\r\n...\r\n"},
		"dot not doubled by the client": {".x\r\n.\r\n", ".x\r\n"},
		"dot and blank":                 {". \r\n.\r\n", ". \r\n"},
		"dot at the end of a line":      {"a.\r\n.\r\n", "a.\r\n"},
		"NUL and 8-bit":                 {"\x00\xff\xfe\r\n.\r\n", "\x00\xff\xfe\r\n"},
		"LF . LF":                       {"a\n.\nb\r\n.\r\n", bare},
		"LF . CRLF":                     {"a\n.\r\nb\r\n.\r\n", bare},
		"CRLF . LF":                     {"a\r\n.\nb\r\n.\r\n", bare},
		"CR . CR":                       {"a\r.\rb\r\n.\r\n", bare},
		"CR . CRLF":                     {"a\r.\r\n.\r\n", bare},
		"CRLF . CR X":                   {"a\r\n.\rX\r\n.\r\n", bare},
		"CRLF . CR CRLF":                {"a\r\n.\r\r\n.\r\n", bare},
		"CR CRLF before the dot":        {"foo\r\r\n.\r\n", bare},
		"LF at once":                    {"\n\r\n.\r\n", bare},
		"CR at once":                    {"\r\r\n.\r\n", bare},
		"LF CR":                         {"a\n\r\n.\r\n", bare},
	}
	for name, tc := range tests {
		for _, pieces := range [][]string{{tc.sent + "QUIT\r\n"}, bytewise(tc.sent + "QUIT\r\n")} {
			c := newTape(pieces...).conn(wire.Options{})
			text, err := receive(c)
			switch {
			case tc.text == bare && !errors.Is(err, wire.ErrBareLine):
				t.Errorf("%s: %v, want ErrBareLine", name, err)
			case tc.text != bare && (text != tc.text || !errors.Is(err, io.EOF)):
				t.Errorf("%s: %q, %v, want %q", name, text, err, tc.text)
			}
			if cmd, err := c.Next(); cmd.Verb != wire.QUIT {
				t.Errorf("%s: then %v, %v, want QUIT", name, cmd, err)
			}
		}
	}
}

func TestBareLinesNormalised(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ sent, text string }{
		"in order":              {"a\r\n..b\r\n.c\r\n.\r\n", "a\r\n..b\r\n.c\r\n"},
		"LF":                    {"a\nb\r\n.\r\n", "a\r\nb\r\n"},
		"CR":                    {"a\rb\r\n.\r\n", "ab\r\n"},
		"CR CRLF":               {"a\r\r\n.\r\n", "a\r\n"},
		"LF . LF is no end":     {"a\n.\nb\r\n.\r\n", "a\r\n..\r\nb\r\n"},
		"LF . CRLF is no end":   {"a\n.\r\nb\r\n.\r\n", "a\r\n..\r\nb\r\n"},
		"CRLF . LF is no end":   {"a\r\n.\nb\r\n.\r\n", "a\r\n\r\nb\r\n"},
		"CRLF . CR LF LF":       {"a\r\n.\r\r\nb\r\n.\r\n", "a\r\n\r\nb\r\n"},
		"CRLF CR . is no end":   {"a\r\n\r.\r\nb\r\n.\r\n", "a\r\n..\r\nb\r\n"},
		"CRLF . CR . is no end": {"a\r\n.\r.\r\nb\r\n.\r\n", "a\r\n..\r\nb\r\n"},
		"LF ..":                 {"a\n..\r\n.\r\n", "a\r\n...\r\n"},
	}
	for name, tc := range tests {
		for _, pieces := range [][]string{{tc.sent + "QUIT\r\n"}, bytewise(tc.sent + "QUIT\r\n")} {
			c := newTape(pieces...).conn(wire.Options{BareLines: wire.Normalise})
			if text, err := receive(c); text != tc.text || !errors.Is(err, io.EOF) {
				t.Errorf("%s in %d pieces: %q, %v, want %q", name, len(pieces), text, err, tc.text)
			}
			if cmd, err := c.Next(); cmd.Verb != wire.QUIT {
				t.Errorf("%s: then %v, %v, want QUIT", name, cmd, err)
			}
		}
	}
}

// TestEndOfDataAtEveryBufferBoundary moves dots, line ends and the end of data across the end of the read buffer.
func TestEndOfDataAtEveryBufferBoundary(t *testing.T) {
	t.Parallel()
	const buffer = 64 << 10
	for shift := -12; shift <= 12; shift++ {
		text := strings.Repeat("x", buffer+shift) + "\r\n..\r\n.y\r\n"
		c := newTape(text + ".\r\nQUIT\r\n").conn(wire.Options{})
		if got, err := receive(c); got != text || !errors.Is(err, io.EOF) {
			t.Errorf("shift %d: %d octets, %v", shift, len(got), err)
		}
		if cmd, err := c.Next(); cmd.Verb != wire.QUIT {
			t.Errorf("shift %d: then %v, %v", shift, cmd, err)
		}
	}
}

func TestSizeCountsAsRFC1870(t *testing.T) {
	t.Parallel()
	c := newTape("a\r\n..\r\n.b\r\n.\r\n").conn(wire.Options{})
	content := c.Content()
	if err := content.Drain(); err != nil {
		t.Fatal(err)
	}
	if want := int64(len("a\r\n.\r\nb\r\n")); content.Size() != want {
		t.Errorf("Size = %d, want %d", content.Size(), want)
	}
}

func TestMessageOfExactlyTheLimitPasses(t *testing.T) {
	t.Parallel()
	text := body(100) + "..\r\n"
	limit := int64(len(text) - 1)
	for _, tc := range []struct {
		limit int64
		want  error
	}{{limit, io.EOF}, {limit - 1, wire.ErrTooBig}, {0, io.EOF}, {math.MaxInt64, io.EOF}} {
		c := newTape(text + ".\r\nQUIT\r\n").conn(wire.Options{Limits: wire.Limits{Message: tc.limit}})
		if _, err := receive(c); !errors.Is(err, tc.want) {
			t.Errorf("limit %d: %v, want %v", tc.limit, err, tc.want)
		}
		if cmd, err := c.Next(); cmd.Verb != wire.QUIT {
			t.Errorf("limit %d: then %v, %v", tc.limit, cmd, err)
		}
	}
}

func TestTooBigMessageIsNotReadForEver(t *testing.T) {
	t.Parallel()
	tp := newTape(body(1<<20) + ".\r\nQUIT\r\n")
	c := tp.conn(wire.Options{Limits: wire.Limits{Message: 10 << 10}})
	if _, err := receive(c); !errors.Is(err, wire.ErrBroken) || !errors.Is(err, wire.ErrTooBig) {
		t.Errorf("err = %v, want ErrBroken for ErrTooBig", err)
	}
	if left := len(strings.Join(tp.in, "")); left < 800<<10 {
		t.Errorf("only %d octets left unread", left)
	}
	if cmd, err := c.Next(); !errors.Is(err, wire.ErrBroken) {
		t.Errorf("then %v, %v, want ErrBroken", cmd, err)
	}
}

func TestNothingIsHandedOutAfterAVerdict(t *testing.T) {
	t.Parallel()
	c := newTape("good\r\n", "bad\nline\r\n", "more\r\n", ".\r\n").conn(wire.Options{})
	if got, err := receive(c); got != "good\r\n" || !errors.Is(err, wire.ErrBareLine) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestLastErrorComesAgain(t *testing.T) {
	t.Parallel()
	c := newTape("a\r\n.\r\n").conn(wire.Options{})
	content := c.Content()
	if err := content.Drain(); err != nil {
		t.Fatal(err)
	}
	if _, err := content.Next(); !errors.Is(err, io.EOF) {
		t.Errorf("Next = %v, want io.EOF", err)
	}
}

func TestSlowButSteadyClientIsHeard(t *testing.T) {
	t.Parallel()
	lines := strings.SplitAfter(body(20<<10), "\n")
	tp := newTape(append(lines, ".\r\n")...)
	tp.pace = time.Second // 70 octets a second, for 5 minutes
	if _, err := receive(tp.conn(wire.Options{MinRate: 50, Progress: time.Minute})); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

func TestClientBelowTheMinimumRateIsCutOff(t *testing.T) {
	t.Parallel()
	tp := newTape(bytewise(body(20 << 10))...)
	tp.pace = time.Second
	start := tp.now
	_, err := receive(tp.conn(wire.Options{MinRate: 50, Progress: time.Minute}))
	if !errors.Is(err, wire.ErrBroken) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("err = %v", err)
	}
	if took := tp.now.Sub(start); took < time.Minute || took > 62*time.Second {
		t.Errorf("cut off after %v, want a minute and what 61 octets buy", took)
	}
}

func TestMinimumRateCanBeOff(t *testing.T) {
	t.Parallel()
	tp := newTape(bytewise(body(500) + ".\r\n")...)
	tp.pace = time.Second
	if _, err := receive(tp.conn(wire.Options{MinRate: -1, Progress: 2 * time.Second})); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
}

func TestTimeSpentUpstreamIsNotTheClients(t *testing.T) {
	t.Parallel()
	tp := newTape("a\r\n", "b\r\n", ".\r\n")
	content := tp.conn(wire.Options{Progress: time.Minute}).Content()
	for {
		_, err := content.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		tp.now = tp.now.Add(time.Hour)
	}
}

// TestIdleSessionsAreSmall measures what a thousand sessions hold that have each taken a message and wait.
func TestIdleSessionsAreSmall(t *testing.T) {
	const sessions, most = 1000, 3 << 10
	shared := new(wire.Buffers)
	conns := make([]*wire.Conn, sessions)
	input := "NOOP\r\n" + body(4<<10) + ".\r\n"
	before := heap()
	for i := range conns {
		nc := &readerConn{Reader: strings.NewReader(input)}
		c := wire.NewConn(nc, wire.Options{Buffers: shared})
		if _, err := c.Next(); err != nil {
			t.Fatal(err)
		}
		c.Reply(&smtp.SMTPError{Code: 354, Message: "Go ahead"})
		if err := readMessage(c); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		conns[i] = c
	}
	if each := (heap() - before) / sessions; each > most {
		t.Errorf("%d octets a session, want at most %d", each, most)
	}
	runtime.KeepAlive(conns)
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what pools hold goes with the second
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestMessagesAllocateNothing(t *testing.T) {
	c := wire.NewConn(&loop{data: []byte("Subject: x\r\n\r\n" + body(100<<10) + ".\r\n")}, wire.Options{})
	buf := make([]byte, 0, 8<<10)
	got := testing.AllocsPerRun(100, func() {
		content := c.Content()
		if _, err := wire.ReadHeader(content, buf, wire.Limits{}); err != nil {
			t.Fatal(err)
		}
		if err := content.Drain(); err != nil {
			t.Fatal(err)
		}
	})
	if got > 0 {
		t.Errorf("%v allocations a message", got)
	}
}
