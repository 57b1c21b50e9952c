package wire

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"time"
)

// Content is one message on its way in: what follows 354. It hands out slices of the read buffer, so that a message
// passes through without being copied.
type Content struct {
	c       *Conn
	scan    scanner
	rewrite normaliser
	pending []byte        // scanned, not handed out yet
	size    int64         // see Size
	left    time.Duration // how long the client may keep us waiting
	verdict error         // ErrBareLine or ErrTooBig; nothing more is handed out, the end is still to be found
	err     error         // how it ended: io.EOF, the verdict, or ErrBroken
}

// Content begins to read a message. It is called once 354 is queued, and sends it. The Conn reads no command before
// the end of the message is found, and none at all if it is not.
func (c *Conn) Content() *Content {
	err := c.inOrder()
	if err == nil {
		err = c.Flush()
	}
	t := &c.content
	*t = Content{c: c, scan: scanner{lineStart: true}, rewrite: normaliser{lineStart: true}, left: c.o.Progress}
	if err != nil {
		t.breakOff(err)
		return t
	}
	c.in.enlarge(c.o.Buffers)
	return t
}

// Next returns the next bytes of the message as they are on the wire: lines end with CRLF and are dot-stuffed, and
// the line with the single dot is not part of them. They are valid until the next call and never empty.
//
// io.EOF is the end of the message, ErrBareLine and ErrTooBig are verdicts on one whose end has been found: what was
// handed out of it must be discarded, the client be told. ErrBroken (wrapping, e.g., os.ErrDeadlineExceeded) means
// that there is no end. The last error comes again with every further call.
func (t *Content) Next() ([]byte, error) {
	b, err := t.peek()
	t.pending = nil
	return b, err
}

// Drain reads the rest of the message and drops it. Its errors are those of Next, except io.EOF.
func (t *Content) Drain() error {
	for {
		_, err := t.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// Size is how many octets of the message have been received, as RFC 1870 section 5 counts: with every CRLF, without
// the dots of transparency and the end of data.
func (t *Content) Size() int64 { return t.size }

// unfinished tells whether the end of the message is still to come.
func (t *Content) unfinished() bool { return t.c != nil && t.err == nil }

// peek returns what Next would.
func (t *Content) peek() ([]byte, error) {
	for len(t.pending) == 0 {
		if t.err != nil {
			t.c.in.settle(t.c.o.Buffers)
			t.rewrite.out = nil
			return nil, t.err
		}
		t.advance()
	}
	return t.pending, nil
}

// advance scans what has arrived, and reads more where that is nothing.
func (t *Content) advance() {
	lineStart := t.scan.lineStart
	b := t.c.in.unread()
	found := t.scan.next(b)
	if found.n == 0 && !found.end {
		t.fill()
		return
	}
	t.c.in.skip(found.n)
	t.judge(found)
	if t.err != nil {
		return
	}
	if t.verdict == nil {
		t.pending = b[:found.n]
		if t.c.o.BareLines == Normalise {
			t.pending = t.rewrite.next(t.pending, lineStart, found.bare)
		}
	}
	if found.end {
		t.c.in.skip(len(endOfData))
		t.err = cmp.Or(t.verdict, io.EOF)
	}
}

// judge adds what was found to the size and passes a verdict, the first of which stands.
func (t *Content) judge(found span) {
	t.size += int64(found.n - found.dots)
	limit := t.c.o.Limits.Message
	switch {
	case limit > 0 && t.size/dropFactor > limit && !found.end:
		t.breakOff(ErrTooBig)
	case t.verdict != nil:
	case limit > 0 && t.size > limit:
		t.verdict = ErrTooBig
	case found.bare && t.c.o.BareLines == Reject:
		t.verdict = ErrBareLine
	}
}

// fill reads once. Waiting uses up the time that is left, octets buy it back (Options.MinRate).
func (t *Content) fill() {
	c := t.c
	start, before := c.o.Now(), len(c.in.unread())
	if err := c.read(start.Add(t.left), false); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		t.breakOff(err)
		return
	}
	t.left = c.o.patience(t.left-c.o.Now().Sub(start), len(c.in.unread())-before)
}

// patience is how long to wait for the next octets of a message when left is what remained as n octets came.
func (o *Options) patience(left time.Duration, n int) time.Duration {
	if o.MinRate < 0 {
		return o.Progress
	}
	return min(o.Progress, left+time.Duration(n)*time.Second/time.Duration(o.MinRate))
}

func (t *Content) breakOff(cause error) {
	t.err = cause
	if !errors.Is(cause, ErrBroken) {
		t.err = fmt.Errorf("%w: %w", ErrBroken, cause)
	}
	t.c.broken = t.err
}
