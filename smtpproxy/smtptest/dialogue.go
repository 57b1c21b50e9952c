package smtptest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// lineTime is how long a line of a dialogue may take to come.
const lineTime = 5 * time.Second

// Run plays the dialogue file against addr and fails the test at the first line that does not hold. The package
// comment describes the format; upstream is the one that U lines look at.
func Run(tb testing.TB, addr, file string, upstream ...*Upstream) {
	tb.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		tb.Fatal(err)
	}
	var u *Upstream
	if len(upstream) > 0 {
		u = upstream[0]
	}
	if err := Play(addr, file, string(text), u); err != nil {
		tb.Fatal(err)
	}
}

// Play is Run without a test: the error names the line, what was wanted and what came. u may be nil.
func Play(addr, name, text string, u *Upstream) error {
	return play(addr, name, text, u, lineTime)
}

func play(addr, name, text string, u *Upstream, wait time.Duration) error {
	conn, err := dial(context.Background(), addr, wait)
	if err != nil {
		return err
	}
	defer conn.Close()
	return newDialogue(conn, u, wait).play(name, text)
}

func dial(ctx context.Context, addr string, wait time.Duration) (net.Conn, error) {
	d := net.Dialer{Timeout: wait}
	return d.DialContext(ctx, "tcp", addr)
}

func newDialogue(conn net.Conn, u *Upstream, wait time.Duration) *dialogue {
	return &dialogue{conn: conn, r: bufio.NewReader(conn), upstream: u, wait: wait}
}

// play goes on with text; C lines at its end are sent.
func (d *dialogue) play(name, text string) error {
	number := 0
	for line := range strings.Lines(text) {
		number++
		if err := d.step(strings.TrimRight(line, "\r\n")); err != nil {
			return fmt.Errorf("%s:%d: %w", name, number, err)
		}
	}
	if err := d.send(); err != nil {
		return fmt.Errorf("%s:%d: %w", name, number, err)
	}
	return nil
}

// dialogue is a file being played.
type dialogue struct {
	conn     net.Conn
	r        *bufio.Reader
	wait     time.Duration // for one line
	out      []byte        // of C lines, not yet sent
	upstream *Upstream
	seen     int // lines of the upstream matched or passed over
}

func (d *dialogue) step(line string) error {
	if line == "" || line[0] == '#' {
		return nil
	}
	sign, text := line, ""
	if len(line) > 2 {
		sign, text = line[:2], strings.TrimPrefix(line[2:], " ")
	}
	if sign[0] == 'C' {
		return d.queue(sign, text)
	}
	if err := d.send(); err != nil {
		return err
	}
	switch sign {
	case "S:", "S=", "S~":
		return d.expect(sign, text)
	case "S*":
		return d.expectReply(text)
	case "S.":
		return d.expectEnd()
	case "U:", "U~", "U!":
		return d.expectUpstream(sign, text)
	}
	return unknownSign(sign)
}

func unknownSign(sign string) error {
	return fmt.Errorf("sign %q is none of C: C< S: S= S~ S* S. U: U~ U! #", sign)
}

func (d *dialogue) queue(sign, text string) error {
	switch sign {
	case "C:":
		d.out = append(append(d.out, text...), "\r\n"...)
	case "C<":
		raw, err := unescape(text)
		if err != nil {
			return err
		}
		d.out = append(d.out, raw...)
	default:
		return unknownSign(sign)
	}
	return nil
}

// send writes the C lines gathered, at once.
func (d *dialogue) send() error {
	if len(d.out) == 0 {
		return nil
	}
	_ = d.conn.SetWriteDeadline(time.Now().Add(d.wait))
	_, err := d.conn.Write(d.out)
	d.out = d.out[:0]
	return err
}

func (d *dialogue) readLine() (string, error) {
	_ = d.conn.SetReadDeadline(time.Now().Add(d.wait))
	line, err := d.r.ReadString('\n')
	if err != nil {
		return line, fmt.Errorf("the server said %q, then: %w", line, err)
	}
	return strings.TrimRight(line, "\r\n"), nil
}

func (d *dialogue) expect(sign, want string) error {
	matches, err := matcher(sign, want)
	if err != nil {
		return err
	}
	got, err := d.readLine()
	if err != nil {
		return fmt.Errorf("wanted %s %s: %w", sign, want, err)
	}
	if !matches(got) {
		return fmt.Errorf("got %q, wanted %s %s", got, sign, want)
	}
	return nil
}

// expectReply reads lines as long as they say that another follows.
func (d *dialogue) expectReply(code string) error {
	for more := true; more; {
		got, err := d.readLine()
		if err != nil {
			return fmt.Errorf("wanted a reply %s: %w", code, err)
		}
		if !strings.HasPrefix(got, code) {
			return fmt.Errorf("got %q, wanted a reply %s", got, code)
		}
		more = len(got) > 3 && got[3] == '-'
	}
	return nil
}

func (d *dialogue) expectEnd() error {
	got, err := d.readLine()
	if err == nil {
		return fmt.Errorf("got %q, wanted the connection to end", got)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) || got != "" {
		return fmt.Errorf("wanted the connection to end: %w", err)
	}
	return nil
}

// expectUpstream waits for a line of the upstream, or sees that there is none.
func (d *dialogue) expectUpstream(sign, want string) error {
	if d.upstream == nil {
		return fmt.Errorf("a %s line needs an upstream passed to Run", sign)
	}
	matches, err := matcher(sign, want)
	if err != nil {
		return err
	}
	if sign == "U!" {
		if i, lines := d.findUpstream(matches); i >= 0 {
			return fmt.Errorf("the upstream got %q", lines[i])
		}
		return nil
	}
	for deadline := time.Now().Add(d.wait); ; time.Sleep(time.Millisecond) {
		i, lines := d.findUpstream(matches)
		if i >= 0 {
			d.seen += i + 1
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the upstream got %q, wanted %s %s", lines, sign, want)
		}
	}
}

// findUpstream looks for a match among the lines not yet seen; -1 means none.
func (d *dialogue) findUpstream(matches func(string) bool) (int, []string) {
	lines := d.upstream.Lines()[d.seen:]
	for i, line := range lines {
		if matches(line) {
			return i, lines
		}
	}
	return -1, lines
}

func matcher(sign, want string) (func(string) bool, error) {
	switch sign[1] {
	case '=':
		return func(got string) bool { return got == want }, nil
	case '~':
		re, err := regexp.Compile(want)
		if err != nil {
			return nil, err
		}
		return re.MatchString, nil
	}
	return func(got string) bool { return strings.HasPrefix(got, want) }, nil
}

// unescape reads \r \n \t \0 \\ and \xHH.
func unescape(s string) ([]byte, error) {
	var out []byte
	for s != "" {
		plain, rest, found := strings.Cut(s, `\`)
		out = append(out, plain...)
		if !found {
			return out, nil
		}
		b, n, err := escape(rest)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
		s = rest[n:]
	}
	return out, nil
}

// escape reads what stands behind a backslash and says how long it is.
func escape(s string) (b byte, n int, err error) {
	if s == "" {
		return 0, 0, errors.New("a backslash stands alone at the end")
	}
	if i := strings.IndexByte(`rnt0\`, s[0]); i >= 0 {
		return "\r\n\t\x00\\"[i], 1, nil
	}
	if s[0] == 'x' && len(s) >= 3 {
		if v, err := strconv.ParseUint(s[1:3], 16, 8); err == nil {
			return byte(v), 3, nil
		}
	}
	return 0, 0, fmt.Errorf(`\%c is none of \r \n \t \0 \\ \xHH`, s[0])
}
