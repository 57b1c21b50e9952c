//go:build linux

package load

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

const (
	ioTime     = 60 * time.Second
	bufferSize = 2048 // of replies
)

// Conn is an SMTP connection on a blocking socket.
type Conn struct {
	fd  int
	buf []byte
	in  []byte // read and not used
}

// Dial connects, reads the greeting and says EHLO.
func Dial(addr string) (*Conn, error) {
	if err := loopback(addr); err != nil {
		return nil, err
	}
	c := &Conn{buf: make([]byte, bufferSize)}
	if err := c.connect(netip.MustParseAddrPort(addr)); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	err := c.expect(220)
	if err == nil {
		err = c.command("EHLO client.bench.test", 250)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Conn) connect(to netip.AddrPort) error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
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
		return c.connect(to)
	}
	if err != nil {
		return errors.Join(err, syscall.Close(fd))
	}
	c.fd = fd
	return nil
}

// Close closes the connection as it is.
func (c *Conn) Close() { _ = syscall.Close(c.fd) }

// Quit says QUIT and closes.
func (c *Conn) Quit() error {
	defer c.Close()
	return c.command("QUIT", 221)
}

func (c *Conn) write(b []byte) error {
	for len(b) > 0 {
		n, err := syscall.Write(c.fd, b)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return err
		}
		b = b[n:]
	}
	return nil
}

// reply reads one reply with all its lines (RFC 5321 section 4.2.1).
func (c *Conn) reply() (code int, text string, err error) {
	for at := 0; ; {
		i := bytes.IndexByte(c.in[at:], '\n')
		if i < 0 {
			if err := c.read(); err != nil {
				return 0, "", err
			}
			continue
		}
		line := c.in[at : at+i+1]
		at += i + 1
		if len(line) < 4 {
			return 0, "", fmt.Errorf("%q is no reply", line)
		}
		if line[3] == '-' {
			continue
		}
		text = string(c.in[:at])
		c.in = c.in[:copy(c.in, c.in[at:])]
		_, err = fmt.Sscanf(text, "%3d", &code)
		return code, text, err
	}
}

func (c *Conn) read() error {
	for {
		n, err := syscall.Read(c.fd, c.buf)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return err
		case n == 0:
			return io.ErrUnexpectedEOF
		}
		c.in = append(c.in, c.buf[:n]...)
		return nil
	}
}

func (c *Conn) expect(want int) error {
	code, text, err := c.reply()
	if err != nil {
		return err
	}
	switch text = strings.TrimSpace(text); {
	case code == want:
		return nil
	case code/100 == 4:
		return fmt.Errorf("%w: %q", ErrDeferred, text)
	}
	return fmt.Errorf("got %q, want %d", text, want)
}

func (c *Conn) command(line string, want int) error {
	if err := c.write([]byte(line + "\r\n")); err != nil {
		return err
	}
	return c.expect(want)
}
