package upstream_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/consentgate/consentgate/smtpproxy/smtptest"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

func TestContentPassesByteForByte(t *testing.T) {
	t.Parallel()
	contents := []string{
		"", "\r\n", "..\r\n", "a\nb\rc\x00d\xff\r\n",
		strings.Repeat("0123456789abcde\r\n", 1000),
		strings.Repeat(strings.Repeat("x", 70)+"\r\n", 20_000),
		strings.Repeat("y", 200_000) + "\r\n",
	}
	authority := smtptest.NewAuthority(t)
	for _, mode := range []upstream.TLSMode{upstream.None, upstream.StartTLS} {
		t.Run(string(mode), func(t *testing.T) {
			t.Parallel()
			u := smtptest.Start(t, smtptest.WithTLS(authority))
			l := get(t, newPool(t, secured(mode, authority.Client(), "", ""), u))
			for i, content := range contents {
				await(t, l, envelope(fmt.Sprint(i)))
				// Small and large pieces in turn: gathered, written through, and both at once.
				for rest, n := content, 7; rest != ""; n = 10_007*i + 7 - n {
					n = min(len(rest), max(n, 1))
					write(t, l, rest[:n])
					rest = rest[n:]
				}
				l.Dot()
				accepted(t, l)
			}
			for i, m := range u.Messages() {
				if string(m.Data) != contents[i] || !m.Complete {
					t.Errorf("content %d: %d bytes came for %d, complete %v", i, len(m.Data), len(contents[i]), m.Complete)
				}
			}
		})
	}
}

func TestAbortNeverEndsTheMessage(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*upstream.Lease){
		"Abort":                     (*upstream.Lease).Abort,
		"Release in mid-content":    (*upstream.Lease).Release,
		"Abort with the dot queued": func(l *upstream.Lease) { l.Dot(); l.Abort() },
		"an envelope in mid-content": func(l *upstream.Lease) {
			l.Envelope(envelope("y"))
			if _, err := l.Await(); class(err) != "unavailable" {
				t.Errorf("Await: %v", err)
			}
			l.Release()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := smtptest.Start(t)
			p := newPool(t, nil, u)
			l := get(t, p)
			await(t, l, envelope("x"))
			write(t, l, "half a mess")
			if err := l.Flush(); err != nil {
				t.Fatal(err)
			}
			u.Forget()
			end(l)
			smtptest.Eventually(t, "the upstream sees the end", func() bool { return len(u.Messages()) == 1 })
			if m := u.Messages()[0]; m.Complete {
				t.Errorf("the message was ended: %+v", m)
			}
			for _, read := range u.Reads() {
				if strings.ContainsAny(read, ".QR") {
					t.Errorf("the upstream got %q after the abort", read)
				}
			}
			mustSend(t, p)
		})
	}
}

func TestMisuseClosesTheConnection(t *testing.T) {
	t.Parallel()
	content := func(l *upstream.Lease) error { _, err := l.Write([]byte("MAIL\r\n")); return err }
	result := func(l *upstream.Lease) error { _, err := l.Result(); return err }
	awaits := func(l *upstream.Lease) error { _, err := l.Await(); return err }
	for name, use := range map[string]func(*upstream.Lease) error{
		"content without a 354":         content,
		"content behind the dot":        func(l *upstream.Lease) error { await(t, l, envelope("x")); l.Dot(); return content(l) },
		"a dot without a 354":           func(l *upstream.Lease) error { l.Dot(); return result(l) },
		"a result without a dot":        result,
		"an answer without an envelope": awaits,
		"an answer before the result": func(l *upstream.Lease) error {
			await(t, l, envelope("x"))
			l.Dot()
			l.Envelope(envelope("y"))
			return awaits(l)
		},
		"two envelopes": func(l *upstream.Lease) error {
			l.Envelope(envelope("x"))
			l.Envelope(envelope("y"))
			return awaits(l)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := smtptest.Start(t)
			l := get(t, newPool(t, nil, u))
			if err := use(l); class(err) != "unavailable" {
				t.Errorf("got %v, want ErrUnavailable", err)
			}
			l.Release()
			smtptest.Eventually(t, "the connection is closed", func() bool { return u.Open() == 0 })
			for _, m := range u.Messages() {
				if m.Complete {
					t.Errorf("a message was accepted: %+v", m)
				}
			}
		})
	}
}

func TestALeaseThatIsOverDoesNothing(t *testing.T) {
	t.Parallel()
	u := smtptest.Start(t)
	l := get(t, newPool(t, nil, u))
	l.Release()
	l.Release()
	l.Abort()
	l.Envelope(envelope("x"))
	l.Dot()
	_, awaited := l.Await()
	_, wrote := l.Write([]byte("x"))
	_, result := l.Result()
	for _, err := range []error{awaited, wrote, result, l.Flush()} {
		if class(err) != "unavailable" {
			t.Errorf("got %v, want ErrUnavailable", err)
		}
	}
	if l.Caps().Known || l.RcptMax() != 0 {
		t.Error("a lease that is over has capabilities")
	}
}

func TestAbortResetsTheConnectionSoThatNoPortIsLeftWaiting(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	end := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err != nil {
			end <- err
			return
		}
		defer c.Close()
		_, _ = io.WriteString(c, "220 up\r\n250-up\r\n250 PIPELINING\r\n250 ok\r\n250 ok\r\n354 go\r\n")
		_, err = io.Copy(io.Discard, c)
		end <- err
	}()
	p := upstream.New(upstream.Options{Targets: []upstream.Target{{Address: l.Addr().String(), TLS: upstream.None}}})
	defer p.Close()
	lease, err := p.Get(t.Context(), upstream.Need{})
	if err != nil {
		t.Fatal(err)
	}
	await(t, lease, envelope("x"))
	lease.Abort()
	if err := <-end; !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the upstream saw %v, want a reset", err)
	}
}
