// Package journal is a local append log that survives a crash and hands its records on, in order and at least once.
//
// Withdrawals and block entries go through it: a record that Append was asked to make durable is on disk when Append
// returns, whatever becomes of the store. Ship delivers the records to wherever they belong and remembers how far it
// came. The journal knows nothing of what the records mean and is no queue of mail.
//
// A directory holds segments of framed records (frame.go), the cursor of Ship and a lock: one process holds one
// directory. Any adapter may import the package; it imports none of ours.
package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"syscall"
	"time"
)

// Sentinels, wrapped with the directory and the cause.
var (
	// ErrFull: the disk or the quota is full. The record is not kept; the journal works on once there is space.
	ErrFull = errors.New("no space left for the journal")
	// ErrHeld: another process has the directory open.
	ErrHeld = errors.New("journal is held by another process")
	// ErrClosed: Append after Close.
	ErrClosed = errors.New("journal is closed")
	// ErrTooLarge: a record longer than MaxRecord.
	ErrTooLarge = errors.New("record is too large for the journal")
	// ErrShipping: a second Ship beside one that runs.
	ErrShipping = errors.New("journal is being shipped already")
)

// Options of a journal; the zero value is good for production.
type Options struct {
	SegmentSize  int64         // octets after which the next segment begins; 0: 1 MiB
	SegmentAge   time.Duration // age after which the next segment begins; 0: 24 h
	Retention    time.Duration // how long shipped segments stay for Replay; 0: removed at once
	BatchRecords int           // records per delivery at most; 0: 500
	Backoff      time.Duration // first pause after a failed delivery, doubled each time; 0: 50 ms
	MaxBackoff   time.Duration // longest pause; 0: 2 s
	Now          func() time.Time
	Log          *slog.Logger

	open func(name string) (file, error) // how the segment that is written is opened
}

// file is what the journal does to the segment that it writes.
type file interface {
	WriteAt(b []byte, off int64) (int, error)
	Truncate(size int64) error
	Sync() error
	Close() error
}

// Damage is a stretch of a segment that holds no whole record. Its file is kept, renamed to *.damaged, when the
// records around it are shipped.
type Damage struct {
	File   string
	Offset int64
	Bytes  int64
}

// Journal is an open journal directory. All methods may be called at the same time.
type Journal struct {
	o    Options
	dir  string
	lock *os.File

	more chan struct{} // holds a token where records came after the last look

	shipping sync.Mutex // held by Ship
	saved    mark       // the cursor on disk; Ship's

	commit turnstile  // held for one fsync or one rotation; taken before mu
	mu     sync.Mutex // guards what follows

	segments []segment // oldest first; the last is being written
	active   file
	torn     bool // a failed write left octets behind the last record
	suspect  bool // a failed fsync: the segment is written no further
	batch    *batch
	frame    []byte
	at       cursor        // everything before it is delivered
	moved    chan struct{} // closed when at moves
	damage   []Damage
	stop     context.CancelFunc // ends the Ship that runs; nil: none does
	closing  bool               // no Ship may begin
	closed   bool
}

// batch is the records that share one fsync. done is closed once err says how that went.
type batch struct {
	done chan struct{}
	err  error
}

func newBatch() *batch { return &batch{done: make(chan struct{})} }

func (b *batch) finish(err error) error {
	b.err = err
	close(b.done)
	return err
}

// turnstile is a mutex that can be waited for in a select.
type turnstile chan struct{}

func (t turnstile) enter() { t <- struct{}{} }
func (t turnstile) leave() { <-t }

// Open takes the directory, which it makes if need be, cuts what a crash left half written, and finds out what is
// damaged. It returns an error that wraps ErrHeld where another process has the directory.
func Open(dir string, o Options) (*Journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	lock, err := hold(dir)
	if err != nil {
		return nil, err
	}
	j := &Journal{
		o: o.withDefaults(), dir: dir, lock: lock,
		more: make(chan struct{}, 1), batch: newBatch(), moved: make(chan struct{}), commit: make(turnstile, 1),
	}
	if err := j.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("journal %s: %w", dir, err), lock.Close())
	}
	return j, nil
}

func (o Options) withDefaults() Options {
	o.SegmentSize = or(o.SegmentSize, 1<<20)
	o.SegmentAge = or(o.SegmentAge, 24*time.Hour)
	o.BatchRecords = or(o.BatchRecords, 500)
	o.Backoff = or(o.Backoff, 50*time.Millisecond)
	o.MaxBackoff = or(o.MaxBackoff, 2*time.Second)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.open == nil {
		o.open = openSegment
	}
	return o
}

// or returns v, or the default where v was not set.
func or[T int | int64 | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

// Append adds one record. With durable it returns once the record is fsynced; calls at the same time share one fsync.
// Without, the record is with the operating system and a power cut may lose it.
//
// After an error the record counts as not kept: a failed write leaves nothing of it. Only after a failed fsync it may
// be delivered all the same.
func (j *Journal) Append(rec []byte, durable bool) error {
	if len(rec) > MaxRecord {
		return fmt.Errorf("%w: %d octets, at most %d", ErrTooLarge, len(rec), MaxRecord)
	}
	now := j.o.Now()
	if err := j.turn(now); err != nil {
		return err
	}
	b, err := j.write(rec, now)
	if err != nil {
		return err
	}
	select {
	case j.more <- struct{}{}:
	default:
	}
	if !durable {
		return nil
	}
	return j.settle(b)
}

// write puts the record behind the last one and returns the batch that it belongs to.
func (j *Journal) write(rec []byte, now time.Time) (*batch, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil, ErrClosed
	}
	last := &j.segments[len(j.segments)-1]
	if j.torn {
		if err := j.active.Truncate(last.size); err != nil {
			return nil, j.fault(err)
		}
		j.torn = false
	}
	j.frame = appendFrame(j.frame[:0], now, rec)
	if _, err := j.active.WriteAt(j.frame, last.size); err != nil {
		j.torn = j.active.Truncate(last.size) != nil
		return nil, j.fault(err)
	}
	last.add(now, len(j.frame))
	return j.batch, nil
}

// settle waits until the batch is on disk. One of those who wait runs the fsync for all whose records are written by
// then; who writes meanwhile joins the next batch.
func (j *Journal) settle(b *batch) error {
	select {
	case <-b.done:
		return b.err
	case j.commit <- struct{}{}:
		defer j.commit.leave()
	}
	select {
	case <-b.done:
		return b.err
	default:
	}
	j.mu.Lock()
	f := j.active
	j.batch = newBatch()
	j.mu.Unlock()
	return b.finish(j.sync(f))
}

// sync fsyncs the segment being written.
func (j *Journal) sync(f file) error {
	err := f.Sync()
	if err == nil {
		return nil
	}
	j.mu.Lock()
	j.suspect = true // the kernel may have dropped the pages, and says so only once
	j.mu.Unlock()
	return j.fault(err)
}

// Damage returns what was found damaged so far.
func (j *Journal) Damage() []Damage {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]Damage(nil), j.damage...)
}

// Close ends a running Ship, waits for appends under way, fsyncs and gives the directory free. What is not shipped is
// there at the next Open.
func (j *Journal) Close() error {
	j.stopShipping()
	j.shipping.Lock()
	defer j.shipping.Unlock()
	j.commit.enter()
	defer j.commit.leave()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil
	}
	j.closed = true
	return errors.Join(j.retire(), j.saved.close(), j.lock.Close())
}

func (j *Journal) stopShipping() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.closing = true
	if j.stop != nil {
		j.stop()
	}
}

// retire fsyncs and closes the segment being written and finishes its batch. commit and mu are held.
func (j *Journal) retire() error {
	b := j.batch
	j.batch = newBatch()
	err := j.active.Sync()
	if err != nil {
		err = j.fault(err)
	}
	return errors.Join(b.finish(err), j.active.Close())
}

// fault words an error of the disk.
func (j *Journal) fault(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("journal %s: %w: %w", j.dir, ErrFull, err)
	}
	return fmt.Errorf("journal %s: %w", j.dir, err)
}
