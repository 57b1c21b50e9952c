//go:build unix

package wire

import (
	"io"
	"net"
	"syscall"
)

// awaiter reads from a socket into a buffer that is borrowed only once something has arrived, so that a session that
// waits for its client holds none.
type awaiter struct {
	raw     syscall.RawConn
	buffers *Buffers
	try     func(fd uintptr) bool // attempt, bound once
	buf     []byte
	n       int
	err     error
}

// newAwaiter is nil where nc is not a socket itself, but something around it.
func newAwaiter(nc net.Conn, b *Buffers) *awaiter {
	sc, ok := nc.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	a := &awaiter{raw: raw, buffers: b}
	a.try = a.attempt
	return a
}

// read waits, and puts what has arrived into in, which is empty.
func (a *awaiter) read(in *input) error {
	if err := a.raw.Read(a.try); err != nil {
		return err
	}
	in.buf, in.w, a.buf = a.buf, a.n, nil
	return a.err
}

// attempt reads without waiting; false means that nothing has arrived. It is called where the socket is certain not to
// be closed meanwhile.
func (a *awaiter) attempt(fd uintptr) (done bool) {
	buf := a.buffers.borrow(smallBuffer)
	n, err := syscall.Read(int(fd), buf)
	for err == syscall.EINTR {
		n, err = syscall.Read(int(fd), buf)
	}
	if n > 0 {
		a.buf, a.n, a.err = buf, n, nil
		return true
	}
	a.buffers.giveBack(buf)
	a.buf, a.n, a.err = nil, 0, err
	if err == nil {
		a.err = io.EOF
	}
	return err != syscall.EAGAIN
}
