//go:build unix

package smtpproxy

import "syscall"

// present reports whether the client may still hear us, as far as its socket tells without reading from it or waiting:
// one that has closed sends nothing any more. Under TLS the end is data too, so there it may say yes too long.
func (s *session) present() bool {
	if s.raw == nil {
		return true
	}
	gone := false
	err := s.raw.Control(func(fd uintptr) {
		var b [1]byte
		n, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		gone = n == 0 && err == nil || err == syscall.ECONNRESET || err == syscall.EPIPE
	})
	return err == nil && !gone
}
