//go:build linux

package countsink_test

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/bench/internal/countsink"
	"github.com/consentgate/consentgate/bench/internal/load"
	"github.com/consentgate/consentgate/bench/internal/rig"
)

// client sends pieces and reads replies.
type client struct {
	t    *testing.T
	conn net.Conn
	in   *bufio.Reader
}

func serve(t *testing.T) *countsink.Server {
	t.Helper()
	s, err := countsink.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		s.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s
}

func dial(t *testing.T, s *countsink.Server) *client {
	t.Helper()
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	c := &client{t, conn, bufio.NewReader(conn)}
	c.expect("220")
	return c
}

func (c *client) send(text string) {
	c.t.Helper()
	if _, err := c.conn.Write([]byte(text)); err != nil {
		c.t.Fatal(err)
	}
}

// expect reads as many replies as there are codes.
func (c *client) expect(codes ...string) {
	c.t.Helper()
	for _, code := range codes {
		for more := true; more; {
			line, err := c.in.ReadString('\n')
			if err != nil || !strings.HasPrefix(line, code) {
				c.t.Fatalf("got %q, error %v, want %s", line, err, code)
			}
			more = line[3] == '-'
		}
	}
}

func TestItCountsWhatIsPipelined(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := dial(t, s)
	c.send("EHLO me\r\n")
	c.expect("250")
	// The gate sends content, dot and the next envelope in one write.
	c.send("MAIL FROM:<a@bench.test> SIZE=9\r\nRCPT TO:<1rcpt@bench.test>\r\nRCPT TO:<2rcpt@bench.test>\r\nDATA\r\n")
	c.expect("250", "250", "250", "354")
	c.send("A: b\r\n\r\n..\r\n.\r\nMAIL FROM:<a@bench.test>\r\nRCPT TO:<2rcpt@bench.test> NOTIFY=NEVER\r\nRCPT TO:<7watch@bench.test>\r\nDATA\r\n")
	c.expect("250", "250", "250", "250", "354")
	c.send("\r\n.\r\nQUIT\r\n")
	c.expect("250", "221")
	got := s.Report()
	got.Samples = nil
	want := countsink.Report{
		Messages: 2, Octets: int64(len("A: b\r\n\r\n..\r\n") + len("\r\n")),
		Series: map[string]countsink.Series{
			"rcpt": {Total: 3, Distinct: 2, Highest: 2}, "watch": {Total: 1, Distinct: 1, Highest: 7},
		},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("report (-want +got):\n%s", d)
	}
}

func TestForeignRecipientsAreCounted(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := dial(t, s)
	foreign := []string{"rcpt@bench.test", "1rcpt@other.test", "1@bench.test", "", "1rcptbench.test"}
	c.send("MAIL FROM:<>\r\n")
	for _, to := range foreign {
		fmt.Fprintf(c.conn, "RCPT TO:<%s>\r\n", to)
	}
	c.send("DATA\r\n.\r\n")
	c.expect("250", "250", "250", "250", "250", "250", "354", "250")
	if got := s.Report(); got.Foreign != len(foreign) || got.Messages != 1 || got.Octets != 0 {
		t.Errorf("%+v, want %d foreign recipients of one empty message", got, len(foreign))
	}
}

func TestAMessageWithoutItsDotIsBrokenAndNotCounted(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := dial(t, s)
	c.send("MAIL FROM:<>\r\nRCPT TO:<1rcpt@bench.test>\r\nDATA\r\nbody\r\n")
	c.expect("250", "250", "354")
	c.conn.Close()
	deadline := time.Now().Add(10 * time.Second)
	for s.Report().Broken == 0 {
		if time.Now().After(deadline) {
			t.Fatal("the broken message does not show")
		}
		time.Sleep(time.Millisecond)
	}
	if got := s.Report(); got.Messages != 0 || len(got.Series) != 0 {
		t.Errorf("%+v, want nothing counted", got)
	}
}

func TestResetForgets(t *testing.T) {
	t.Parallel()
	s := serve(t)
	c := dial(t, s)
	message := "MAIL FROM:<a@bench.test>\r\nRCPT TO:<1rcpt@bench.test>\r\nDATA\r\nText: 1\r\n\r\nbody\r\n.\r\n"
	for range 2 {
		s.Reset()
		c.send(message)
		c.expect("250", "250", "354", "250")
		got := s.Report()
		want := []countsink.Sample{{
			From: "a@bench.test", Recipients: []string{"1rcpt@bench.test"}, Content: []byte("Text: 1\r\n\r\nbody\r\n"),
		}}
		if d := cmp.Diff(want, got.Samples); d != "" || got.Messages != 1 {
			t.Errorf("%d messages, samples (-want +got):\n%s", got.Messages, d)
		}
	}
}

func TestItListensOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"0.0.0.0:0", "192.0.2.1:25", "[::1]:0", "localhost:0", ""} {
		if s, err := countsink.Listen(addr); err == nil {
			t.Errorf("it listens on %s as %s", addr, s.Addr())
			s.Close()
		}
	}
}

func TestMessagesAreCountedInTLSToo(t *testing.T) {
	t.Parallel()
	a, err := rig.NewAuthority(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	s, err := countsink.ListenTLS("127.0.0.1:0", a.Certificate, a.Key)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	j := load.Job{From: "news@bench.test", Sessions: 3, Messages: 20, Size: 3000, Recipients: 2, Kept: true}
	for _, config := range []*tls.Config{nil, a.Client} {
		s.Reset()
		sent, err := load.Swarm{Addr: s.Addr(), TLS: config}.Run(t.Context(), j)
		if err != nil {
			t.Fatal(err)
		}
		want := countsink.Series{Total: 40, Distinct: 40, Highest: 40}
		if got := s.Report(); got.Messages != 20 || got.Series[load.Recipients] != want || len(sent.Times) != 20 {
			t.Errorf("%d messages, %+v, %d times, want 20 and %+v", got.Messages, got.Series, len(sent.Times), want)
		}
	}
	s.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestTLSWantsACertificateThatTheClientTrusts(t *testing.T) {
	t.Parallel()
	ours, theirs := t.TempDir(), t.TempDir()
	a, err := rig.NewAuthority(ours)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := rig.NewAuthority(theirs)
	if err != nil {
		t.Fatal(err)
	}
	s, err := countsink.ListenTLS("127.0.0.1:0", a.Certificate, a.Key)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	if _, err := load.DialTLS(t.Context(), s.Addr(), stranger.Client); err == nil {
		t.Error("a session with a certificate that nobody vouches for")
	}
	s.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
