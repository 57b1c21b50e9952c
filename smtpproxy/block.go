package smtpproxy

import (
	"errors"
	"slices"
	"strconv"

	"github.com/emersion/go-smtp"

	"github.com/consentgate/consentgate/gate"
)

// entry makes the block entry of a recipient, and gives err, the reply on its way, the entry's id to show.
func (s *session) entry(tx *transaction, r *recipient, phase string, err error) gate.BlockEntry {
	d := r.decision
	e := gate.BlockEntry{
		ID: s.srv.opt.NewID(), Time: s.srv.opt.Now().UTC(), Phase: phase,
		Session: s.id, Client: s.client, MailFrom: tx.from.Mailbox,
		RecipientID: r.id, MessageID: tx.messageID, Stream: d.Stream, Purpose: d.Purpose,
		Verdict: d.Verdict, Reason: d.Reason, Rule: d.Rule, Jurisdiction: d.Jurisdiction,
		Citation: d.Citation, Hint: d.Hint, PolicyVersion: d.PolicyVersion, WouldBlock: r.forward,
	}
	if tx.stream != nil && e.Stream == "" {
		e.Stream, e.Purpose = tx.stream.Name, tx.stream.Purpose
	}
	if s.cred != nil {
		e.Credential = s.cred.Username
	}
	if !r.addr.IsZero() {
		e.Recipient = s.set.Mask(r.addr, r.id)
		e.Address = s.sealed(r.addr)
	}
	if b, ok := errors.AsType[*blocked](err); ok {
		b.ID = e.ID
	}
	return e
}

func (s *session) sealed(a gate.Address) string {
	text, err := s.srv.opt.Keys.Seal(a)
	if err != nil {
		s.log.Error("seal address", "err", err)
		return ""
	}
	return text
}

// blockAll refuses a whole transaction that has no recipients yet, or the message of one that has; those that were to
// get nothing of it have their entry already.
func (s *session) blockAll(tx *transaction, phase string, d gate.Decision) error {
	b := &blocked{Decision: d, NeedsUTF8: tx.sender.NeedsUTF8()}
	rcpts := slices.DeleteFunc(slices.Clone(tx.rcpts), func(r *recipient) bool { return !r.forward })
	if len(rcpts) == 0 {
		rcpts = []*recipient{{}}
	}
	var entries []gate.BlockEntry
	for _, r := range rcpts {
		now := *r
		now.decision, now.forward = d, false
		entries = append(entries, s.entry(tx, &now, phase, b))
		s.countLater(&r.decision, &entries[len(entries)-1])
	}
	for i := range entries {
		entries[i].Reply = replyText(s.reply(b))
	}
	if err := s.srv.record(entries, false); err != nil {
		return err
	}
	return b
}

// countLater counts a verdict that came after another one, or after none: a mail of the same consent.
func (s *session) countLater(was *gate.Decision, e *gate.BlockEntry) {
	block := gate.CountBlocked
	if was.Verdict == gate.Permit {
		block = gate.CountBlockedLate
	}
	c := was.Counter(against(e.Verdict, block))
	c.Stream, c.Reason = e.Stream, e.Reason
	s.srv.opt.Count(c)
}

// record puts block entries into the journal; durable ones are on disk when it returns.
func (s *Server) record(entries []gate.BlockEntry, durable bool) error {
	if len(entries) == 0 {
		return nil
	}
	return s.opt.Blocks.Record(entries, durable)
}

// replyText is a reply as the client reads it, on one line.
func replyText(r *smtp.SMTPError) string {
	c := r.EnhancedCode
	return strconv.Itoa(r.Code) + " " + strconv.Itoa(c[0]) + "." + strconv.Itoa(c[1]) + "." + strconv.Itoa(c[2]) + " " + r.Message
}
