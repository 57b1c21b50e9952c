package wire

import (
	"io"
	"sync"
)

const (
	idleBuffer  = 1 << 10  // what a session begins with
	keptBuffer  = 4 << 10  // what it may keep while it waits for a command
	largeBuffer = 64 << 10 // what a message passes through
)

type block [largeBuffer]byte

// Buffers lends large read buffers to the messages of one server's connections, so that idle connections hold none.
// The zero value is ready; it may be used by many connections at once.
type Buffers struct {
	pool sync.Pool
}

func (b *Buffers) borrow() *block {
	if p, ok := b.pool.Get().(*block); ok {
		return p
	}
	return new(block)
}

func (b *Buffers) giveBack(p *block) { b.pool.Put(p) }

// input is the read buffer of a connection: buf[r:w] has arrived and is not consumed. Bytes that were consumed stay
// where they are until the next read, so that slices of them may be handed out.
type input struct {
	buf  []byte
	r, w int
	own  []byte // small, the session's
	lent *block // large, a message's; nil between messages
}

func (in *input) unread() []byte { return in.buf[in.r:in.w] }

func (in *input) skip(n int) { in.r += n }

// enlarge borrows a large buffer and moves what has arrived into it.
func (in *input) enlarge(b *Buffers) {
	if in.lent != nil {
		return
	}
	in.lent = b.borrow()
	in.use(in.lent[:])
}

// settle, once everything is consumed, starts over in a buffer fit for an idle session.
func (in *input) settle(b *Buffers) {
	if in.r < in.w {
		return
	}
	if in.lent != nil {
		b.giveBack(in.lent)
		in.lent = nil
	}
	if len(in.own) > keptBuffer {
		in.own = nil
	}
	in.buf, in.r, in.w = in.own, 0, 0
}

// use replaces the buffer, by one that holds at least what is unread.
func (in *input) use(buf []byte) {
	in.w = copy(buf, in.unread())
	in.r, in.buf = 0, buf
}

// read reads once. Where the last read filled the buffer, a line is long or the client pipelines: a small buffer
// doubles. Callers bound how much they leave unread, and thereby the size.
func (in *input) read(from io.Reader) error {
	full := in.w == len(in.buf)
	switch {
	case full && (in.lent == nil || in.r == 0):
		in.own = make([]byte, max(idleBuffer, 2*len(in.buf)))
		in.use(in.own)
	case in.r > 0:
		in.use(in.buf)
	}
	n, err := from.Read(in.buf[in.w:])
	in.w += n
	if n > 0 {
		return nil // an error beside bytes comes again with the next read
	}
	return err
}
