package journal

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// How often the cursor is fsynced at most, and how often an idle Ship looks for segments past retention. A crash
// between two fsyncs only means that some records are delivered again.
const (
	saveEvery = time.Second
	tidyEvery = time.Minute
)

// Ship delivers every record at least once and in order, until ctx ends or the journal is closed, and then returns
// nil. A batch that deliver refuses is delivered again after a pause that doubles up to MaxBackoff; a record that can
// never be delivered is deliver's to put aside. The batch must not be kept after deliver returns.
//
// One Ship runs at a time; a second one returns ErrShipping.
func (j *Journal) Ship(ctx context.Context, deliver func(ctx context.Context, batch [][]byte) error) error {
	if !j.shipping.TryLock() {
		return ErrShipping
	}
	defer j.shipping.Unlock()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if !j.stoppable(cancel) {
		return nil
	}
	defer j.stoppable(nil)
	for ctx.Err() == nil {
		if err := j.shipBatch(ctx, deliver); err != nil {
			break
		}
	}
	return j.save(j.place())
}

// stoppable has Close call stop; false where Close was called already.
func (j *Journal) stoppable(stop context.CancelFunc) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.stop = stop
	return !j.closing
}

// shipBatch delivers what stands at the cursor, or waits for something to stand there. Its only error is ctx's.
func (j *Journal) shipBatch(ctx context.Context, deliver func(context.Context, [][]byte) error) error {
	var (
		from  = j.place()
		next  cursor
		batch [][]byte
	)
	err := j.persist(ctx, func() (err error) {
		batch = batch[:0]
		next, err = j.walk(from, j.o.BatchRecords, func(r record) error {
			batch = append(batch, r.data)
			return nil
		})
		if err != nil || len(batch) == 0 {
			return err
		}
		return deliver(ctx, batch)
	})
	if err != nil {
		return err
	}
	if next == from {
		return j.idle(ctx)
	}
	j.advance(next)
	return nil
}

// persist calls try until it succeeds or ctx ends.
func (j *Journal) persist(ctx context.Context, try func() error) error {
	failed := false
	for pause := j.o.Backoff; ; pause = min(2*pause, j.o.MaxBackoff) {
		err := try()
		switch {
		case err == nil && failed:
			j.o.Log.Info("journal is shipped again", "journal", j.dir)
			return nil
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !failed:
			j.o.Log.Warn("journal cannot be shipped, tried until it can", "journal", j.dir, "error", err)
		}
		failed = true
		wait(ctx, pause, nil)
	}
}

// idle waits for records; meanwhile it puts the cursor on disk and segments away.
func (j *Journal) idle(ctx context.Context) error {
	pause := tidyEvery
	if j.saved.at != j.place() {
		pause = saveEvery
	}
	if wait(ctx, pause, j.more) {
		if err := errors.Join(j.turn(j.o.Now()), j.save(j.place())); err != nil {
			j.o.Log.Warn("journal not tidied", "journal", j.dir, "error", err)
		}
		j.sweep(j.o.Now())
	}
	return ctx.Err()
}

// wait returns true after the pause, false where ctx ended or something came from more before.
func wait(ctx context.Context, pause time.Duration, more <-chan struct{}) bool {
	t := time.NewTimer(pause)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-more:
	case <-ctx.Done():
	}
	return false
}

// place is where Ship stands.
func (j *Journal) place() cursor {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.at
}

// advance moves the cursor and wakes whoever waits in Drain.
func (j *Journal) advance(to cursor) {
	j.mu.Lock()
	left := to.seg != j.at.seg
	j.at = to
	close(j.moved)
	j.moved = make(chan struct{})
	j.mu.Unlock()
	if j.o.Now().Sub(j.saved.when) >= saveEvery {
		if err := j.save(to); err != nil {
			j.o.Log.Warn("journal cursor not saved", "journal", j.dir, "error", err)
		}
	}
	if left {
		j.sweep(j.o.Now())
	}
}

// Behind is how many octets of the journal are yet to be delivered.
func (j *Journal) Behind() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	var octets int64
	for _, s := range j.segments {
		if s.num >= j.at.seg {
			octets += s.size
		}
		if s.num == j.at.seg {
			octets -= j.at.off
		}
	}
	return octets
}

// Drain waits until everything appended before the call is delivered by the Ship that runs, or ctx ends.
func (j *Journal) Drain(ctx context.Context) error {
	j.mu.Lock()
	end := j.end()
	j.mu.Unlock()
	for {
		j.mu.Lock()
		at, moved := j.at, j.moved
		j.mu.Unlock()
		if !at.before(end) {
			return nil
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return fmt.Errorf("journal %s is not shipped: %w", j.dir, ctx.Err())
		}
	}
}
