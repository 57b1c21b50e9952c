//go:build linux

package load

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Mix is the traffic of a day in short: kept sessions, new connections, messages that are split, recipients who have
// withdrawn, large messages, and clients that leave in the midst of a session.
type Mix struct {
	Addr   string
	From   string // a stream whose recipients get copies of their own
	Shared string // a stream whose recipients share one
	Known  int    // numbers of recipients who consented
	Size   int    // octets of an ordinary message
	Large  int    // of a large one

	mixed    Mixed
	messages atomic.Int64
}

// Mixed is what a Mix sends. Its fields may be read while it does.
type Mixed struct {
	Messages   atomic.Int64 // with a 250
	Copies     atomic.Int64 // of these, that the upstream must have taken
	Recipients atomic.Int64 // of these
	Refused    atomic.Int64 // recipients, who had withdrawn
	Aborted    atomic.Int64 // sessions
	Deferred   atomic.Int64 // messages with a 4xx: the client's to send again, and some copies may be out
}

// flow is one kind of traffic: some clients, each with a pause between two turns.
type flow struct {
	clients int
	pause   time.Duration
	turn    func(c *Conn) error
	fresh   bool // each turn has a session of its own
}

// Sent is what has been sent by now.
func (m *Mix) Sent() *Mixed { return &m.mixed }

// Run sends until ctx ends. The error is a reply that no gate should give.
func (m *Mix) Run(ctx context.Context) error {
	all, ctx := errgroup.WithContext(ctx)
	for _, f := range []flow{
		{clients: 4, turn: m.sends(1, m.From, m.Size, 1)},
		{clients: 2, pause: 5 * time.Millisecond, turn: m.sends(1, m.From, m.Size, 1), fresh: true},
		{clients: 2, pause: 5 * time.Millisecond, turn: m.sends(10, m.From, m.Size, 10)},
		{clients: 1, pause: 5 * time.Millisecond, turn: m.sends(10, m.Shared, m.Size, 1)},
		{clients: 1, pause: 200 * time.Millisecond, turn: m.sends(1, m.From, m.Large, 1)},
		{clients: 1, pause: 20 * time.Millisecond, turn: m.refused, fresh: true},
		{clients: 1, pause: 20 * time.Millisecond, turn: m.abort, fresh: true},
	} {
		for range f.clients {
			all.Go(func() error { return m.run(ctx, f) })
		}
	}
	return all.Wait()
}

func (m *Mix) run(ctx context.Context, f flow) error {
	var c *Conn
	for ctx.Err() == nil {
		var err error
		if c == nil {
			if c, err = DialTLS(context.WithoutCancel(ctx), m.Addr, nil); err != nil {
				return err
			}
		}
		err = f.turn(c)
		switch {
		case errors.Is(err, errLeft), errors.Is(err, ErrDeferred):
			m.count(err)
			c.Close()
			c = nil
		case err != nil:
			c.Close()
			return err
		case f.fresh:
			if err := c.Quit(); err != nil {
				return err
			}
			c = nil
		}
		pause(ctx, f.pause)
	}
	if c == nil {
		return nil
	}
	return c.Quit()
}

// errLeft is a turn that ends its session.
var errLeft = errors.New("the client has left")

func (m *Mix) count(err error) {
	if errors.Is(err, ErrDeferred) {
		m.mixed.Deferred.Add(1)
		return
	}
	m.mixed.Aborted.Add(1)
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// sends is a turn that sends a message to some recipients, of which the upstream gets so many copies.
func (m *Mix) sends(recipients int, from string, size, copies int) func(*Conn) error {
	return func(c *Conn) error {
		if err := c.stepwise(m.transaction(from, recipients, size)); err != nil {
			return err
		}
		m.mixed.Messages.Add(1)
		m.mixed.Copies.Add(int64(copies))
		m.mixed.Recipients.Add(int64(recipients))
		return nil
	}
}

// transaction is a message that no other is like.
func (m *Mix) transaction(from string, recipients, size int) transaction {
	n := int(m.messages.Add(1))
	to := make([]string, recipients)
	for i := range to {
		to[i] = Address((n*recipients+i)%m.Known+1, Recipients)
	}
	return newTransaction(from, Message(size, fmt.Sprintf("mix.%d", n)), to...)
}

// refused names somebody who has withdrawn beside somebody who has not.
func (m *Mix) refused(c *Conn) error {
	t := m.transaction(m.From, 1, m.Size)
	if err := c.command("MAIL FROM:<"+t.from+">", 250); err != nil {
		return err
	}
	if err := c.command("RCPT TO:<"+Address(int(m.messages.Load())%Trespassers+1, Withdrawn)+">", 550); err != nil {
		return errors.Join(errors.New("a recipient who has withdrawn is not refused"), err)
	}
	m.mixed.Refused.Add(1)
	if err := c.command("RCPT TO:<"+t.to[0]+">", 250); err != nil {
		return err
	}
	if err := c.data(t); err != nil {
		return err
	}
	m.mixed.Messages.Add(1)
	m.mixed.Copies.Add(1)
	m.mixed.Recipients.Add(1)
	return nil
}

// abort leaves after EHLO, after RCPT or within the content, in turn.
func (m *Mix) abort(c *Conn) error {
	t := m.transaction(m.From, 1, m.Size)
	turn := m.mixed.Aborted.Load() % 3
	if turn == 0 {
		return errLeft
	}
	if err := c.command("MAIL FROM:<"+t.from+">", 250); err != nil {
		return err
	}
	if err := c.command("RCPT TO:<"+t.to[0]+">", 250); err != nil {
		return err
	}
	if turn == 1 {
		return errLeft
	}
	if err := c.command("DATA", 354); err != nil {
		return err
	}
	if err := c.write(t.content[:len(t.content)/2]); err != nil {
		return err
	}
	return errLeft
}
