package smtpproxy

import (
	"context"
	"errors"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

// fate is what became of one recipient's copy.
type fate uint8

const (
	untried   fate = iota
	accepted       // the upstream said 250 after the dot
	deferred       // a 4xx, or the upstream was out of reach: try again
	refused        // a 5xx of the upstream, or consent ended meanwhile: for good
	undecided      // the dot left and no answer came
)

// result is a recipient's fate and what the upstream said, or the error that speaks for it.
type result struct {
	fate  fate
	reply upstream.Reply
	err   error
}

// deliver sends each copy that is still owed, one after another on one connection. It returns an error only for
// trouble on the client's side; an upstream's is a result.
func (d *delivery) deliver(ctx context.Context) error {
	for i := range d.copies {
		if d.late() {
			d.settle(i, result{fate: deferred, err: upstream.ErrUnavailable})
			continue
		}
		if err := d.send(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func (d *delivery) late() bool {
	return !d.deadline.IsZero() && d.ses.srv.opt.Now().After(d.deadline)
}

// send passes one copy: envelope, lines, header, body, a last look at the consent, and only then the dot.
func (d *delivery) send(ctx context.Context, i int) error {
	answer, err := d.envelope(ctx, i)
	if err != nil {
		d.abort()
		d.settle(i, result{fate: deferred, err: err})
		return nil
	}
	if !d.accepts(i, answer) {
		return nil
	}
	if err := d.write(i); err != nil {
		if _, ok := errors.AsType[*clientError](err); ok {
			d.abort()
			return err
		}
		d.settle(i, d.broken(err))
		d.abort()
		return nil
	}
	if why := d.ended(ctx, i); why != nil {
		d.abort()
		d.settle(i, *why)
		return nil
	}
	d.finish(i)
	return nil
}

// envelope brings the upstream to its answer, with the envelope that was sent ahead or a new one.
func (d *delivery) envelope(ctx context.Context, i int) (upstream.Answer, error) {
	if d.lease == nil {
		if err := d.connect(ctx); err != nil {
			return upstream.Answer{}, err
		}
	}
	if !d.ahead {
		d.queueEnvelope(i)
	}
	d.ahead = false
	return d.lease.Await()
}

func (d *delivery) queueEnvelope(i int) {
	e := upstream.Envelope{Mail: d.tx.envelopeMail(linesRoom)}
	for _, r := range d.copies[i].Recipients {
		e.Rcpts = append(e.Rcpts, d.tx.rcpts[r].envelopeRcpt())
	}
	d.lease.Envelope(e)
	d.ahead = true
}

// accepts deals with a refused envelope and reports whether the content may go. Recipients that the upstream does not
// take have their results with that; the others' come after the dot.
func (d *delivery) accepts(i int, a upstream.Answer) bool {
	if !a.Go() {
		d.settleRefused(i, a)
		return false
	}
	for n, r := range d.copies[i].Recipients {
		if !a.Rcpts[n].Positive() {
			d.results[r] = refusal(a.Rcpts[n])
			d.sum.need()
		}
	}
	return true
}

// settleRefused notes an envelope that nobody passed: MAIL's reply for all, else each RCPT's, else DATA's.
func (d *delivery) settleRefused(i int, a upstream.Answer) {
	for n, r := range d.copies[i].Recipients {
		reply := a.Data
		switch {
		case !a.Mail.Positive():
			reply = a.Mail
		case n < len(a.Rcpts) && !a.Rcpts[n].Positive():
			reply = a.Rcpts[n]
		}
		d.results[r] = refusal(reply)
	}
}

// refusal is the result of a reply that is not positive.
func refusal(reply upstream.Reply) result {
	if upstreamReply(reply).Code >= 500 {
		return result{fate: refused, reply: reply}
	}
	return result{fate: deferred, reply: reply}
}

// write passes our lines, the message's header and the body.
func (d *delivery) write(i int) error {
	lines, err := d.lines(d.copies[i])
	if err != nil {
		return err
	}
	if _, err := d.lease.Write(lines); err != nil {
		return err
	}
	if _, err := d.lease.Write(d.edit.header.Raw); err != nil {
		return err
	}
	return d.body.writeTo(d.lease)
}

// broken is the result of a copy that could not be written to its end: what the upstream said before it closed, if it
// said anything, else the trouble.
func (d *delivery) broken(err error) result {
	if reply, ok := d.lease.Refusal(); ok {
		return refusal(reply)
	}
	return result{fate: deferred, err: err}
}

// ended reads the consent of a copy's recipients again where it was read too long ago, and returns the result of a
// copy that must not go any more.
func (d *delivery) ended(ctx context.Context, i int) *result {
	s, now := d.ses, d.ses.srv.opt.Now()
	var ids []gate.ID
	var stale []int
	var withdrawn []bool
	for _, r := range d.copies[i].Recipients {
		if d.results[r].fate == untried && now.Sub(d.tx.rcpts[r].readAt) > s.set.Limits.Fresh {
			ids, stale = append(ids, d.tx.rcpts[r].id), append(stale, r)
			withdrawn = append(withdrawn, s.pending(d.tx.rcpts[r].id, d.tx.stream))
		}
	}
	if len(ids) == 0 {
		return nil
	}
	for n, l := range s.records(ctx, ids) {
		if why := d.withheld(stale[n], l, withdrawn[n], len(d.copies[i].Recipients)); why != nil {
			return why
		}
		d.tx.rcpts[stale[n]].readAt = now
	}
	return nil
}

// withheld decides again about one recipient. A copy of its own is refused; a shared one is put off, and the client's
// retry leaves the recipient out.
func (d *delivery) withheld(index int, l gate.Lookup, withdrawn bool, sharing int) *result {
	r := d.tx.rcpts[index]
	again := d.ses.decide(d.tx.stream, r.addr, withdrawn, l)
	if again.Verdict == gate.Permit || (d.tx.stream.Mode == gate.ModeObserve && observed(again)) {
		return nil
	}
	was := r.decision
	r.decision, r.forward = again, false
	b := &blocked{Decision: again}
	entry := d.ses.entry(d.tx, r, "data", b)
	d.ses.countLater(&was, &entry)
	entry.Reply = replyText(d.ses.reply(b))
	discard := again.Verdict == gate.Block && sharing == 1 && d.ses.onBlock(d.tx.stream) == gate.OnBlockDiscard
	if discard {
		entry.Reply = replyText(say(250, 2, 0, 0, "OK"))
	}
	if err := d.ses.srv.record([]gate.BlockEntry{entry}, discard); err != nil {
		return &result{fate: deferred, err: err}
	}
	switch {
	case discard: // 250 and no copy, as at RCPT
		return &result{fate: accepted}
	case again.Verdict == gate.Defer:
		return &result{fate: deferred, err: b}
	case sharing > 1:
		if d.ses.ln.LMTP {
			d.results[index] = result{fate: refused, err: b}
		}
		return &result{fate: deferred, err: withdrawnMeanwhile}
	}
	return &result{fate: refused, err: b}
}

// finish sends the dot, with the next copy's envelope behind it in the same write, and takes the verdict.
func (d *delivery) finish(i int) {
	d.lease.Dot()
	if next := i + 1; next < len(d.copies) && !d.late() {
		d.queueEnvelope(next)
	}
	reply, err := d.lease.Result()
	switch {
	case errors.Is(err, upstream.ErrUnknown):
		d.count(gate.CountUndecided)
		d.ses.log.Warn("upstream gave no answer after the dot", "err", err)
		d.abort()
		d.settle(i, result{fate: undecided, err: err})
	case err != nil:
		d.abort()
		d.settle(i, result{fate: deferred, err: err})
	case reply.Positive():
		d.settle(i, result{fate: accepted, reply: reply})
	default:
		d.settle(i, refusal(reply))
	}
}

// settle gives every recipient of a copy the same result, but those that have one of their own.
func (d *delivery) settle(i int, res result) {
	for _, r := range d.copies[i].Recipients {
		if d.results[r].fate == untried {
			d.results[r] = res
		}
	}
}

// keepClaims lets those confirmation mails count as sent that were, or may have been.
func (d *delivery) keepClaims() {
	for i := range d.tx.rcpts {
		if f := d.results[i].fate; f == accepted || f == undecided {
			d.tx.rcpts[i].claim = nil
		}
	}
}
