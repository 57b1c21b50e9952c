//go:build linux

package load

import (
	"errors"
	"io"
	"net/netip"
	"syscall"
)

// socket is a file descriptor that blocks: the Go scheduler's wake-ups are not part of what is timed with it.
type socket int

func connect(to netip.AddrPort) (socket, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	limit := syscall.NsecToTimeval(ioTime.Nanoseconds())
	for _, option := range []int{syscall.SO_RCVTIMEO, syscall.SO_SNDTIMEO} {
		err = errors.Join(err, syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, option, &limit))
	}
	err = errors.Join(err, syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1))
	if err == nil {
		err = syscall.Connect(fd, &syscall.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
	}
	if errors.Is(err, syscall.EINTR) { // a signal of Go's runtime
		_ = syscall.Close(fd)
		return connect(to)
	}
	if err != nil {
		return 0, errors.Join(err, syscall.Close(fd))
	}
	return socket(fd), nil
}

// Read implements io.Reader.
func (s socket) Read(b []byte) (int, error) {
	for {
		n, err := syscall.Read(int(s), b)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return 0, err
		case n == 0:
			return 0, io.EOF
		}
		return n, nil
	}
}

// Write implements io.Writer.
func (s socket) Write(b []byte) (written int, err error) {
	for written < len(b) {
		n, err := syscall.Write(int(s), b[written:])
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return written, err
		}
		written += n
	}
	return written, nil
}

// Close implements io.Closer.
func (s socket) Close() error { return syscall.Close(int(s)) }
