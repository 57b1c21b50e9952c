package wire_test

import (
	"errors"
	"net"
	"testing"
	"time"

	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// timed is a connection that notes its write deadlines.
type timed struct {
	net.Conn
	set []time.Time
	err error
}

func (c *timed) SetWriteDeadline(t time.Time) error {
	c.set = append(c.set, t)
	return c.err
}

func TestEveryWriteHasItsLimitAndAtMostAQuarterMore(t *testing.T) {
	t.Parallel()
	const limit = 40 * time.Second
	start := time.Unix(1_000_000, 0)
	c, d := new(timed), wire.WriteDeadline{}
	for second := range 300 {
		now := start.Add(time.Duration(second) * time.Second)
		if err := d.Extend(c, now, limit); err != nil {
			t.Fatal(err)
		}
		left := c.set[len(c.set)-1].Sub(now)
		if left < limit || left > limit+limit/4 {
			t.Fatalf("a write after %d s has %v, want %v to %v", second, left, limit, limit+limit/4)
		}
	}
	if n := len(c.set); n > 300/10 {
		t.Errorf("the deadline was set %d times for 300 writes in 300 s, want once in 10 s", n)
	}
}

func TestADeadlineThatIsNotToBeHadIsAnError(t *testing.T) {
	t.Parallel()
	c, d := &timed{err: net.ErrClosed}, wire.WriteDeadline{}
	if err := d.Extend(c, time.Unix(1, 0), time.Second); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want %v", err, net.ErrClosed)
	}
}

// counted is a connection that counts how often its read deadline is set.
type counted struct {
	net.Conn
	set int
}

func (c *counted) SetReadDeadline(t time.Time) error {
	c.set++
	return c.Conn.SetReadDeadline(t)
}

func TestOneReadDeadlineStandsForManyCommands(t *testing.T) {
	t.Parallel()
	client, server := net.Pipe()
	defer client.Close()
	nc := &counted{Conn: server}
	c := wire.NewConn(nc, wire.Options{})
	go func() {
		for range 50 {
			_, _ = client.Write([]byte("NOOP\r\n")) // ends with the pipe
		}
	}()
	for range 50 {
		if _, err := c.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if nc.set != 1 {
		t.Errorf("the read deadline was set %d times for 50 commands at once, want once", nc.set)
	}
	c.Interrupt()
	if _, err := c.Next(); !errors.Is(err, wire.ErrInterrupted) {
		t.Errorf("after Interrupt: %v, want %v", err, wire.ErrInterrupted)
	}
	go func() { _, _ = client.Write([]byte("QUIT\r\n")) }()
	if cmd, err := c.Next(); err != nil || cmd.Verb != wire.QUIT {
		t.Errorf("after an Interrupt that was told: %v, %v; want QUIT", cmd, err)
	}
}
