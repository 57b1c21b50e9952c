package smtpproxy

import (
	"context"
	"errors"
	"fmt"

	"github.com/emersion/go-smtp"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

// tally sorts the recipients that were owed a copy by their fate.
type tally struct {
	accepted, refused, waiting []int // waiting: deferred, undecided, untried
}

func (d *delivery) tally() tally {
	var t tally
	for _, r := range d.owed {
		switch d.results[r].fate {
		case accepted:
			t.accepted = append(t.accepted, r)
		case refused:
			t.refused = append(t.refused, r)
		default:
			t.waiting = append(t.waiting, r)
		}
	}
	return t
}

// answer turns the fates of all recipients into the one reply that SMTP has for them. 250 is said only where every
// copy was accepted, or refused for good and the upstream took our notice about it.
func (d *delivery) answer(ctx context.Context) (*smtp.SMTPError, error) {
	if d.ses.ln.LMTP {
		return nil, nil // respond has a reply for each
	}
	t := d.tally()
	switch {
	case len(t.accepted) == 0:
		return nil, d.worst(t)
	case len(t.waiting) > 0:
		return d.partly(ctx, t), nil
	case len(t.refused) > 0:
		if err := d.notify(ctx, t.refused); err != nil {
			d.ses.log.Warn("delivery status notice", "err", err)
			return d.partly(ctx, t), nil
		}
	}
	d.leave(ctx, true)
	last := d.results[t.accepted[len(t.accepted)-1]].reply
	if last.Code == 0 { // all of them were accepted by an earlier try
		return say(250, 2, 0, 0, "OK"), nil
	}
	return upstreamReply(last), nil
}

// respond queues what the client hears: one reply, or with LMTP one for each recipient (RFC 2033 section 4.2).
func (d *delivery) respond(reply *smtp.SMTPError, err error) {
	if err != nil {
		d.refuseAll(d.ses.reply(err))
		return
	}
	d.acknowledged = d.acknowledges(reply)
	if !d.ses.ln.LMTP {
		d.ses.conn.Reply(reply)
		return
	}
	for _, r := range d.twin {
		d.ses.conn.Reply(d.ownReply(r))
	}
}

// refuseAll says the same of every recipient: with LMTP as often as there are some.
func (d *delivery) refuseAll(reply *smtp.SMTPError) {
	times := 1
	if d.ses.ln.LMTP {
		times = len(d.tx.rcpts)
	}
	for range times {
		d.ses.conn.Reply(reply)
	}
}

// acknowledges reports whether the answer tells of a copy that somebody has.
func (d *delivery) acknowledges(reply *smtp.SMTPError) bool {
	if len(d.tally().accepted) == 0 {
		return false
	}
	return d.ses.ln.LMTP || reply.Code < 300
}

// count counts something about the message.
func (d *delivery) count(what gate.Counted) {
	d.ses.srv.opt.Count(gate.Counter{What: what, Stream: d.tx.stream.Name})
}

// countFates counts what became of each recipient's copy, once the client has its answer. Who was served by an earlier
// try was counted then, and a copy without an answer when that was seen.
func (d *delivery) countFates() {
	for _, r := range d.owed {
		switch res := d.results[r]; {
		case res.fate == accepted && res.reply.Code != 0:
			d.count(gate.CountAccepted)
		case res.fate == refused && res.reply.Code != 0:
			d.count(gate.CountRefused)
		case res.fate == deferred:
			d.count(gate.CountPutOff)
		}
	}
}

// logTrouble tells, once a message, what put it or a part of it off where no reply does: err, which the client hears as
// neutral text, else what kept back a copy.
func (d *delivery) logTrouble(err error) {
	full := errors.Is(err, spoolFull)
	if full {
		d.count(gate.CountSpoolFull)
	}
	if err == nil || !full && *d.ses.reply(err) != *neutral() {
		err = d.trouble()
	}
	if err != nil {
		d.ses.log.Warn("message put off", "stream", d.tx.stream.Name, "message_id", d.tx.messageID, "err", err)
	}
}

// trouble is the first error that put a copy off; what the upstream said is none, nor is a withdrawal.
func (d *delivery) trouble() error {
	for _, r := range d.owed {
		if res := d.results[r]; res.fate == deferred && res.err != nil && !errors.Is(res.err, withdrawnMeanwhile) {
			return res.err
		}
	}
	return nil
}

// earn gives budget for refused recipients back for those that were served.
func (d *delivery) earn() {
	served := 0
	for _, r := range d.owed {
		if d.results[r].fate == accepted {
			served++
		}
	}
	d.ses.earnRefused(served)
}

// ownReply is what LMTP says of one recipient; one that was discarded hears 250.
func (d *delivery) ownReply(r int) *smtp.SMTPError {
	switch {
	case r < 0, d.results[r].fate == accepted && d.results[r].reply.Code == 0: // at RCPT, or before the dot
		return say(250, 2, 0, 0, "OK")
	case d.results[r].fate == accepted:
		return upstreamReply(d.results[r].reply)
	}
	return d.ses.reply(d.results[r].error())
}

// worst is the error of a message that nobody got: any temporary one wins, else the first refusal.
func (d *delivery) worst(t tally) error {
	if len(t.waiting) > 0 {
		return d.results[t.waiting[0]].error()
	}
	return d.results[t.refused[0]].error()
}

func (r result) error() error {
	switch {
	case r.err != nil:
		return r.err
	case r.reply.Code != 0:
		return &upstreamSaid{r.reply}
	}
	return upstream.ErrUnavailable
}

// partly asks for the retry that sends the rest.
func (d *delivery) partly(ctx context.Context, t tally) *smtp.SMTPError {
	d.count(gate.CountPartly)
	d.note(ctx, t.accepted, ledgerTTL)
	return say(451, 4, 4, 2, fmt.Sprintf("Delivered to %d of %d recipients, try again", len(t.accepted), len(d.owed)))
}
