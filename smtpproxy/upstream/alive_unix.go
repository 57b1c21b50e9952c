//go:build unix

package upstream

import "syscall"

// alive looks at an idle connection without reading from it or waiting. An upstream has nothing to say to a client
// that waits, so whatever can be read (the end, a reset, a 421, an alert) means that the connection is over.
func (c *conn) alive() bool {
	if c.r.Buffered() > 0 {
		return false
	}
	if c.raw == nil {
		return true
	}
	var b [1]byte
	quiet := false
	err := c.raw.Control(func(fd uintptr) {
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		quiet = err == syscall.EAGAIN || err == syscall.EWOULDBLOCK || err == syscall.EINTR
	})
	return err == nil && quiet
}
