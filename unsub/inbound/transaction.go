package inbound

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy/wire"
	"github.com/consentgate/consentgate/unsub"
)

// transaction is what one MAIL began.
type transaction struct {
	from  string // the reverse-path; empty: mail that a machine sent
	rcpts []recipient
}

// recipient is one RCPT that was answered 250.
type recipient struct {
	complaints bool // a feedback loop's report; else the token below unsubscribes
	text       string
	token      unsub.Token
}

// reporter is the host that the reverse-path names, for reports that name none.
func (t *transaction) reporter() string {
	at := strings.LastIndexByte(t.from, '@')
	if at < 0 {
		return ""
	}
	return hostName(t.from[at+1:])
}

func (t *transaction) complaints() bool {
	return slices.ContainsFunc(t.rcpts, func(r recipient) bool { return r.complaints })
}

func (s *session) mail(arg string) reply {
	if !s.greeted || s.tx != nil {
		return badSequence()
	}
	path, err := wire.ParseMail(arg)
	if err != nil {
		return syntaxError()
	}
	if refusal := checkParams(path); refusal != nil {
		return refusal
	}
	s.tx = &transaction{from: path.Mailbox}
	s.busy.Store(true)
	return say(250, 2, 1, 0, "Sender OK")
}

// checkParams: those of the extensions that are offered, of which only SIZE says something here.
func checkParams(path wire.Path) reply {
	for _, p := range path.Params {
		switch p.Key {
		case "SIZE", "BODY", "SMTPUTF8":
		default:
			return unknownParam()
		}
	}
	size, err := path.Size()
	switch {
	case err != nil:
		return syntaxError()
	case size > MaxMessage:
		return tooBig()
	}
	return nil
}

func (s *session) rcpt(arg string) reply {
	if s.tx == nil {
		return badSequence()
	}
	path, err := wire.ParseRcpt(arg)
	switch {
	case err != nil:
		return syntaxError()
	case len(path.Params) > 0:
		return unknownParam()
	case len(s.tx.rcpts) >= maxRecipients:
		return tooManyRcpts()
	}
	r, ok := s.find(path.Mailbox)
	if !ok {
		return s.refuse()
	}
	s.tx.rcpts = append(s.tx.rcpts, r)
	return say(250, 2, 1, 5, "Recipient OK")
}

// find recognises a mailbox: TOKEN or anything+TOKEN at our domain, in any case of letters, or the address of the
// feedback loops.
func (s *session) find(mailbox string) (recipient, bool) {
	at := strings.LastIndexByte(mailbox, '@')
	if at > 0 && strings.EqualFold(mailbox[at+1:], s.set.Domain) {
		text := mailbox[strings.LastIndexByte(mailbox[:at], '+')+1 : at]
		t, err := s.door.opt.Tokens.Parse(text)
		if err == nil && t.Kind == unsub.TokenUnsubscribe {
			return recipient{text: text, token: t}, true
		}
	}
	if s.set.Complaints == "" {
		return recipient{}, false
	}
	a, err := gate.ParseAddress(mailbox)
	return recipient{complaints: true}, err == nil && a.Canonical() == s.set.Complaints
}

func (s *session) refuse() reply {
	s.count(gate.CountInboundUnknown)
	if s.unknown++; s.unknown > maxUnknown {
		s.closing = true
		return tooManyUnknown()
	}
	return nobody()
}

// data reads the message and acts on it, for every recipient. SMTP has one reply for all, LMTP one for each.
func (s *session) data(ctx context.Context, arg string) {
	if refusal := s.mayData(arg); refusal != nil {
		// DATA ends a pipelined group (RFC 2920 section 3.1). What stands behind it is text of a client that did not wait
		// for 354, and it must not be read as commands.
		s.closing = s.conn.Buffered()
		s.conn.Reply(refusal)
		return
	}
	s.conn.Reply(say(354, 3, 0, 0, "Go ahead"))
	m, err := s.receive()
	if errors.Is(err, wire.ErrBroken) {
		s.closing = true
		return
	}
	replies := make([]reply, len(s.tx.rcpts))
	for i, r := range s.tx.rcpts {
		replies[i] = s.answer(ctx, r, m, err)
	}
	s.reset()
	if !s.door.opt.LMTP {
		replies = []reply{gravest(replies)}
	}
	for _, r := range replies {
		s.conn.Reply(r)
	}
}

func (s *session) mayData(arg string) reply {
	switch {
	case arg != "":
		return syntaxError()
	case s.tx == nil:
		return badSequence()
	case len(s.tx.rcpts) == 0:
		return noRecipients(s.door.opt.LMTP)
	}
	return nil
}

// receive reads the message to its end. An error is wire's: ErrBroken where there is no end.
func (s *session) receive() (message, error) {
	content := s.conn.Content()
	m := message{automatic: s.tx.from == ""}
	header, err := wire.ReadHeader(content, nil, s.set.Wire.Limits)
	if err != nil { // the rest goes by what the envelope says
		return m, content.Drain()
	}
	m.automatic = m.automatic || automatic(header)
	if s.tx.complaints() {
		m.report = readReport(header, content, s.set.Links)
	}
	return m, content.Drain()
}

func (s *session) answer(ctx context.Context, r recipient, m message, err error) reply {
	switch {
	case errors.Is(err, wire.ErrTooBig):
		return tooBig()
	case err != nil:
		return malformed()
	case r.complaints:
		return s.reported(ctx, m)
	case m.automatic:
		s.count(gate.CountInboundAutomatic)
		return accepted()
	}
	return s.withdraw(ctx, r.text, r.token, "mailto")
}

func (s *session) count(what gate.Counted) { s.door.opt.Count(gate.Counter{What: what}) }
