package wire

import (
	"net"
	"time"
)

// WriteDeadline is a connection's time to take what is written. It is set a quarter longer than asked for, so that it
// stands for many writes: a timer costs as much as a small one.
type WriteDeadline struct{ until time.Time }

// Extend gives the next write at least limit from now, and at most a quarter more.
func (d *WriteDeadline) Extend(nc net.Conn, now time.Time, limit time.Duration) error {
	if d.until.Sub(now) >= limit {
		return nil
	}
	d.until = now.Add(limit + limit/4)
	return nc.SetWriteDeadline(d.until)
}
