package smtpproxy

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// transaction is what one MAIL began (RFC 5321 section 3.3).
type transaction struct {
	stream *gate.Stream
	from   wire.Path
	sender gate.Address // zero for <>
	size   int64        // declared with SIZE=, 0: none
	utf8   bool         // SMTPUTF8 was given
	rcpts  []*recipient
	named  int // RCPTs so far, refused ones too
	// claimed are those of rcpts who have a claim on their confirmation mail.
	claimed map[mailbox]bool

	messageID string // once the header is read
	// deferred: a recipient was put off, so that a transaction left without any is to be tried again.
	deferred bool
}

// recipient is one RCPT that was answered 250: to be forwarded, or discarded.
type recipient struct {
	path     wire.Path
	addr     gate.Address
	id       gate.ID
	decision gate.Decision
	readAt   time.Time // of the consent that decided
	forward  bool
	claim    *claim // on the one confirmation mail that this is; given back if it does not arrive
}

// mailbox is what gets a message once, however often it is named: a person's address in one spelling.
type mailbox struct {
	id      gate.ID
	spelled string
}

func (r *recipient) mailbox() mailbox { return mailbox{r.id, r.path.Mailbox} }

// null reports mail from <>: bounces and automatic replies.
func (t *transaction) null() bool { return t.from.Mailbox == "" }

// nullStream is what mail from <> travels in: not marketing, no header lines, nothing but what RFC 3834 and RFC 3464
// machines send.
func nullStream(mode gate.Mode) *gate.Stream {
	return &gate.Stream{Name: "null_sender", Kind: gate.KindTransactional, Mode: mode}
}

// mail begins a transaction: who may, from where, in which stream.
func (s *session) mail(ctx context.Context, arg string) error {
	if err := s.mayMail(); err != nil {
		return err
	}
	path, err := wire.ParseMail(arg)
	if err != nil {
		return err
	}
	tx := &transaction{from: path}
	if err := s.mailParams(tx); err != nil {
		return err
	}
	if err := s.choose(ctx, tx); err != nil {
		return err
	}
	s.tx = tx
	s.busy.Store(true)
	s.conn.Reply(say(250, 2, 1, 0, "Sender OK"))
	return nil
}

func (s *session) mayMail() error {
	switch {
	case s.helo == "":
		return needHello
	case s.tx != nil:
		return nestedMail
	case s.cred != nil:
		return nil
	case s.ln.TLS == TLSStartTLS && !s.secure() && s.ln.RequireAuth:
		return needStartTLS
	case s.ln.mayRelay(s.ip):
		return nil
	case s.authOffered():
		return authNeeded
	}
	return notAllowedToRelay
}

// mailParams checks the parameters of MAIL against what EHLO offered.
func (s *session) mailParams(tx *transaction) error {
	up := s.set.Upstream.Caps()
	for _, p := range tx.from.Params {
		switch {
		case p.Key == "SIZE":
			n, err := tx.from.Size()
			if err != nil {
				return err
			}
			tx.size = n
		case p.Key == "BODY" && up.EightBitMIME:
			if v := strings.ToUpper(p.Value); v != "7BIT" && v != "8BITMIME" {
				return syntaxError
			}
		case p.Key == "SMTPUTF8" && !p.HasValue && up.SMTPUTF8:
			tx.utf8 = true
		case (p.Key == "RET" || p.Key == "ENVID") && up.DSN:
		case p.Key == "AUTH" && s.authOffered():
			// RFC 4954 section 5: taken, and not passed on.
		default:
			return unknownParameter
		}
	}
	if limit := s.sizeLimit(); limit > 0 && tx.size > limit {
		return tooBig
	}
	return nil
}

// choose finds the stream, and refuses a sender that the credential or the listener does not list.
func (s *session) choose(ctx context.Context, tx *transaction) error {
	if tx.null() {
		tx.stream = nullStream(s.set.Mode)
		return nil
	}
	sender, err := gate.ParseAddress(tx.from.Mailbox)
	if err != nil {
		return s.refuseSender(ctx, tx, gate.ReasonInvalidAddress)
	}
	tx.sender = sender
	if sender.NeedsUTF8() && !tx.utf8 {
		return s.refuseSender(ctx, tx, gate.ReasonInvalidAddress)
	}
	if !s.senderAllowed(sender) {
		return s.refuseSender(ctx, tx, gate.ReasonSenderNotAllowed)
	}
	candidates := s.candidates()
	if s.outright != "" && len(candidates) == 1 {
		tx.stream = candidates[0]
		return nil
	}
	st, reason := gate.PickStream(candidates, sender, s.set.DefaultStream)
	if reason != "" {
		return s.refuseSender(ctx, tx, reason)
	}
	tx.stream = st
	return nil
}

func (s *session) senderAllowed(sender gate.Address) bool {
	if s.cred != nil && len(s.cred.Senders) > 0 && !gate.MatchSender(s.cred.Senders, sender) {
		return false
	}
	return len(s.ln.Senders) == 0 || gate.MatchSender(s.ln.Senders, sender)
}

// senderRule is the rule behind a refusal of the reverse-path.
const senderRule = "sender"

// refuseSender blocks the whole transaction at MAIL. It costs what a refused recipient costs, since each refusal is a
// block entry, and who sends nothing else would push the others out of the log.
func (s *session) refuseSender(ctx context.Context, tx *transaction, reason gate.Reason) error {
	if s.exhausted() {
		return s.endRefused()
	}
	due := s.spendRefused(1)
	if due.end {
		return s.endRefused()
	}
	s.srv.slow(ctx, due.wait)
	d := gate.Decision{Verdict: gate.Block, Reason: reason, Rule: senderRule, Hint: senderHint(reason)}
	return s.blockAll(tx, "rcpt", d)
}

func senderHint(reason gate.Reason) string {
	switch reason {
	case gate.ReasonSenderNotAllowed:
		return "add the sender to senders of the credential or the listener"
	case gate.ReasonStreamNotAllowed:
		return "match the sender in a stream, or set default_stream"
	}
	return "send from a valid address"
}

// envelopeMail is MAIL's argument for the upstream: the reverse-path as it came, its parameters but AUTH, and SIZE
// raised by what the gate adds.
func (t *transaction) envelopeMail(added int) string {
	var b strings.Builder
	b.WriteString("<" + t.from.Mailbox + ">")
	for _, p := range t.from.Params {
		switch p.Key {
		case "AUTH":
			continue
		case "SIZE":
			b.WriteString(" SIZE=" + strconv.FormatInt(t.size+int64(added), 10))
			continue
		}
		writeParam(&b, p)
	}
	return b.String()
}

// envelopeRcpt is RCPT's argument for the upstream, verbatim.
func (r *recipient) envelopeRcpt() string {
	var b strings.Builder
	b.WriteString("<" + r.path.Mailbox + ">")
	for _, p := range r.path.Params {
		writeParam(&b, p)
	}
	return b.String()
}

func writeParam(b *strings.Builder, p wire.Param) {
	b.WriteString(" " + p.Key)
	if p.HasValue {
		b.WriteString("=" + p.Value)
	}
}

// notifyFailure reports whether a failure notice is owed for the recipient (RFC 3461 section 4.1: absent means it is).
func (r *recipient) notifyFailure() bool {
	for _, p := range r.path.Params {
		if p.Key == "NOTIFY" {
			return slices.Contains(strings.Split(strings.ToUpper(p.Value), ","), "FAILURE")
		}
	}
	return true
}
