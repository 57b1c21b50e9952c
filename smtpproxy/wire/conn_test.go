package wire_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// tape is a client that was recorded: each Read gets the next piece of its input, after pace has passed on a clock
// that only the tape moves. What the server sends is kept in out. At the end the client is gone.
type tape struct {
	net.Conn
	in       []string
	pace     time.Duration
	now      time.Time
	deadline time.Time
	out      bytes.Buffer
	writes   int
	longest  int // write, in octets
	closed   bool
}

func newTape(in ...string) *tape { return &tape{in: in, now: time.Unix(1_800_000_000, 0)} }

func (t *tape) Read(p []byte) (int, error) {
	if len(t.in) == 0 {
		return 0, io.EOF
	}
	if t.now = t.now.Add(t.pace); t.now.After(t.deadline) {
		t.now = t.deadline
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(p, t.in[0])
	if t.in[0] = t.in[0][n:]; t.in[0] == "" {
		t.in = t.in[1:]
	}
	return n, nil
}

func (t *tape) Write(p []byte) (int, error) {
	t.writes++
	t.longest = max(t.longest, len(p))
	return t.out.Write(p)
}

func (t *tape) SetReadDeadline(d time.Time) error { t.deadline = d; return nil }
func (t *tape) SetWriteDeadline(time.Time) error  { return nil }
func (t *tape) Close() error                      { t.closed = true; return nil }

// conn is the server's end of the tape.
func (t *tape) conn(o wire.Options) *wire.Conn {
	o.Now = func() time.Time { return t.now }
	return wire.NewConn(t, o)
}

// bytewise cuts s into single bytes.
func bytewise(s string) []string { return strings.Split(s, "") }

// pair is a client and a server joined by TCP on the loopback.
func pair(t *testing.T, o wire.Options) (client net.Conn, server *wire.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	client, err = net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	server = wire.NewConn(nc, o)
	t.Cleanup(func() { _ = client.Close(); _ = server.Close() })
	return client, server
}

func send(t *testing.T, w io.Writer, s string) {
	t.Helper()
	if _, err := io.WriteString(w, s); err != nil {
		t.Fatal(err)
	}
}

// commands reads every command up to the first error that is no *SyntaxError; those stand as "code enhanced".
func commands(c *wire.Conn) (seen []string, err error) {
	for {
		cmd, err := c.Next()
		var syntax *wire.SyntaxError
		switch {
		case errors.As(err, &syntax):
			seen = append(seen, status(syntax))
		case err != nil:
			return seen, err
		default:
			seen = append(seen, strings.TrimSpace(string(cmd.Verb)+" "+cmd.Arg))
		}
	}
}

// status is the reply of a *SyntaxError without its text, as "501 5.5.4".
func status(err error) string {
	var reply *smtp.SMTPError
	if !errors.As(err, &reply) {
		return err.Error()
	}
	e := reply.EnhancedCode
	return fmt.Sprintf("%d %d.%d.%d", reply.Code, e[0], e[1], e[2])
}

func TestCommandsAreReadAsTheyAreCut(t *testing.T) {
	t.Parallel()
	const in = "EHLO me\r\nmail from:<a@b> SIZE=3 \r\nRcpt  TO:<\"x y\"@b>\r\nDATA\r\nMAILX\r\n\r\nstartTLS\r\nQUIT\r\n"
	want := []string{
		"EHLO me", "MAIL from:<a@b> SIZE=3", `RCPT TO:<"x y"@b>`, "DATA", "UNKNOWN", "UNKNOWN", "STARTTLS", "QUIT",
	}
	for name, pieces := range map[string][]string{"at once": {in}, "byte by byte": bytewise(in)} {
		got, err := commands(newTape(pieces...).conn(wire.Options{}))
		if diff := cmp.Diff(want, got); diff != "" || !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
}

func TestLinesOutsideTheGrammarGetAReplyAndTheNextIsRead(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 5000)
	for name, tc := range map[string]struct{ line, want string }{
		"NUL":                       {"NOOP \x00\r\n", "500 5.5.2"},
		"bare CR":                   {"NOOP \rMAIL FROM:<>\r\n", "500 5.5.2"},
		"CR CR LF":                  {"NOOP\r\r\n", "500 5.5.2"},
		"escape sequence":           {"NOOP \x1b[2J\r\n", "500 5.5.2"},
		"DEL":                       {"NOOP \x7f\r\n", "500 5.5.2"},
		"C1 control":                {"NOOP \u0085\r\n", "500 5.5.2"},
		"latin-1":                   {"MAIL FROM:<\xe9@b>\r\n", "500 5.5.2"},
		"UTF-8":                     {"MAIL FROM:<é@b>\r\n", "MAIL FROM:<é@b>"},
		"bare LF":                   {"NOOP\n", "500 5.5.2"},
		"empty, bare LF":            {"\n", "500 5.5.2"},
		"too long":                  {"NOOP " + long + "\r\n", "500 5.5.2"},
		"as long as allowed":        {"NOOP " + long[:4096-7] + "\r\n", "NOOP " + long[:4096-7]},
		"one octet more":            {"NOOP " + long[:4096-6] + "\r\n", "500 5.5.2"},
		"long initial AUTH answer":  {"auth PLAIN " + long + "\r\n", "AUTH PLAIN " + long},
		"too long even for AUTH":    {"AUTH PLAIN " + strings.Repeat(long, 3) + "\r\n", "500 5.5.2"},
		"verb of look-alike letter": {"R\u017fET\r\n", "UNKNOWN"},
		"verb that is too long":     {"STARTTLS1\r\n", "UNKNOWN"},
	} {
		for _, pieces := range [][]string{{tc.line, "QUIT\r\n"}, {tc.line + "QUIT\r\n"}, bytewise(tc.line + "QUIT\r\n")} {
			got, err := commands(newTape(pieces...).conn(wire.Options{}))
			if diff := cmp.Diff([]string{tc.want, "QUIT"}, got); diff != "" || !errors.Is(err, io.EOF) {
				t.Errorf("%s in %d pieces: %v\n%s", name, len(pieces), err, diff)
			}
		}
	}
}

func TestLinesMayEndWithBareLFWhereConfigured(t *testing.T) {
	t.Parallel()
	got, err := commands(newTape("NOOP\nQUIT\r\n").conn(wire.Options{BareLines: wire.Normalise}))
	if diff := cmp.Diff([]string{"NOOP", "QUIT"}, got); diff != "" || !errors.Is(err, io.EOF) {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestEndlessLineEndsTheConnection(t *testing.T) {
	t.Parallel()
	tp := newTape(strings.Repeat("x", 1<<20) + "\r\nQUIT\r\n")
	c := tp.conn(wire.Options{})
	for range 2 {
		if _, err := c.Next(); !errors.Is(err, wire.ErrEndlessLine) {
			t.Fatalf("err = %v, want ErrEndlessLine for good", err)
		}
	}
	if len(tp.in) == 0 || len(tp.in[0]) < 1<<19 {
		t.Error("the line was read to its end")
	}
}

func TestEndOfInputBetweenCommandsIsNoErrorOfTheClient(t *testing.T) {
	t.Parallel()
	if _, err := newTape().conn(wire.Options{}).Next(); !errors.Is(err, io.EOF) {
		t.Errorf("between commands: %v, want io.EOF", err)
	}
	if _, err := newTape("QUI").conn(wire.Options{}).Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("inside a command: %v, want io.ErrUnexpectedEOF", err)
	}
}

func TestIdleClientTimesOut(t *testing.T) {
	t.Parallel()
	client, server := pair(t, wire.Options{Idle: 20 * time.Millisecond})
	send(t, client, "NOOP\r\nQUI")
	got, err := commands(server)
	if diff := cmp.Diff([]string{"NOOP"}, got); diff != "" || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestLineInDripsIsIdleness(t *testing.T) {
	t.Parallel()
	tp := newTape(bytewise("NOOP\r\nNOOP " + strings.Repeat("x", 300) + "\r\n")...)
	tp.pace = time.Second
	got, err := commands(tp.conn(wire.Options{Idle: 4 * time.Minute}))
	if diff := cmp.Diff([]string{"NOOP"}, got); diff != "" || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestRepliesLeaveTogetherBeforeTheServerWaits(t *testing.T) {
	t.Parallel()
	tp := newTape("NOOP\r\nNOOP\r\nNOOP\r\n", "QUIT\r\n")
	c := tp.conn(wire.Options{})
	for range 3 {
		if _, err := c.Next(); err != nil {
			t.Fatal(err)
		}
		c.Reply(&smtp.SMTPError{Code: 250, Message: "OK"})
	}
	if tp.writes != 0 || !strings.HasPrefix(tp.in[0], "QUIT") {
		t.Fatal("a reply left while commands were waiting")
	}
	if _, err := c.Next(); err != nil {
		t.Fatal(err)
	}
	if tp.writes != 1 || tp.out.String() != strings.Repeat("250 2.0.0 OK\r\n", 3) {
		t.Errorf("%d writes: %q", tp.writes, tp.out.String())
	}
}

func TestPipelinedRcptsAreThoseThatAreHere(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		in   []string
		max  int
		want int
		next string
	}{
		"all":              {[]string{"RCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"}, 9, 2, "DATA"},
		"at most max":      {[]string{"RCPT TO:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n"}, 1, 1, "RCPT TO:<c@d>"},
		"complete ones":    {[]string{"RCPT TO:<a@b>\r\nRCPT TO:<c@", "d>\r\n"}, 9, 1, "RCPT TO:<c@d>"},
		"not behind DATA":  {[]string{"DATA\r\nRCPT TO:<a@b>\r\n"}, 9, 0, "DATA"},
		"not malformed":    {[]string{"RCPT TO:<a\x00@b>\r\n"}, 9, 0, "500 5.5.2"},
		"not with bare LF": {[]string{"RCPT TO:<a@b>\nQUIT\r\n"}, 9, 0, "500 5.5.2"},
		"not overlong":     {[]string{"RCPT TO:<" + strings.Repeat("a", 4096) + ">\r\n"}, 9, 0, "500 5.5.2"},
		"none":             {[]string{}, 9, 0, ""},
	}
	for name, tc := range tests {
		in := append([]string{"NOOP\r\n" + strings.Join(tc.in[:min(1, len(tc.in))], "")}, tc.in[min(1, len(tc.in)):]...)
		c := newTape(in...).conn(wire.Options{})
		if _, err := c.Next(); err != nil {
			t.Fatal(name, err)
		}
		if got := c.PipelinedRcpts(tc.max); len(got) != tc.want {
			t.Errorf("%s: %v, want %d", name, got, tc.want)
		}
		got, _ := commands(c)
		if first := strings.Join(got[:min(1, len(got))], ""); first != tc.next {
			t.Errorf("%s: then %q, want %q", name, first, tc.next)
		}
	}
}

func TestAuthLinesMayBeLong(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("QUJD", 3000)
	c := newTape(long+"\r\n", long+long+"\r\n", "*\r\n", "\x01\r\n", "QUIT\r\n").conn(wire.Options{})
	for i, want := range []string{long, "500 5.5.6", "*", "500 5.5.2"} {
		got, err := c.AuthLine()
		if err != nil {
			got = status(err)
		}
		if got != want {
			t.Errorf("line %d: %.20q, want %.20q", i, got, want)
		}
	}
	if cmd, err := c.Next(); err != nil || cmd.Verb != wire.QUIT {
		t.Errorf("then %v, %v", cmd, err)
	}
}

func TestRepliesThatManyCommandsAskForAreNotAllKept(t *testing.T) {
	t.Parallel()
	tp := newTape(strings.Repeat("HELP\r\n", 10_000))
	c := tp.conn(wire.Options{})
	for {
		if _, err := c.Next(); err != nil {
			break
		}
		c.Reply(&smtp.SMTPError{Code: 214, Message: strings.Repeat("x", 100)})
	}
	if most := 17 << 10; tp.longest > most {
		t.Errorf("%d octets of replies were queued, want %d at most", tp.longest, most)
	}
	if n := strings.Count(tp.out.String(), "\n"); n != 10_000 {
		t.Errorf("%d replies left", n)
	}
}

func TestFailedWriteIsFinal(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	_ = client.Close()
	c := wire.NewConn(server, wire.Options{})
	c.Reply(&smtp.SMTPError{Code: 250})
	for range 2 {
		if err := c.Flush(); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("Flush = %v", err)
		}
	}
	if _, err := c.Next(); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("Next = %v", err)
	}
}

func TestUnreadReplyTimesOut(t *testing.T) {
	t.Parallel()
	_, server := net.Pipe() // nobody reads
	c := wire.NewConn(server, wire.Options{Write: 10 * time.Millisecond})
	c.Reply(&smtp.SMTPError{Code: 250})
	if err := c.Flush(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Flush = %v", err)
	}
}

func TestClosedConnHasNoCommands(t *testing.T) {
	t.Parallel()
	tp := newTape("NOOP\r\nNOOP\r\n")
	c := tp.conn(wire.Options{})
	if _, err := c.Next(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil || !tp.closed {
		t.Error("not closed", err)
	}
	if _, err := c.Next(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Next = %v", err)
	}
}

func TestReadErrorComesThrough(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken wire")
	c := wire.NewConn(&readerConn{Reader: iotest.ErrReader(broken)}, wire.Options{})
	if _, err := c.Next(); !errors.Is(err, broken) {
		t.Errorf("Next = %v", err)
	}
}

type readerConn struct {
	tape
	io.Reader
}

func (r *readerConn) Read(p []byte) (int, error) { return r.Reader.Read(p) }
