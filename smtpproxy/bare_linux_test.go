package smtpproxy_test

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/consentgate/consentgate/gate"
)

// Both ends of a gate that is measured, and its store, as bare as can be: what the process allocates is the gate's.

// socket is a client of nothing but a descriptor: what the process allocates beside it is the gate's.
type socket struct {
	tb  testing.TB
	fd  int
	buf []byte
}

func (w *world) socket() socket {
	w.tb.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		w.tb.Fatal(err)
	}
	at := netip.MustParseAddrPort(w.addr)
	if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}); err != nil {
		w.tb.Fatal(err)
	}
	s := socket{w.tb, fd, w.heard[:]}
	s.hear(1)
	return s
}

// say sends text and waits for as many replies.
func (s socket) say(text []byte, replies int) {
	s.tb.Helper()
	if _, err := unix.Write(s.fd, text); err != nil {
		s.tb.Fatal(err)
	}
	s.hear(replies)
}

// hear waits for replies, of which each but the last line of EHLO's has a blank behind the code.
func (s socket) hear(replies int) {
	s.tb.Helper()
	for replies > 0 {
		n, err := unix.Read(s.fd, s.buf)
		if err != nil || n == 0 {
			s.tb.Fatalf("read %d octets, error %v", n, err)
		}
		for line := range bytes.Lines(s.buf[:n]) {
			if line[3] == ' ' {
				replies--
			}
		}
	}
}

// blind is an upstream of descriptors only, so that what a benchmark allocates is the gate's. It says yes to everything.
func blind(tb testing.TB) (addr string) {
	tb.Helper()
	ln, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		tb.Fatal(err)
	}
	if err := unix.Bind(ln, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		tb.Fatal(err)
	}
	if err := unix.Listen(ln, 64); err != nil {
		tb.Fatal(err)
	}
	at, err := unix.Getsockname(ln)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = unix.Shutdown(ln, unix.SHUT_RD); _ = unix.Close(ln) })
	go func() {
		for {
			fd, _, err := unix.Accept4(ln, unix.SOCK_CLOEXEC)
			if err != nil {
				return // closed with the benchmark
			}
			go agree(fd)
		}
	}()
	return fmt.Sprintf("127.0.0.1:%d", at.(*unix.SockaddrInet4).Port)
}

// agree serves one connection until it ends.
func agree(fd int) {
	defer unix.Close(fd)
	write := func(s []byte) { _, _ = unix.Write(fd, s) }
	write([]byte("220 blind ESMTP\r\n"))
	buf, out, content := make([]byte, 256<<10), make([]byte, 0, 4096), false
	for kept := 0; ; {
		n, err := unix.Read(fd, buf[kept:])
		if err != nil || n == 0 {
			return
		}
		in := buf[:kept+n]
		out = out[:0]
		for {
			if content {
				end := bytes.Index(in, []byte("\r\n.\r\n"))
				if end < 0 {
					in = in[max(0, len(in)-4):]
					break
				}
				in, content = in[end+5:], false
				out = append(out, "250 2.0.0 queued\r\n"...)
				continue
			}
			line, rest, whole := bytes.Cut(in, []byte("\r\n"))
			if !whole {
				break
			}
			in = rest
			switch {
			case bytes.HasPrefix(line, []byte("EHLO")):
				out = append(out, "250-blind\r\n250-PIPELINING\r\n250 ENHANCEDSTATUSCODES\r\n"...)
			case bytes.HasPrefix(line, []byte("DATA")):
				out, content = append(out, "354 go\r\n"...), true
			default:
				out = append(out, "250 2.1.0 ok\r\n"...)
			}
		}
		kept = copy(buf, in)
		write(out)
	}
}

// permits is a store in which everybody has given the same consent.
type permits struct{ record gate.Record }

func newPermits() permits {
	return permits{gate.Fold([]gate.Event{{
		ID: "1", Purpose: "news", Type: gate.Granted, Method: gate.MethodActive, DefaultState: gate.DefaultUnticked,
		Time: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC), Source: gate.Source{Kind: "form", ID: "footer"}, Actor: "bench",
	}})}
}

func (p permits) Records(_ context.Context, ids []gate.ID) []gate.Lookup {
	out := make([]gate.Lookup, len(ids))
	for i := range out {
		out[i].Record = p.record
	}
	return out
}
