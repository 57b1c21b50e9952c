package smtpproxy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// delivery is one DATA: the message on its way to its copies. Shared, split, discarded and observed messages all take
// the same way; they differ in the copies that gate.Plan lists and in the body they are fed from.
type delivery struct {
	ses     *session
	tx      *transaction
	owed    []int // recipients that get a copy
	twin    []int // beside tx.rcpts: which of owed stands for it; -1: discarded
	copies  []gate.Copy
	results []result // beside tx.rcpts

	lease    *upstream.Lease
	ahead    bool // the next copy's envelope is queued on the lease
	content  *wire.Content
	header   wire.Header // as it came
	edit     edit
	body     body
	spooled  bool      // nothing is sent before the whole message is here
	deadline time.Time // past it no new copy starts

	sum          *digest // of the message as received; nil where the ledger has no part in it
	key          string  // of the message in the ledger, once it is asked for
	entered      bool    // no other session delivers the message, and no other gate unless the ledger failed
	noted        bool    // the ledger knows the message from an earlier try
	acknowledged bool    // the client is told 250, and somebody has the message
}

// data runs DATA from the command to the one reply.
func (s *session) data(ctx context.Context, arg string) error {
	if err := s.mayData(arg); err != nil {
		// DATA ends a pipelined group (RFC 2920 section 3.1). What stands behind it is text of a client that did not
		// wait for 354, and it must not be read as commands.
		s.closing = s.closing || s.conn.Buffered()
		return err
	}
	defer s.reset()
	d := s.newDelivery()
	defer d.handOn(ctx)
	defer d.close(ctx)
	reply, err := d.run(ctx)
	d.keepClaims()
	if d.content == nil || errors.Is(err, errGone) {
		return err
	}
	d.respond(reply, err)
	d.earn()
	d.countFates()
	d.logTrouble(err)
	return nil
}

func (s *session) mayData(arg string) error {
	switch {
	case arg != "":
		return syntaxError
	case s.tx == nil:
		return badSequence
	case len(s.tx.rcpts) == 0 && s.tx.deferred:
		return recipientsDeferred
	case len(s.tx.rcpts) == 0:
		return noValidRecipients
	}
	return nil
}

func (s *session) newDelivery() *delivery {
	d := &delivery{ses: s, tx: s.tx, results: make([]result, len(s.tx.rcpts))}
	d.owed, d.twin = s.tx.forwarded()
	d.copies = gate.Plan(s.tx.stream, d.owed, s.set.Upstream.Caps().RcptMax)
	d.spooled = len(d.copies) > 1
	// Counted are those named: a retry owes fewer, perhaps one, where somebody withdrew since the first try.
	if s.tx.named > 1 && len(d.owed) > 0 && !s.ln.LMTP {
		d.spooled = d.spooled || s.srv.opt.PartlyDelivered()
		d.sum = newDigest(d.spooled)
	}
	return d
}

// forwarded are the recipients that get a copy, each once however often it was named, and for every recipient the one
// of them that stands for it.
func (t *transaction) forwarded() (owed, twin []int) {
	if len(t.rcpts) == 1 && t.rcpts[0].forward { // most messages
		return []int{0}, []int{0}
	}
	twin = make([]int, len(t.rcpts))
	first := make(map[mailbox]int, len(t.rcpts))
	for i := range t.rcpts {
		r := t.rcpts[i]
		if !r.forward {
			twin[i] = -1
			continue
		}
		at, named := first[r.mailbox()]
		if !named {
			at, owed = i, append(owed, i)
			first[r.mailbox()] = i
		}
		twin[i] = at
	}
	return owed, twin
}

// run answers 354, takes the message and sends its copies. Whatever happens after 354 is answered only when the client's
// message has been read to its end, also where no copy needs it any more; what breaks that is terminal.
func (d *delivery) run(ctx context.Context) (*smtp.SMTPError, error) {
	if err := d.reach(ctx); err != nil {
		d.ses.closing = d.ses.closing || d.ses.conn.Buffered()
		return nil, err
	}
	d.ses.conn.ReplyLines(354, []string{"Send the message, end with <CRLF>.<CRLF>"})
	d.content = d.ses.conn.Content() // 354 is on its way: the client goes on while the upstream hears of the envelope
	if d.ahead {
		// An error here shows again, and is dealt with, when the replies are read.
		_ = d.lease.Flush()
	}
	reply, err := d.take(ctx)
	d.release()
	if broken := d.content.Drain(); errors.Is(broken, wire.ErrBroken) {
		return nil, fmt.Errorf("%w: %w", errGone, broken)
	}
	return reply, err
}

// reach gets an upstream connection before 354 is said. Where there is one copy its envelope leaves right behind 354 and
// its replies come in while the client sends; a message that is spooled waits until the body is here.
func (d *delivery) reach(ctx context.Context) error {
	if len(d.copies) == 0 {
		return nil
	}
	if err := d.connect(ctx); err != nil {
		d.ses.srv.opt.Count(gate.Counter{What: gate.CountDeferred, Stream: d.tx.stream.Name, Reason: gate.ReasonUpstreamUnavailable})
		d.ses.log.Warn("upstream", "err", err)
		return err
	}
	if err := d.logRequests(ctx); err != nil {
		d.ses.log.Error("store", "err", err)
		return err
	}
	if !d.spooled {
		d.queueEnvelope(0)
	}
	return nil
}

// connect takes a lease; its bounds are the pool's own, and the end of ctx closes it.
func (d *delivery) connect(ctx context.Context) error {
	lease, err := d.ses.set.Upstream.Get(ctx, d.need())
	if err != nil {
		return err
	}
	lease.Within(d.ses.set.Limits.Envelope)
	d.lease = lease
	return nil
}

// need is what the transaction asks of an upstream.
func (d *delivery) need() upstream.Need {
	n := upstream.Need{SMTPUTF8: d.tx.utf8, Size: d.tx.size}
	for _, p := range d.tx.from.Params {
		switch p.Key {
		case "BODY":
			n.EightBitMIME = true
		case "RET", "ENVID":
			n.DSN = true
		}
	}
	for i := range d.tx.rcpts {
		n.DSN = n.DSN || len(d.tx.rcpts[i].path.Params) > 0
	}
	return n
}

// take reads the message and sends it.
func (d *delivery) take(ctx context.Context) (*smtp.SMTPError, error) {
	header, err := wire.ReadHeader(d.content, d.ses.srv.headers.take(), d.ses.set.Limits.Wire)
	if err != nil {
		return nil, err
	}
	d.header = header
	d.tx.messageID = messageID(header)
	if err := d.checkHeader(); err != nil {
		return nil, err
	}
	if err := d.editHeader(); err != nil {
		return nil, err
	}
	d.sum.begin(d.header.Raw)
	switch {
	case len(d.copies) == 0:
		if err := d.content.Drain(); err != nil {
			return nil, err
		}
		return say(250, 2, 0, 0, "OK"), nil
	case d.spooled:
		if err := d.keep(ctx); err != nil {
			return nil, err
		}
	default:
		d.body = &stream{d.incoming()}
	}
	if err := d.deliver(ctx); err != nil {
		return nil, err
	}
	return d.answer(ctx)
}

// messageID is the header's, as much of it as a block entry keeps.
func messageID(h wire.Header) string {
	id, _ := h.First("Message-Id")
	return strings.ToValidUTF8(id[:min(len(id), 250)], "")
}

// keep spools the body of a message that becomes several copies, or may have been delivered in part, and leaves out
// what an earlier try delivered.
func (d *delivery) keep(ctx context.Context) error {
	sp := &spool{bound: d.ses.set.Limits.SpoolMem, dir: d.ses.srv.opt.SpoolDir}
	d.body = sp
	if err := sp.fill(d.incoming()); err != nil {
		return err
	}
	d.deadline = d.ses.srv.opt.Now().Add(d.ses.set.Limits.Deliver)
	if d.sum == nil {
		return nil
	}
	return d.enter(ctx)
}

func (d *delivery) incoming() incoming { return incoming{d.content, d.sum} }

func (d *delivery) abort() {
	if d.lease != nil {
		d.lease.Abort()
		d.lease = nil
	}
	d.ahead = false
}

// release gives the connection back. One that stands inside a message is closed, never with a dot; one whose upstream
// only refused serves the next message.
func (d *delivery) release() {
	if d.lease != nil {
		d.lease.Release()
		d.lease = nil
	}
	d.ahead = false
}

func (d *delivery) close(ctx context.Context) {
	d.leave(ctx, false)
	d.release()
	if sp, ok := d.body.(*spool); ok {
		sp.close()
	}
	d.ses.srv.headers.giveBack(d.header.Raw)
}
