//go:build linux

package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// Swarm does jobs as [Source] does, with clients of our own: smtp-source knows no TLS and times no single message. A
// Swarm costs more CPU than smtp-source, so its figures are compared only with a Swarm's.
type Swarm struct {
	Addr string
	TLS  *tls.Config // nil: in the clear
	// Retry is how often a message that was deferred, or whose session broke, is sent again, in a new session.
	Retry int
}

// Swarmed is what a Swarm did.
type Swarmed struct {
	Took    time.Duration
	Times   []time.Duration // of each message, from MAIL to the 250 behind its dot
	Retried int             // messages that were sent again
}

// Run sends all messages of j, or returns the first error.
func (s Swarm) Run(ctx context.Context, j Job) (Swarmed, error) {
	w := &swarming{Swarm: s, job: j, times: make([]time.Duration, j.Messages), content: dotted(Message(j.Size, "swarm"))}
	all, ctx := errgroup.WithContext(ctx)
	start := time.Now()
	for range j.Sessions {
		all.Go(func() error { return w.session(ctx) })
	}
	err := all.Wait()
	return Swarmed{Took: time.Since(start), Times: w.times, Retried: int(w.retried.Load())}, err
}

type swarming struct {
	Swarm
	job           Job
	content       []byte
	times         []time.Duration
	next, retried atomic.Int64
}

// session is one client, which takes message after message.
func (w *swarming) session(ctx context.Context) (err error) {
	var c *Conn
	defer func() {
		if c != nil {
			err = errors.Join(err, c.Quit())
		}
	}()
	for n := int(w.next.Add(1)); n <= w.job.Messages && ctx.Err() == nil; n = int(w.next.Add(1)) {
		if c, err = w.insist(ctx, c, n); err != nil {
			return fmt.Errorf("message %d: %w", n, err)
		}
		if !w.job.Kept {
			err, c = c.Quit(), nil
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

// insist sends message n until it is taken or enough was tried, and returns the session to go on with, or nil.
func (w *swarming) insist(ctx context.Context, c *Conn, n int) (*Conn, error) {
	c, err := w.one(ctx, c, n)
	for try := 0; err != nil && !errors.Is(err, ErrRefused) && try < w.Retry && ctx.Err() == nil; try++ {
		w.retried.Add(1)
		time.Sleep(retryPause)
		c, err = w.one(ctx, nil, n)
	}
	return c, err
}

// retryPause lets a balancer find out who has gone.
const retryPause = 50 * time.Millisecond

// one sends message n; c is nil for a new session. After an error there is none.
func (w *swarming) one(ctx context.Context, c *Conn, n int) (_ *Conn, err error) {
	if c == nil {
		if c, err = DialTLS(ctx, w.Addr, w.TLS); err != nil {
			return nil, err
		}
	}
	t := transaction{from: w.job.From, content: w.content}
	for i := range w.job.Recipients {
		t.to = append(t.to, Address((n-1)*w.job.Recipients+i+1, Recipients))
	}
	start := time.Now()
	if err := c.stepwise(t); err != nil {
		c.Close()
		return nil, err
	}
	w.times[n-1] = time.Since(start)
	return c, nil
}
