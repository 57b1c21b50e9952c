package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/emersion/go-smtp"
)

// dropFactor times its limit is what of an overlong line, or of a message that is too big, is read and dropped so
// that the client can be answered. What goes on beyond it ends the connection.
const dropFactor = 10

// mostQueued is how many octets of replies wait for the input to run dry: those to a group of usual size.
const mostQueued = 16 << 10

// Next reads the next command line. It sends queued replies before it waits for one, at most Options.Idle, and where
// they have become many.
//
// A *SyntaxError carries the reply to a line that is no command; the one after it can be read. Any other error ends
// the connection: io.EOF where the client left between commands, os.ErrDeadlineExceeded where it was idle too long,
// ErrBroken where a message was not read to its end. ErrInterrupted only tells of Interrupt.
func (c *Conn) Next() (Command, error) {
	if len(c.out) > mostQueued {
		if err := c.Flush(); err != nil {
			return Command{}, c.lineError(err)
		}
	}
	line, err := c.line(func(line []byte) int {
		// RFC 4954 section 4: the limit of an AUTH exchange covers an initial response, too.
		if len(line) > c.o.Limits.Line && verbOf(line) == AUTH {
			return c.o.Limits.AuthLine
		}
		return c.o.Limits.Line
	})
	if errors.Is(err, errLongLine) {
		return Command{}, badLine("Line too long")
	}
	if err != nil {
		return Command{}, err
	}
	return parseCommand(line), nil
}

// AuthLine reads the client's next line of an AUTH exchange (RFC 4954): base64, or "*" to cancel. Errors are those of
// Next, but for 500 5.5.6 where the line is beyond Limits.AuthLine.
func (c *Conn) AuthLine() (string, error) {
	line, err := c.line(func([]byte) int { return c.o.Limits.AuthLine })
	if errors.Is(err, errLongLine) {
		return "", syntaxError(500, smtp.EnhancedCode{5, 5, 6}, "Line too long")
	}
	return string(line), err
}

// PipelinedRcpts consumes at most limit RCPT commands that have arrived already and follow immediately. It never
// waits, and leaves to Next what is incomplete, malformed or of another verb.
func (c *Conn) PipelinedRcpts(limit int) []Command {
	var rcpts []Command
	for len(rcpts) < limit && c.inOrder() == nil {
		line, complete := cutLine(c.in.unread())
		if !complete || len(line) > c.o.Limits.Line || verbOf(line) != RCPT {
			break
		}
		text, err := c.text(line)
		if err != nil {
			break
		}
		c.in.skip(len(line))
		rcpts = append(rcpts, parseCommand(text))
	}
	return rcpts
}

// errLongLine: the line went beyond its limit and was dropped.
var errLongLine = errors.New("line too long")

// line reads one line and takes its line end off. The slice is valid until the next read. limit tells how long a
// line may be that begins like this.
func (c *Conn) line(limit func(begin []byte) int) ([]byte, error) {
	if err := c.inOrder(); err != nil {
		return nil, err
	}
	deadline := c.lineTime()
	for {
		line, complete := cutLine(c.in.unread())
		switch allowed := limit(line); {
		case len(line) > allowed:
			return nil, c.dropLine(dropFactor*allowed, deadline)
		case complete:
			c.in.skip(len(line))
			return c.text(line)
		}
		c.in.settle(c.o.Buffers)
		if err := c.read(deadline, true); err != nil {
			return nil, c.lineError(err)
		}
	}
}

// lineTime is when the whole next line must have come, since one that arrives in drips is idleness, too.
func (c *Conn) lineTime() time.Time {
	if by := c.restBy; !by.IsZero() {
		c.restBy = time.Time{}
		return by
	}
	return c.o.Now().Add(c.o.Idle)
}

// inOrder tells whether the next bytes are a line for certain.
func (c *Conn) inOrder() error {
	if c.broken == nil && c.content.unfinished() {
		c.broken = fmt.Errorf("%w: message not read to its end", ErrBroken)
	}
	return c.broken
}

// dropLine skips the rest of a line, as far as most octets, and answers errLongLine.
func (c *Conn) dropLine(most int, deadline time.Time) error {
	for dropped := 0; dropped < most; {
		line, complete := cutLine(c.in.unread())
		c.in.skip(len(line))
		if complete {
			return errLongLine
		}
		dropped += len(line)
		c.in.settle(c.o.Buffers)
		if err := c.read(deadline, false); err != nil {
			return c.lineError(err)
		}
	}
	c.broken = ErrEndlessLine
	return c.broken
}

// lineError says what a failed read means where a line was awaited.
func (c *Conn) lineError(err error) error {
	if errors.Is(err, ErrInterrupted) {
		return err
	}
	if errors.Is(err, io.EOF) && c.Buffered() {
		err = io.ErrUnexpectedEOF
	}
	c.broken = err
	return err
}

// text takes the line end off a complete line.
func (c *Conn) text(line []byte) ([]byte, error) {
	text, ok := bytes.CutSuffix(line, []byte("\r\n"))
	if !ok && c.o.BareLines == Reject {
		return nil, badLine("Lines end with CR LF")
	}
	text = bytes.TrimSuffix(text, []byte("\n"))
	if !isText(text) {
		return nil, badLine("Control characters or invalid UTF-8 in line")
	}
	return text, nil
}

// cutLine is the first line of b with its LF; where it is not complete yet, all of b.
func cutLine(b []byte) (line []byte, complete bool) {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i+1], true
	}
	return b, false
}
