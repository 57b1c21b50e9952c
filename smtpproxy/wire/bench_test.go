package wire_test

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// loop is a connection that delivers the same bytes again and again.
type loop struct {
	net.Conn
	data []byte
	at   int
}

func (l *loop) Read(p []byte) (int, error) {
	n := copy(p, l.data[l.at:])
	l.at = (l.at + n) % len(l.data)
	return n, nil
}

func (l *loop) Write(p []byte) (int, error)      { return len(p), nil }
func (l *loop) SetReadDeadline(time.Time) error  { return nil }
func (l *loop) SetWriteDeadline(time.Time) error { return nil }

// body is n octets of text in lines of 70, ended by CRLF.
func body(n int) string {
	line := strings.Repeat("The quick brown fox. ", 4)[:68] + "\r\n"
	return strings.Repeat(line, n/len(line)+1)
}

func readMessage(c *wire.Conn) error {
	content := c.Content()
	for {
		if _, err := content.Next(); err != nil {
			return err
		}
	}
}

func BenchmarkContent(b *testing.B) {
	for _, size := range []int{4 << 10, 100 << 10, 25 << 20} {
		b.Run(byteSize(size), func(b *testing.B) {
			data := []byte(body(size) + ".\r\n")
			c := wire.NewConn(&loop{data: data}, wire.Options{})
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if err := readMessage(c); err != io.EOF {
					b.Fatal(err)
				}
			}
		})
	}
}

func byteSize(n int) string {
	if n >= 1<<20 {
		return strings.TrimSuffix(time.Duration(n>>20).String(), "ns") + "MiB"
	}
	return strings.TrimSuffix(time.Duration(n>>10).String(), "ns") + "KiB"
}

func BenchmarkMemcpy(b *testing.B) {
	data := bytes.Repeat([]byte{1}, 64<<10)
	to := make([]byte, len(data))
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		copy(to, data)
	}
}
