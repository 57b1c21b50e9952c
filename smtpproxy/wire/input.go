package wire

import (
	"io"
	"sync"
)

const (
	smallBuffer = 2 << 10  // what commands are read into, and replies are queued in
	largeBuffer = 64 << 10 // what a message passes through, or a long group of commands
)

// Buffers lends read and write buffers to one server's connections, so that idle ones hold none. The zero value is
// ready; it may be used by many connections at once.
type Buffers struct {
	small, large sync.Pool
}

func (b *Buffers) borrow(size int) []byte {
	switch size {
	case smallBuffer:
		if p, ok := b.small.Get().(*[smallBuffer]byte); ok {
			return p[:]
		}
	case largeBuffer:
		if p, ok := b.large.Get().(*[largeBuffer]byte); ok {
			return p[:]
		}
	}
	return make([]byte, size)
}

// giveBack takes any buffer and keeps those of the two sizes.
func (b *Buffers) giveBack(buf []byte) {
	switch buf = buf[:cap(buf)]; len(buf) {
	case smallBuffer:
		b.small.Put((*[smallBuffer]byte)(buf))
	case largeBuffer:
		b.large.Put((*[largeBuffer]byte)(buf))
	}
}

// input is the read buffer of a connection: buf[r:w] has arrived and is not consumed. Bytes that were consumed stay
// where they are until the next read, so that slices of them may be handed out.
type input struct {
	buf  []byte // borrowed; nil while there is nothing in it
	r, w int
}

func (in *input) unread() []byte { return in.buf[in.r:in.w] }

func (in *input) skip(n int) { in.r += n }

// enlarge moves what has arrived into a large buffer.
func (in *input) enlarge(b *Buffers) {
	if len(in.buf) < largeBuffer {
		in.move(b, largeBuffer)
	}
}

// settle gives the buffer back once everything is consumed.
func (in *input) settle(b *Buffers) {
	if in.r == in.w {
		b.giveBack(in.buf)
		*in = input{}
	}
}

// move goes on in a buffer of another size, which holds at least what is unread.
func (in *input) move(b *Buffers, size int) {
	old, buf := in.buf, b.borrow(size)
	*in = input{buf: buf, w: copy(buf, in.unread())}
	b.giveBack(old)
}

// read reads once, after it has made room. Where the last read filled a small buffer, a line is long or the client
// pipelines: a large one follows. Callers bound how much they leave unread, and thereby the size.
func (in *input) read(from io.Reader, b *Buffers) error {
	full := in.w == len(in.buf)
	switch {
	case in.buf == nil:
		in.move(b, smallBuffer)
	case full && len(in.buf) < largeBuffer:
		in.move(b, largeBuffer)
	case full && in.r == 0:
		in.move(b, 2*len(in.buf))
	case in.r > 0:
		in.w = copy(in.buf, in.unread())
		in.r = 0
	}
	n, err := from.Read(in.buf[in.w:])
	in.w += n
	if n > 0 {
		return nil // an error beside bytes comes again with the next read
	}
	return err
}
