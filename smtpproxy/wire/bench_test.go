package wire_test

import (
	"errors"
	"fmt"
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
		b.Run(fmt.Sprint(size>>10, "KiB"), func(b *testing.B) {
			data := []byte(body(size) + ".\r\n")
			c := wire.NewConn(&loop{data: data}, wire.Options{})
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				if err := readMessage(c); !errors.Is(err, io.EOF) {
					b.Fatal(err)
				}
			}
		})
	}
}

// header2K is a header of 2 KB and 30 fields.
func header2K() string {
	var b strings.Builder
	for range 5 {
		b.WriteString("Received: from a.example.com (a.example.com [192.0.2.1])\r\n\tby b.example.com with ESMTPS id 0123456789;\r\n" +
			"\tMon, 23 Nov 2026 10:00:00 +0000\r\n")
	}
	b.WriteString("DKIM-Signature: v=1; a=rsa-sha256; d=example.com; s=s1;\r\n" + strings.Repeat("\tb="+strings.Repeat("x", 60)+"\r\n", 5))
	b.WriteString(strings.Repeat("X-Some-Field: with a value\r\n", 23))
	return b.String() + "Subject: x\r\n\r\n"
}

func BenchmarkReadHeader(b *testing.B) {
	data := []byte(header2K() + ".\r\n")
	c := wire.NewConn(&loop{data: data}, wire.Options{})
	buf := make([]byte, 0, 8<<10)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		content := c.Content()
		if _, err := wire.ReadHeader(content, buf, wire.Limits{}); err != nil {
			b.Fatal(err)
		}
		if err := content.Drain(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHeaderCount(b *testing.B) {
	h := wire.Header{Raw: []byte(header2K())}
	b.ReportAllocs()
	for b.Loop() {
		if h.Count("Subject") != 1 {
			b.Fatal("no subject")
		}
	}
}

func BenchmarkCommand(b *testing.B) {
	c := wire.NewConn(&loop{data: []byte("RCPT TO:<somebody@example.com> NOTIFY=NEVER\r\n")}, wire.Options{})
	b.ReportAllocs()
	for b.Loop() {
		cmd, err := c.Next()
		if err != nil {
			b.Fatal(err)
		}
		if _, err := wire.ParseRcpt(cmd.Arg); err != nil {
			b.Fatal(err)
		}
	}
}
