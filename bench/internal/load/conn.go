//go:build linux

package load

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"time"
)

const (
	ioTime     = 60 * time.Second
	bufferSize = 2048 // of replies
)

// Conn is an SMTP connection.
type Conn struct {
	stream io.ReadWriteCloser
	buf    []byte
	in     []byte // read and not used
}

// Dial connects with a socket that blocks in the kernel, reads the greeting and says EHLO.
func Dial(addr string) (*Conn, error) {
	if err := loopback(addr); err != nil {
		return nil, err
	}
	s, err := connect(netip.MustParseAddrPort(addr))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	return greeted(s, nil)
}

// DialTLS is Dial with a socket of Go's own, of which many can work at once, and with STARTTLS where config is not nil.
func DialTLS(ctx context.Context, addr string, config *tls.Config) (*Conn, error) {
	if err := loopback(addr); err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: ioTime}
	stream, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if err := stream.SetDeadline(time.Now().Add(sessionTime)); err != nil {
		return nil, errors.Join(err, stream.Close())
	}
	return greeted(stream, config)
}

// sessionTime is how long a session of [DialTLS] may last.
const sessionTime = time.Hour

func greeted(stream io.ReadWriteCloser, config *tls.Config) (*Conn, error) {
	c := &Conn{stream: stream, buf: make([]byte, bufferSize)}
	err := c.expect(220)
	if err == nil {
		err = c.command(ehlo, 250)
	}
	if err == nil && config != nil {
		err = c.startTLS(config)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

const ehlo = "EHLO client.bench.test"

func (c *Conn) startTLS(config *tls.Config) error {
	plain, ok := c.stream.(net.Conn)
	if !ok {
		return errors.New("TLS needs a socket of Go's own")
	}
	if err := c.command("STARTTLS", 220); err != nil {
		return err
	}
	c.stream = tls.Client(plain, config)
	return c.command(ehlo, 250)
}

// Close closes the connection as it is.
func (c *Conn) Close() { _ = c.stream.Close() }

// Quit says QUIT and closes.
func (c *Conn) Quit() error {
	defer c.Close()
	return c.command("QUIT", 221)
}

func (c *Conn) write(b []byte) error {
	_, err := c.stream.Write(b)
	return err
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
	n, err := c.stream.Read(c.buf)
	c.in = append(c.in, c.buf[:n]...)
	if n > 0 {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
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
	case code/100 == 5:
		return fmt.Errorf("%w: got %q, want %d", ErrRefused, text, want)
	}
	return fmt.Errorf("got %q, want %d", text, want)
}

func (c *Conn) command(line string, want int) error {
	if err := c.write([]byte(line + "\r\n")); err != nil {
		return err
	}
	return c.expect(want)
}
