// Package combine merges calls that happen at the same time into one.
//
// A call that meets nobody else runs at once, in its own goroutine. The calls that arrive while one runs wait for it
// and then run together as one batch. So nobody waits for the sake of batching, and the busier a store is the larger
// its batches are. It knows nothing of stores; only the implementations below store import it.
package combine

import (
	"context"
	"errors"
	"sync"
	"time"
)

// ErrClosed is returned by Do after Close.
var ErrClosed = errors.New("closed")

// Group combines jobs of one kind. Make it with New.
type Group[J any] struct {
	run    func(ctx context.Context, jobs []J)
	base   context.Context //nolint:containedctx // of batches, which outlive each of their callers; ended by Close
	cancel context.CancelFunc
	work   sync.WaitGroup // lone calls and batches that run

	mu      sync.Mutex
	busy    bool
	closed  bool
	waiting []*ticket[J]
}

// ticket is a job that waits for its batch.
type ticket[J any] struct {
	ctx  context.Context //nolint:containedctx // of the caller that waits
	job  J
	done chan struct{} // closed once the job has run, or was left out
	err  error         // read after done: why the job was left out
}

// New returns a group that runs jobs with run, one batch at a time. The context given to run is that of the lone caller;
// that of a batch ends at the last deadline of its callers, where all have one, and with Close.
func New[J any](run func(ctx context.Context, jobs []J)) *Group[J] {
	base, cancel := context.WithCancel(context.Background())
	return &Group[J]{run: run, base: base, cancel: cancel}
}

// Do runs job, alone or in a batch. After an error the job may still run: its results belong to the batch then and
// the caller must not touch them.
func (g *Group[J]) Do(ctx context.Context, job J) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return ErrClosed
	}
	if g.busy {
		t := &ticket[J]{ctx: ctx, job: job, done: make(chan struct{})}
		g.waiting = append(g.waiting, t)
		g.mu.Unlock()
		return t.wait()
	}
	g.busy = true
	g.work.Add(1)
	g.mu.Unlock()
	defer g.handOn()
	g.run(ctx, []J{job})
	return nil
}

func (t *ticket[J]) wait() error {
	select {
	case <-t.done:
		return t.err
	case <-t.ctx.Done():
		return t.ctx.Err()
	}
}

// Close makes Do return ErrClosed, ends the running batch's context and waits until nothing runs any more.
func (g *Group[J]) Close() {
	g.mu.Lock()
	g.closed = true
	g.mu.Unlock()
	g.cancel()
	g.work.Wait()
}

// handOn ends a lone call: whoever came meanwhile runs as batches in a goroutine, which ends when nobody waits.
func (g *Group[J]) handOn() {
	defer g.work.Done()
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.waiting) == 0 {
		g.busy = false
		return
	}
	g.work.Go(func() {
		for batch := g.next(); batch != nil; batch = g.next() {
			g.runBatch(batch)
		}
	})
}

// next takes all who wait; nil ends the busy time.
func (g *Group[J]) next() []*ticket[J] {
	g.mu.Lock()
	defer g.mu.Unlock()
	batch := g.waiting
	g.waiting = nil
	g.busy = batch != nil
	return batch
}

func (g *Group[J]) runBatch(batch []*ticket[J]) {
	var jobs []J
	var last time.Time
	bounded := true
	for _, t := range batch {
		if t.err = t.ctx.Err(); t.err != nil {
			continue
		}
		jobs = append(jobs, t.job)
		deadline, ok := t.ctx.Deadline()
		bounded = bounded && ok
		if deadline.After(last) {
			last = deadline
		}
	}
	if len(jobs) > 0 {
		g.runUntil(jobs, last, bounded)
	}
	for _, t := range batch {
		close(t.done)
	}
}

// runUntil runs jobs with a context that ends at last, where all callers have an end.
func (g *Group[J]) runUntil(jobs []J, last time.Time, bounded bool) {
	if !bounded {
		g.run(g.base, jobs)
		return
	}
	ctx, cancel := context.WithDeadline(g.base, last)
	defer cancel()
	g.run(ctx, jobs)
}
