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
