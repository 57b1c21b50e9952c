package upstream

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// restTime is how long a target that failed is asked after the others.
const restTime = 5 * time.Second

// peer is one target with its idle connections, its health and what it can do.
type peer struct {
	Target
	opt     *Options
	buffers *sync.Pool    // of *[writeSize]byte
	slots   chan struct{} // one for each connection in use; nil without a bound
	closing chan struct{}

	caps   atomic.Pointer[Caps] // nil until the first EHLO
	rest   atomic.Int64         // Unix nanoseconds until which it rests; 0 in health
	warned atomic.Bool

	mu     sync.Mutex
	closed bool
	idle   []*conn     // the longest idle first
	timer  *time.Timer // sweeps while there are idle connections
}

func newPeer(t Target, o *Options, buffers *sync.Pool) *peer {
	p := &peer{Target: t, opt: o, buffers: buffers, closing: make(chan struct{})}
	if o.MaxOpen > 0 {
		p.slots = make(chan struct{}, o.MaxOpen)
	}
	return p
}

// acquire hands out a connection that meets need; it holds a slot until its release.
func (t *peer) acquire(ctx context.Context, need Need, stale bool) (*conn, error) {
	if caps := t.caps.Load(); caps != nil && !caps.meets(need) {
		return nil, errLacks
	}
	if err := t.enter(ctx); err != nil {
		return nil, err
	}
	c, err := t.connection(ctx, stale)
	if err != nil {
		t.leave()
		return nil, err
	}
	if !c.meets(need) {
		t.release(c)
		return nil, errLacks
	}
	return c, nil
}

// connection is an idle one that is alive, or a new one. Where one was found stale, the idle ones are as suspect.
func (t *peer) connection(ctx context.Context, stale bool) (*conn, error) {
	if stale {
		t.dropIdle()
	} else if c := t.pop(); c != nil {
		return c, nil
	}
	return t.openNoted(ctx)
}

// openNoted opens a connection and notes how that went; a client that left is no fault of the target.
func (t *peer) openNoted(ctx context.Context) (*conn, error) {
	c, err := t.open(ctx)
	if err == nil {
		t.rest.Store(0)
	} else if ctx.Err() == nil {
		t.failed()
	}
	return c, err
}

// probe opens a connection and keeps it.
func (t *peer) probe(ctx context.Context) error {
	err := t.enter(ctx)
	if err == nil {
		var c *conn
		if c, err = t.openNoted(ctx); err == nil {
			t.release(c)
			return nil
		}
		t.leave()
	}
	return fmt.Errorf("upstream %s: %w", t.Address, err)
}

// enter waits for a slot.
func (t *peer) enter(ctx context.Context) error {
	select {
	case <-t.closing:
		return errClosed
	default:
	}
	if t.slots == nil {
		return ctx.Err()
	}
	select {
	case t.slots <- struct{}{}:
		return nil
	case <-t.closing:
		return errClosed
	case <-ctx.Done():
		return fmt.Errorf("all %d connections are in use: %w", cap(t.slots), context.Cause(ctx))
	}
}

func (t *peer) leave() {
	if t.slots != nil {
		<-t.slots
	}
}

// release takes a connection back: idle if it can serve again, closed if not.
func (t *peer) release(c *conn) {
	switch {
	case c.err != nil:
		c.close()
	case c.spent() || !t.push(c):
		c.quit()
	}
	t.leave()
}

// push keeps c idle; false means that there is no room.
func (t *peer) push(c *conn) bool {
	c.park()
	c.kept, c.idleSince = true, t.opt.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed || len(t.idle) >= t.opt.MaxIdle {
		return false
	}
	t.idle = append(t.idle, c)
	if t.timer == nil {
		t.timer = time.AfterFunc(t.opt.IdleTimeout/2, t.sweep)
	}
	return true
}

// pop takes the youngest idle connection that is alive.
func (t *peer) pop() *conn {
	for {
		t.mu.Lock()
		n := len(t.idle) - 1
		if n < 0 {
			t.mu.Unlock()
			return nil
		}
		c := t.idle[n]
		t.idle[n] = nil
		t.idle = t.idle[:n]
		t.mu.Unlock()
		if t.fresh(c) {
			return c
		}
		c.quit()
	}
}

func (t *peer) fresh(c *conn) bool {
	return t.opt.Now().Sub(c.idleSince) < t.opt.IdleTimeout && c.alive()
}

// sweep ends connections that waited too long or died, and goes on while there are others.
func (t *peer) sweep() {
	t.mu.Lock()
	var ended []*conn
	kept := t.idle[:0]
	for _, c := range t.idle {
		if t.fresh(c) {
			kept = append(kept, c)
		} else {
			ended = append(ended, c)
		}
	}
	clear(t.idle[len(kept):])
	if t.idle = kept; len(kept) > 0 && !t.closed {
		t.timer.Reset(t.opt.IdleTimeout / 2)
	} else {
		t.timer = nil
	}
	t.mu.Unlock()
	quitAll(ended)
}

// dropIdle ends every idle connection.
func (t *peer) dropIdle() {
	t.mu.Lock()
	idle := t.idle
	t.idle = nil
	t.mu.Unlock()
	quitAll(idle)
}

func quitAll(cs []*conn) {
	for _, c := range cs {
		c.quit()
	}
}

func (t *peer) close() {
	t.mu.Lock()
	if !t.closed {
		t.closed = true
		close(t.closing)
	}
	if t.timer != nil {
		t.timer.Stop()
	}
	t.mu.Unlock()
	t.dropIdle()
}

// failed lets the target rest.
func (t *peer) failed() {
	t.rest.Store(t.opt.Now().Add(restTime).UnixNano())
}

// resting reports whether the target failed a moment ago. When the rest is over one caller is let through, and the
// others see it rest until that one knows: a dead target costs one dial in restTime, not one a message.
func (t *peer) resting(now time.Time) bool {
	until := t.rest.Load()
	if until == 0 {
		return false
	}
	return now.UnixNano() < until || !t.rest.CompareAndSwap(until, now.Add(restTime).UnixNano())
}

func (t *peer) warnPlain() {
	if t.warned.CompareAndSwap(false, true) {
		t.opt.Logger.Warn("upstream offers no STARTTLS: mail leaves in plain text", "upstream", t.Address)
	}
}
