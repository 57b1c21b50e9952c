package smtpproxy

import (
	"context"
	"strings"

	"github.com/emersion/go-smtp"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// asked is one RCPT on its way to an answer.
type asked struct {
	recipient
	lookup    gate.Lookup
	withdrawn bool  // here, and perhaps not yet in the store
	err       error // an answer that needs no lookup
}

// rcpt answers RCPT, and with it every RCPT that arrived behind it: one store round trip for all of them.
func (s *session) rcpt(ctx context.Context, first wire.Command) error {
	switch {
	case s.tx == nil:
		return badSequence
	case s.tx.stream.Kind != gate.KindTransactional && s.exhausted():
		return s.endRefused()
	}
	args := append([]wire.Command{first}, s.conn.PipelinedRcpts(s.set.Limits.Recipients)...)
	group := make([]asked, len(args))
	s.tx.named += len(group)
	for i, cmd := range args {
		group[i].err = s.parseRcpt(&group[i].recipient, cmd.Arg)
	}
	s.lookUp(ctx, group)
	return s.answer(ctx, group)
}

func (s *session) parseRcpt(r *recipient, arg string) error {
	path, err := wire.ParseRcpt(arg)
	if err != nil {
		return err
	}
	if err := s.rcptParams(path); err != nil {
		return err
	}
	r.path = path
	mailbox := path.Mailbox
	if strings.EqualFold(mailbox, "postmaster") {
		// RFC 5321 section 4.5.1: the one address that needs no domain; it is ours.
		mailbox += "@" + s.srv.opt.Hostname
	}
	if r.addr, err = gate.ParseAddress(mailbox); err != nil {
		r.decision = gate.Decision{
			Verdict: gate.Block, Reason: gate.ReasonInvalidAddress, Rule: "address", Stream: s.tx.stream.Name,
			Purpose: s.tx.stream.Purpose, Hint: "correct the address",
		}
		return nil
	}
	r.id = s.srv.opt.Keys.ID(r.addr)
	return nil
}

// rcptParams checks the parameters of RCPT (RFC 3461 sections 4.1 and 4.2) and that they were offered.
func (s *session) rcptParams(path wire.Path) error {
	dsn := s.set.Upstream.Caps().DSN
	for _, p := range path.Params {
		switch {
		case !dsn:
			return unknownParameter
		case p.Key == "NOTIFY" && !validNotify(p.Value), p.Key == "ORCPT" && !strings.Contains(p.Value, ";"):
			return syntaxError
		case p.Key != "NOTIFY" && p.Key != "ORCPT":
			return unknownParameter
		}
	}
	return nil
}

// validNotify reports whether the value is NEVER, or a set of SUCCESS, FAILURE and DELAY: what it says decides whether
// the sender is owed a notice.
func validNotify(value string) bool {
	value = strings.ToUpper(value)
	if value == "NEVER" {
		return true
	}
	for word := range strings.SplitSeq(value, ",") {
		if word != "SUCCESS" && word != "FAILURE" && word != "DELAY" {
			return false
		}
	}
	return true
}

// lookUp reads the consent of everybody in the group at once.
func (s *session) lookUp(ctx context.Context, group []asked) {
	ids := make([]gate.ID, 0, len(group))
	for i := range group {
		if group[i].wants() {
			group[i].withdrawn = s.pending(group[i].id, s.tx.stream)
			ids = append(ids, group[i].id)
		}
	}
	if len(ids) == 0 {
		return
	}
	at := s.srv.opt.Now() // before the store answers: what it says is as old as the question
	found := s.records(ctx, ids)
	for i := range group {
		if group[i].wants() {
			group[i].lookup, found = found[0], found[1:]
			group[i].readAt = at
		}
	}
}

// wants reports whether the store has to be asked.
func (a *asked) wants() bool { return a.err == nil && !a.addr.IsZero() }

// records asks the store within the lookup budget.
func (s *session) records(ctx context.Context, ids []gate.ID) []gate.Lookup {
	ctx, cancel := context.WithTimeout(ctx, s.set.Limits.Lookup)
	defer cancel()
	return s.srv.opt.Records.Records(ctx, ids)
}

// answer decides about each recipient, records the blocks and only then queues the replies.
func (s *session) answer(ctx context.Context, group []asked) error {
	replies := make([]*smtp.SMTPError, len(group))
	var entries []gate.BlockEntry
	durable, taken := false, len(s.tx.rcpts)
	for i := range group {
		a := &group[i]
		if a.err == nil {
			a.err = s.settle(ctx, a, taken)
		}
		if a.err == nil {
			taken++
		}
		if !a.blocked() {
			replies[i] = s.rcptReply(a)
			continue
		}
		entry := s.entry(s.tx, &a.recipient, "rcpt", a.err)
		replies[i] = s.rcptReply(a)
		entry.Reply = replyText(replies[i])
		entries = append(entries, entry)
		durable = durable || a.discarded()
	}
	due := s.spendRefused(refusedOf(replies))
	if due.hold {
		unheard(entries)
	}
	if err := s.srv.record(entries, durable); err != nil {
		return s.unrecorded(group, err)
	}
	for i := range group {
		if group[i].err == nil {
			s.tx.rcpts = append(s.tx.rcpts, &group[i].recipient)
		}
		if !due.hold {
			s.conn.Reply(replies[i])
		}
	}
	// The replies, queued already, leave when the session has been slowed.
	s.srv.slow(ctx, due.wait)
	if due.end {
		return s.endRefused()
	}
	return nil
}

// blocked reports whether a decision against the recipient stands, enforced or not.
func (a *asked) blocked() bool { return a.decision.Verdict != gate.Permit && a.decision.Verdict != "" }

// discarded reports whether the client hears 250 and nothing is forwarded.
func (a *asked) discarded() bool { return a.err == nil && !a.forward }

func (s *session) rcptReply(a *asked) *smtp.SMTPError {
	if a.err != nil {
		return s.reply(a.err)
	}
	return say(250, 2, 1, 5, "Recipient OK")
}

// unrecorded answers a group whose blocks could not be written: no decision without a record of it.
func (s *session) unrecorded(group []asked, err error) error {
	s.log.Error("block log", "err", err)
	s.tx.deferred = true
	for i := range group {
		if group[i].claim != nil {
			delete(s.tx.claimed, group[i].mailbox())
			s.unclaim(group[i].claim)
		}
		s.conn.Reply(neutral())
	}
	return nil
}

// settle decides about one recipient behind so many already taken: nil means 250, to forward or to discard.
func (s *session) settle(ctx context.Context, a *asked, taken int) error {
	tx := s.tx
	if taken >= s.set.Limits.Recipients {
		return tooManyRecipients
	}
	if a.addr.IsZero() {
		return s.verdict(a)
	}
	a.decision = s.decide(tx.stream, a.addr, a.withdrawn, a.lookup)
	if a.addr.NeedsUTF8() && !tx.utf8 {
		a.decision.Verdict, a.decision.Reason = gate.Block, gate.ReasonInvalidAddress
		a.decision.Rule, a.decision.Hint = "address", "declare SMTPUTF8 in MAIL"
	}
	if tx.stream.Kind == gate.KindConfirmation && a.decision.Verdict == gate.Permit && !tx.claimed[a.mailbox()] {
		s.once(ctx, a)
	}
	return s.verdict(a)
}

// verdict turns a decision into forward, discard or an error for the reply, and counts it.
func (s *session) verdict(a *asked) error {
	d, st := a.decision, s.tx.stream
	switch {
	case d.Verdict == gate.Permit:
		a.forward = true
		s.srv.opt.Count(d.Counter(gate.CountPermitted))
		if s.set.LogPermits {
			s.log.Info("permit", "rcpt", s.set.Mask(a.addr, a.id), "stream", st.Name, "state", string(d.State), "rule", d.Rule)
		}
		if a.lookup.Err != nil {
			s.srv.opt.Count(d.Counter(gate.CountWithoutStore))
		}
		return nil
	case st.Mode == gate.ModeObserve && observed(d):
		a.forward = true
		s.srv.opt.Count(d.Counter(gate.CountWouldBlock))
		return nil
	}
	s.srv.opt.Count(d.Counter(against(d.Verdict, gate.CountBlocked)))
	s.tx.deferred = s.tx.deferred || d.Verdict == gate.Defer
	if d.Verdict == gate.Block && d.Reason != gate.ReasonInvalidAddress && s.onBlock(st) == gate.OnBlockDiscard {
		return nil
	}
	return &blocked{Decision: d, NeedsUTF8: a.addr.NeedsUTF8()}
}

// against is what a verdict against the recipient counts as: a deferral, or this kind of block.
func against(v gate.Verdict, block gate.Counted) gate.Counted {
	if v == gate.Defer {
		return gate.CountDeferred
	}
	return block
}

// observed reports whether mode observe lets the recipient pass all the same: blocks that are not the person's own
// refusal. Store trouble stays a deferral, since a refusal may stand in what could not be read.
func observed(d gate.Decision) bool {
	return d.Verdict == gate.Block && !d.Refusal() && d.Reason != gate.ReasonInvalidAddress
}

// pending reports a withdrawal that was made here a moment ago. It is asked before the record is read: one that is
// pending no more by then is in the record.
func (s *session) pending(id gate.ID, st *gate.Stream) bool {
	return st.Kind != gate.KindTransactional && s.srv.opt.Pending != nil && s.srv.opt.Pending(id, st.Purpose)
}

// decide asks the policy, and lays what was withdrawn here over its answer.
func (s *session) decide(st *gate.Stream, addr gate.Address, withdrawn bool, l gate.Lookup) gate.Decision {
	d := s.set.Policy.Decide(s.srv.opt.Now(), st, addr, l)
	if withdrawn && !d.Refusal() && d.Reason != gate.ReasonInvalidAddress {
		d.Verdict, d.Reason, d.Rule = gate.Block, gate.ReasonWithdrawn, "refusal"
		d.State, d.Hint = gate.StateWithdrawn, "the person opts in again"
	}
	return d
}
