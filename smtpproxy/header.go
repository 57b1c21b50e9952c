package smtpproxy

import (
	"strings"
	"sync"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// checkHeader refuses a message by its header: one that loops, and one from <> that no machine may have sent.
func (d *delivery) checkHeader() error {
	if lim := d.ses.set.Limits; d.header.Count("Received") > lim.Hops || d.ses.srv.trace.passes(d.header) >= lim.OwnHops {
		return looping
	}
	if !d.tx.null() || d.tx.stream.Mode == gate.ModeObserve {
		return nil
	}
	switch {
	case len(d.tx.rcpts) > 1:
		return d.blockNull("a notice from <> goes to one recipient")
	case !d.automatic():
		return d.blockNull("mail from <> must say multipart/report or Auto-Submitted: auto-*")
	case !d.ses.srv.nullSender.take(d.ses.srv.opt.Now(), d.ses.set.Limits.NullSender, time.Hour):
		return d.blockNull("too many messages from <> in this hour")
	}
	return nil
}

// automatic reports whether the header is that of a notice (RFC 3464) or an automatic reply (RFC 3834).
func (d *delivery) automatic() bool {
	if v, ok := d.header.First("Auto-Submitted"); ok && strings.HasPrefix(strings.ToLower(strings.TrimSpace(v)), "auto-") {
		return true
	}
	v, _ := d.header.First("Content-Type")
	return strings.HasPrefix(strings.ToLower(strings.TrimSpace(v)), "multipart/report")
}

func (d *delivery) blockNull(hint string) error {
	return d.ses.blockAll(d.tx, "data", gate.Decision{
		Verdict: gate.Block, Reason: gate.ReasonNullSender, Rule: "null_sender", Hint: hint, Stream: d.tx.stream.Name,
	})
}

// linesRoom is what SIZE towards the upstream is raised by: more than any set of lines that the gate adds.
const linesRoom = 2 << 10

// lines are what goes on top of the header of a copy. Mode observe adds nothing.
func (d *delivery) lines(c gate.Copy) ([]byte, error) {
	if d.tx.stream.Mode == gate.ModeObserve {
		return nil, nil
	}
	var l wire.Lines
	if err := l.Add("Received", d.received(c)); err != nil {
		return nil, err
	}
	for _, f := range d.edit.top {
		if err := l.Add(f.name, f.value); err != nil {
			return nil, err
		}
	}
	if !d.edit.unsubscribe {
		return l.Bytes(), nil
	}
	return d.ses.set.Links.AppendHeader(l.Bytes(), d.tx.rcpts[c.Recipients[0]].id, d.tx.stream), nil
}

// received is our trace field (RFC 5321 section 4.4). It names no client address and no user; `for` only where there
// is one recipient, since another's address is nobody's business. By its mark the gate knows it again.
func (d *delivery) received(c gate.Copy) string {
	s := d.ses
	to := ""
	if len(c.Recipients) == 1 && len(d.tx.rcpts) == 1 && !d.tx.rcpts[0].addr.NeedsUTF8() {
		to = " for <" + d.tx.rcpts[0].addr.String() + ">"
	}
	return s.srv.trace.begin + s.protocol() + " id " + s.id + " " + s.srv.trace.mark + to +
		"; " + s.srv.opt.Now().Format(time.RFC1123Z)
}

// protocol is the "with" clause of RFC 3848 and RFC 6531.
func (s *session) protocol() string {
	name := "ESMTP"
	switch utf8 := s.tx != nil && s.tx.utf8; {
	case !s.extended:
		return "SMTP"
	case s.ln.LMTP && utf8:
		name = "UTF8LMTP"
	case s.ln.LMTP:
		name = "LMTP"
	case utf8:
		name = "UTF8SMTP"
	}
	if s.secure() {
		name += "S"
	}
	if s.cred != nil {
		name += "A"
	}
	return name
}

// headers lends the memory that headers of messages are read into.
type headers struct{ pool sync.Pool }

// maxKept is the largest that is lent again: almost all headers are smaller.
const maxKept = 16 << 10

func (h *headers) take() []byte {
	if p, ok := h.pool.Get().(*[]byte); ok {
		return *p
	}
	return nil
}

// giveBack takes the memory of a header that nobody looks at any more.
func (h *headers) giveBack(raw []byte) {
	if cap(raw) > 0 && cap(raw) <= maxKept {
		h.pool.Put(&raw)
	}
}
