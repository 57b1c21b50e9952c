package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/consentgate/consentgate/gate"
)

// How long a transaction may hold the lock before it commits, and how long a writer that has more to write lets
// others at it. A commit's fsync comes on top of lockTime, so it stays below the 10 ms that others count on.
const (
	lockTime = 7 * time.Millisecond
	lockRest = 20 * time.Millisecond
)

// lockWait is how long a write without a deadline waits for other processes.
const lockWait = 5 * time.Second

// job is a part of one caller's writes on its way through the combiner: steps from next to n, as many as time allows.
type job struct {
	next, n int
	step    func(tx *transaction, i int) error
	err     error
}

// write runs steps 0 to n-1 in order, each in one transaction with as many others as time allows. The first done of
// them are committed. After an error the steps from done on may still run: what they set belongs to them.
func (s *Store) write(ctx context.Context, n int, step func(tx *transaction, i int) error) (done int, err error) {
	for {
		j := &job{next: done, n: n, step: step}
		if err := s.writes.Do(ctx, j); err != nil {
			return done, s.unavailable(err)
		}
		if j.err != nil {
			return done, s.unavailable(j.err)
		}
		if done = j.next; done >= n {
			return done, nil
		}
		if err := rest(ctx); err != nil {
			return done, s.unavailable(err)
		}
	}
}

// write1 is write for what is one step.
func (s *Store) write1(ctx context.Context, step func(tx *transaction) error) error {
	_, err := s.write(ctx, 1, func(tx *transaction, _ int) error { return step(tx) })
	return err
}

// rest leaves the lock to others.
func rest(ctx context.Context) error {
	timer := time.NewTimer(lockRest)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// commit runs the jobs of all who write now, in as few transactions as time allows.
func (s *Store) commit(ctx context.Context, jobs []*job) {
	for len(jobs) > 0 {
		n, err := s.commitSome(ctx, jobs)
		if err != nil {
			for _, j := range jobs[:n] {
				j.err = err
			}
		}
		if jobs = jobs[n:]; len(jobs) > 0 {
			_ = rest(ctx) // where ctx has ended the next transaction says so
		}
	}
}

// commitSome runs jobs until the lock was held long enough, and returns how many it took. The error is theirs.
func (s *Store) commitSome(ctx context.Context, jobs []*job) (n int, err error) {
	f, err := s.opened(ctx)
	if err != nil {
		return len(jobs), err
	}
	tx, err := f.begin(ctx)
	if err != nil {
		return len(jobs), err
	}
	defer tx.Rollback() // nothing after a commit
	if err := check(tx.do.initialised); err != nil {
		return len(jobs), err
	}
	until := time.Now().Add(lockTime)
	for n < len(jobs) && (n == 0 || time.Now().Before(until)) {
		n++
		if err := jobs[n-1].run(tx, until); err != nil {
			return n, err
		}
	}
	return n, tx.Commit()
}

// run does at least one step, and goes on until the time is over.
func (j *job) run(tx *transaction, until time.Time) error {
	for first := true; j.next < j.n && (first || time.Now().Before(until)); first = false {
		if err := j.step(tx, j.next); err != nil {
			return err
		}
		j.next++
	}
	return nil
}

// check returns nil where the store is initialised.
func check(count *sql.Stmt) error {
	var rows int
	if err := count.QueryRow().Scan(&rows); err != nil {
		return err
	}
	if rows == 0 {
		return gate.ErrUninitialised
	}
	return nil
}

// transaction is a write transaction with the statements bound to it.
type transaction struct {
	*sql.Tx
	do writes
}

func (f *file) begin(ctx context.Context) (*transaction, error) {
	tx, err := begin(ctx, f.write)
	if err != nil {
		return nil, err
	}
	return &transaction{tx, writes{
		initialised: tx.Stmt(f.writes.initialised),
		record:      tx.Stmt(f.writes.record),
		events:      tx.Stmt(f.writes.events),
		addEvent:    tx.Stmt(f.writes.addEvent),
		setRecord:   tx.Stmt(f.writes.setRecord),
		addBlock:    tx.Stmt(f.writes.addBlock),
	}}, nil
}

// begin takes the write lock, waiting for other processes as long as ctx allows. The transaction itself does not end
// with ctx: it is over in milliseconds, and an interrupted connection would be lost.
func begin(ctx context.Context, db *sql.DB) (tx *sql.Tx, err error) {
	err = retryBusy(ctx, func() error {
		tx, err = db.BeginTx(context.WithoutCancel(ctx), nil)
		return err
	})
	return tx, err
}

// retryBusy calls do until another process no longer holds the lock; each call waits for busy_timeout itself.
func retryBusy(ctx context.Context, do func() error) error {
	ctx, cancel := withDefaultTimeout(ctx, lockWait)
	defer cancel()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := do(); !isBusy(err) {
			return err
		}
	}
}

// withDefaultTimeout gives a context without a deadline one.
func withDefaultTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if _, ok := ctx.Deadline(); ok {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, d)
}

func isBusy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_BUSY
}
