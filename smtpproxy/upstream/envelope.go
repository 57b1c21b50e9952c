package upstream

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// window is how many commands may wait for their replies. It keeps the replies to a large envelope from filling the
// buffers of both sides while each waits for the other to read (RFC 2920 section 3.1).
const window = 256

var (
	errOrder    = errors.New("lease used out of order")
	errReleased = errors.New("lease is over")
	errLine     = errors.New("envelope holds a line break or NUL")
)

// Envelope is a transaction's commands, without their verbs: "<a@b> SIZE=123 BODY=8BITMIME", "<x@y> NOTIFY=FAILURE".
// It is sent as it is; parameters that the upstream lacks are the caller's business. The slice belongs to the lease
// until Await returns.
type Envelope struct {
	Mail  string
	Rcpts []string
}

func (e Envelope) check() error {
	if strings.ContainsAny(e.Mail, "\r\n\x00") {
		return errLine
	}
	for _, r := range e.Rcpts {
		if strings.ContainsAny(r, "\r\n\x00") {
			return errLine
		}
	}
	return nil
}

// Answer is the upstream's answer to an envelope. A reply is zero where its command was not sent because those
// before it were refused; Rcpts has one for each recipient.
type Answer struct {
	Mail  Reply
	Rcpts []Reply
	Data  Reply
}

// Go reports whether content may follow: 354, to an envelope with a sender and at least one recipient accepted.
func (a Answer) Go() bool { return a.Data.Code == 354 && a.accepted() }

func (a Answer) accepted() bool {
	if !a.Mail.Positive() {
		return false
	}
	for _, r := range a.Rcpts {
		if r.Positive() {
			return true
		}
	}
	return false
}

// The commands of an envelope are counted: RSET, where one is due, is -1, MAIL 0, then RCPT… and DATA.
const (
	rsetCommand = -1
	mailCommand = 0
)

func (l *Lease) dataCommand() int { return len(l.env.Rcpts) + 1 }

// first is the command that the transaction begins with.
func (l *Lease) first() int {
	if l.c.reset {
		return rsetCommand
	}
	return mailCommand
}

// restart begins the envelope anew.
func (l *Lease) restart() { l.queued, l.read = l.first(), l.first() }

// awaitable reports what keeps the open envelope from being asked for, and sees to a connection that may carry it.
func (l *Lease) awaitable() error {
	switch {
	case l.c == nil:
		return errReleased
	case !l.open || l.dotted:
		return l.c.fail(errOrder)
	case l.bad != nil:
		l.open = false
		return l.bad
	case l.c.spent() && l.c.err == nil:
		return l.swap(false)
	}
	return nil
}

// stale reports whether err only means that the connection had ended before it was asked.
func (l *Lease) stale(err error) bool {
	return l.c.kept && errors.Is(err, errGone) && l.ctx.Err() == nil
}

// swap goes on with another connection: a new one, or any if the old one was only spent.
func (l *Lease) swap(stale bool) error {
	l.letGo()
	c, err := l.pool.acquire(l.ctx, l.need, stale)
	if err != nil {
		return err
	}
	l.hold(c)
	l.restart()
	return nil
}

// ask sends the commands not sent yet and reads the replies to all, as many at a time as the upstream allows.
func (l *Lease) ask() (Answer, error) {
	a := Answer{Rcpts: make([]Reply, len(l.env.Rcpts))}
	for {
		l.queueCommands(&a)
		if err := l.c.flush(); err != nil {
			return a, err
		}
		if l.read == l.queued {
			l.conclude(a)
			return a, nil
		}
		if err := l.readReply(&a); err != nil {
			return a, err
		}
	}
}

// queueCommands fills the window once half of it is free.
func (l *Lease) queueCommands(a *Answer) {
	limit := 1
	if l.c.pipelining {
		limit = window
	}
	if l.queued-l.read > limit/2 {
		return
	}
	for l.queued <= l.dataCommand() && l.queued-l.read < limit && !l.pointless(a) {
		l.queueCommand(l.queued)
		l.queued++
	}
}

// pointless reports that the replies so far leave the next command nothing to do.
func (l *Lease) pointless(a *Answer) bool {
	if l.read > mailCommand && !a.Mail.Positive() {
		return true
	}
	return l.queued == l.dataCommand() && l.read == l.queued && !a.accepted()
}

func (l *Lease) queueCommand(i int) {
	switch i {
	case rsetCommand:
		l.c.queueCommand("RSET", "")
	case mailCommand:
		l.c.queueCommand("MAIL FROM:", l.env.Mail)
	case l.dataCommand():
		l.c.queueCommand("DATA", "")
	default:
		l.c.queueCommand("RCPT TO:", l.env.Rcpts[i-1])
	}
}

// patience is how long the next reply may take.
func (l *Lease) patience() time.Duration {
	if l.until.IsZero() {
		return l.pool.opt.Reply
	}
	return min(l.pool.opt.Reply, time.Until(l.until))
}

// readReply reads the reply to the oldest unanswered command. A reply that cannot answer it means that replies and
// commands have lost each other.
func (l *Lease) readReply(a *Answer) error {
	r, err := l.c.reply(l.patience())
	if err == nil {
		err = l.c.err // of a 421
	}
	if err != nil {
		return err
	}
	intermediate := r.Code/100 == 3
	switch i := l.read; i {
	case rsetCommand:
		if !r.Positive() {
			return l.c.fail(fmt.Errorf("%w: RSET was refused", errGone))
		}
	case l.dataCommand():
		if r.Positive() || intermediate && r.Code != 354 {
			return l.c.unexpected(r)
		}
		a.Data = r
	default:
		if intermediate {
			return l.c.unexpected(r)
		}
		if i == mailCommand {
			a.Mail = r
		} else {
			a.Rcpts[i-1] = r
		}
	}
	l.read++
	return nil
}

// conclude notes where the answer leaves the connection. A 354 to an envelope without recipients would accept an
// empty message at the next dot, so that connection is closed.
func (l *Lease) conclude(a Answer) {
	l.c.kept = true
	l.content = a.Go()
	l.c.reset = a.Mail.Positive() && !l.content
	if a.Data.Code == 354 && !l.content {
		_ = l.c.fail(fmt.Errorf("%w: 354 to a refused envelope", errGone))
	}
}
