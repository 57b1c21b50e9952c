package upstream

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

const endOfData = ".\r\n"

// waitedLong is how long a new connection may wait for its first envelope and still count as new: a message that is
// spooled takes its time, and an upstream may end what says nothing.
const waitedLong = time.Second

// Lease is the use of one connection for one message or for several, one after another. One goroutine uses it, in
// this order for each message, and ends with Release or Abort:
//
//	Envelope, Await, Write…, Dot, Result
//
// Envelope and Dot only queue, so that the envelope of the next message may be queued before Result: it then leaves
// in the write that carries the content and the dot of this one. A connection that ended between two messages is
// replaced by the next Await. Errors wrap ErrUnavailable, or ErrUnknown where Result says so.
type Lease struct {
	pool *Pool
	ctx  context.Context //nolint:containedctx // of Get: a lease is one call in several steps
	need Need
	c    *conn     // nil once the lease is over
	held time.Time // since when c is

	within time.Duration // see Within
	until  time.Time     // of the Await that runs; zero: no bound but Options.Reply for each reply

	env     Envelope
	bad     error // what is wrong with env
	open    bool  // env awaits its answer
	queued  int   // commands of env queued so far; -1 before RSET
	read    int   // replies to them read so far
	content bool  // between 354 and Dot
	dotted  bool  // Dot awaits its Result
	dotEnd  int64 // conn.unto behind the dot
}

// hold takes c for this lease; the end of its context closes it.
func (l *Lease) hold(c *conn) {
	l.c, l.held = c, l.pool.opt.Now()
	c.bind(l.ctx)
}

// Caps is what the upstream of this lease can do.
func (l *Lease) Caps() Caps {
	if l.c == nil {
		return Caps{}
	}
	return l.c.Caps
}

// RcptMax is how many recipients one transaction may have; 0: no bound declared.
func (l *Lease) RcptMax() int { return l.Caps().RcptMax }

// Within bounds what each Await takes for all replies together, beside Options.Reply for each: a thousand recipients,
// answered one by one just in time, would keep a client for hours.
func (l *Lease) Within(d time.Duration) { l.within = d }

// Envelope queues MAIL, RCPT… and DATA. To an upstream without PIPELINING they go one by one, in Await.
func (l *Lease) Envelope(e Envelope) {
	if l.c == nil {
		return
	}
	if l.content || l.open {
		_ = l.c.fail(errOrder)
	}
	if l.pool.opt.Now().Sub(l.held) > waitedLong {
		l.c.kept = true
	}
	l.env, l.bad, l.open = e, e.check(), true
	l.restart()
	if l.c.pipelining && !l.c.spent() && l.bad == nil {
		l.queueCommands(&Answer{})
	}
}

// Flush writes what is queued.
func (l *Lease) Flush() error {
	if l.c == nil {
		return l.unavailable(errReleased)
	}
	if err := l.c.flush(); err != nil {
		return l.unavailable(err)
	}
	return nil
}

// Await writes what is queued and reads the answer to the open envelope; a refusal is an answer and no error.
//
// If the connection had been kept and turns out to be over, the envelope is sent once more on a new one: no content
// has left yet, so nothing can arrive twice.
func (l *Lease) Await() (Answer, error) {
	if err := l.awaitable(); err != nil {
		return Answer{}, l.unavailable(err)
	}
	l.open = false
	if l.within > 0 {
		l.until = time.Now().Add(l.within)
	}
	a, err := l.ask()
	if err != nil && l.stale(err) {
		l.pool.opt.Logger.Debug("upstream connection grew stale", "upstream", l.c.peer.Address, "err", err)
		if err = l.swap(true); err == nil {
			a, err = l.ask()
		}
	}
	if err != nil {
		l.blame()
		return Answer{}, l.unavailable(err)
	}
	return a, nil
}

// Write sends content, dot-stuffed by the caller and passed on as it is. Large slices are written through; p is not
// kept.
func (l *Lease) Write(p []byte) (int, error) {
	if l.c == nil {
		return 0, l.unavailable(errReleased)
	}
	if !l.content {
		return 0, l.unavailable(l.c.fail(errOrder))
	}
	if l.c.queue(p); l.c.err != nil {
		return 0, l.unavailable(l.c.err)
	}
	return len(p), nil
}

// Dot queues the end of the message. The content before it is empty or ends in CRLF.
func (l *Lease) Dot() {
	switch {
	case l.c == nil:
		return
	case !l.content:
		_ = l.c.fail(errOrder)
	}
	l.content, l.dotted = false, true
	l.dotEnd = l.c.unto + int64(len(endOfData))
	l.c.messages++
	l.c.queueString(endOfData)
}

// Result writes what is queued and reads the reply to the dot. Its error wraps ErrUnknown if the dot may have left.
// The reply may be a refusal that the upstream sent in mid-content before it closed.
func (l *Lease) Result() (Reply, error) {
	if l.c == nil {
		return Reply{}, l.unavailable(errReleased)
	}
	if !l.dotted {
		return Reply{}, l.unavailable(l.c.fail(errOrder))
	}
	l.dotted = false
	unsent := l.c.flush()
	left := l.c.sent >= l.dotEnd
	if isTimeout(unsent) {
		return Reply{}, l.outcome(left, unsent)
	}
	r, err := l.c.reply(l.pool.opt.Dot)
	switch {
	case err != nil:
		return Reply{}, l.outcome(left, err)
	case r.Code/100 == 3, r.Positive() && !left:
		return Reply{}, l.outcome(left, l.c.unexpected(r))
	}
	return r, nil
}

// Refusal is what the upstream said in mid-content, once a Write failed because it had closed. It is false where it said
// nothing that refuses.
func (l *Lease) Refusal() (Reply, bool) {
	if l.c == nil || !l.content || !errors.Is(l.c.err, errGone) {
		return Reply{}, false
	}
	r, err := l.c.reply(l.pool.opt.Reply)
	return r, err == nil && (r.Transient() || r.Permanent())
}

// Release ends the lease. The connection goes back to the pool if it stands between two messages, else it is closed.
func (l *Lease) Release() {
	if l.c == nil {
		return
	}
	if l.content || l.dotted || len(l.c.out) > 0 || l.open && l.queued > l.first() {
		l.Abort()
		return
	}
	l.letGo()
}

// Abort ends the lease and closes the socket. What was queued is dropped, and a message without its dot with it.
func (l *Lease) Abort() {
	if l.c == nil {
		return
	}
	_ = l.c.drop(errReleased)
	l.letGo()
}

func (l *Lease) letGo() {
	c := l.c
	l.c = nil
	if !c.free() {
		_ = c.fail(context.Cause(l.ctx))
	}
	c.peer.release(c)
}

// blame lets the target rest after a connection broke down, unless the caller ended it.
func (l *Lease) blame() {
	if l.c != nil && l.ctx.Err() == nil {
		l.c.peer.failed()
	}
}

func (l *Lease) outcome(left bool, err error) error {
	if !left {
		return l.unavailable(err)
	}
	return fmt.Errorf("%w: %s: %w", ErrUnknown, l.c.peer.Address, err)
}

// unavailable classes err; its text names the target, for the log.
func (l *Lease) unavailable(err error) error {
	if errors.Is(err, ErrUnavailable) {
		return err
	}
	if cause := context.Cause(l.ctx); cause != nil {
		err = cause
	}
	if l.c == nil {
		return fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return fmt.Errorf("%w: %s: %w", ErrUnavailable, l.c.peer.Address, err)
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
