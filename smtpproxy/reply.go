package smtpproxy

import (
	"errors"
	"fmt"

	"github.com/emersion/go-smtp"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// problem is trouble that the gate itself finds with a command or a message. The set is closed; reply says what each
// sounds like.
type problem uint8

const (
	unknownCommand problem = iota
	notImplemented
	syntaxError
	unknownParameter
	badSequence
	nestedMail
	needHello
	needStartTLS
	noValidRecipients
	recipientsDeferred
	tooManyRecipients
	tooBig
	looping
	malformedHeader
	bareLine
	spoolFull
	beingDelivered
	draining
	idleTooLong
	tooManyRefused
	tooManySessions
	tooManyOfNetwork
	tooManyOfCredential
	notAllowedToRelay
	authNeeded
	authFailed
	authTooOften
	tooManyGuesses
	authBusy
	authMechanism
	authCancelled
	tlsUnavailable
	withdrawnMeanwhile
)

// Error names the problem in logs; what clients read is reply's.
func (p problem) Error() string { return fmt.Sprintf("smtp problem %d: %s", p, p.reply().Message) }

func (p problem) reply() *smtp.SMTPError {
	switch p {
	case unknownCommand:
		return say(500, 5, 5, 2, "Command not recognised")
	case notImplemented:
		return say(502, 5, 5, 1, "Command not implemented")
	case syntaxError:
		return say(501, 5, 5, 4, "Syntax error in parameters")
	case unknownParameter:
		return say(555, 5, 5, 4, "Parameter not recognised or not implemented")
	case badSequence:
		return say(503, 5, 5, 1, "Bad sequence of commands")
	case nestedMail:
		return say(503, 5, 5, 1, "Nested MAIL command")
	case needHello:
		return say(503, 5, 5, 1, "Say EHLO first")
	case needStartTLS:
		return say(530, 5, 7, 0, "Must issue a STARTTLS command first")
	case noValidRecipients:
		return say(554, 5, 5, 1, "No valid recipients")
	case recipientsDeferred:
		return neutral()
	case tooManyRecipients:
		return say(452, 4, 5, 3, "Too many recipients")
	case tooBig:
		return say(552, 5, 3, 4, "Message is larger than this server takes")
	case looping:
		return say(554, 5, 4, 6, "Too many hops, this message is looping")
	case malformedHeader:
		return say(554, 5, 6, 0, "Message header is malformed")
	case bareLine:
		return say(554, 5, 6, 0, "Bare CR or LF in message, lines must end in CRLF")
	case beingDelivered:
		return say(451, 4, 4, 2, "This message is being delivered, try again later")
	case spoolFull:
		return say(452, 4, 3, 1, "Not enough room for this message, try again")
	}
	return p.sessionReply()
}

func (p problem) sessionReply() *smtp.SMTPError {
	switch p {
	case draining:
		return say(421, 4, 3, 2, "Shutting down, please connect again")
	case idleTooLong:
		return say(421, 4, 4, 2, "Idle too long, closing connection")
	case tooManyRefused:
		return say(421, 4, 7, 0, "Too many refused recipients, closing connection")
	case tooManySessions:
		return say(421, 4, 3, 2, "Too many sessions, try again later")
	case tooManyOfNetwork:
		return say(421, 4, 7, 0, "Too many sessions from your network, try again later")
	case tooManyOfCredential:
		return say(421, 4, 7, 0, "Too many sessions of this credential, try again later")
	case notAllowedToRelay:
		return say(554, 5, 7, 1, "Not allowed to relay")
	case authNeeded:
		return say(530, 5, 7, 0, "Authentication required")
	case authFailed:
		return say(535, 5, 7, 8, "Authentication credentials invalid")
	case authTooOften:
		return say(421, 4, 7, 0, "Too many failed sign-ins, closing connection")
	case tooManyGuesses:
		return say(421, 4, 7, 0, "Too many failed sign-ins from your network, try again later")
	case authBusy:
		return say(454, 4, 7, 0, "Too many sign-ins at once, try again")
	case authMechanism:
		return say(504, 5, 5, 4, "Authentication mechanism not supported")
	case authCancelled:
		return say(501, 5, 0, 0, "Authentication cancelled")
	case tlsUnavailable:
		return say(454, 4, 7, 0, "TLS not available")
	case withdrawnMeanwhile:
		return say(451, 4, 7, 1, "Consent changed during the transaction, try again")
	}
	return neutral()
}

// blocked is a verdict on its way to becoming a reply. ID is the block entry's.
type blocked struct {
	gate.Decision
	ID        string
	NeedsUTF8 bool // the address needs SMTPUTF8
}

func (b *blocked) Error() string { return fmt.Sprintf("%s (%s)", b.Verdict, b.Reason) }

// upstreamSaid is an upstream's reply that is no acceptance.
type upstreamSaid struct{ upstream.Reply }

func (u *upstreamSaid) Error() string { return "upstream replied " + u.String() }

// reply turns every verdict and error into what the client reads. It is the only way a text leaves the gate: an
// upstream's verdict on sender, recipient or content is passed on, a verdict of ours is told by its reason, and
// whatever is no SMTP error is 451 with neutral text.
func (s *session) reply(err error) *smtp.SMTPError {
	var (
		own    problem
		b      *blocked
		syntax *wire.SyntaxError
		up     *upstreamSaid
	)
	switch {
	case errors.As(err, &own):
		return own.reply()
	case errors.As(err, &b):
		return s.verdictReply(b)
	case errors.As(err, &syntax):
		return syntax.Reply
	case errors.As(err, &up):
		return upstreamReply(up.Reply)
	case errors.Is(err, wire.ErrTooBig):
		return tooBig.reply()
	case errors.Is(err, wire.ErrBareLine):
		return bareLine.reply()
	case errors.Is(err, wire.ErrMalformedHeader):
		return malformedHeader.reply()
	case errors.Is(err, upstream.ErrUnknown):
		return say(451, 4, 4, 2, "Upstream gave no answer, try again")
	case errors.Is(err, upstream.ErrUnavailable):
		return say(451, 4, 4, 1, "Upstream not available, try again")
	}
	return neutral()
}

// verdictReply is the table of DESIGN's reasons.
func (s *session) verdictReply(b *blocked) *smtp.SMTPError {
	switch b.Reason {
	case gate.ReasonStoreUnavailable:
		return neutral()
	case gate.ReasonUpstreamUnavailable:
		return say(451, 4, 4, 1, "Upstream not available, try again")
	case gate.ReasonInvalidAddress:
		if b.NeedsUTF8 {
			return s.blockText(553, smtp.EnhancedCode{5, 6, 7}, "Address needs SMTPUTF8", b)
		}
		if b.Rule == senderRule {
			return s.blockText(553, smtp.EnhancedCode{5, 1, 3}, "Sender address is not valid", b)
		}
		return s.blockText(553, smtp.EnhancedCode{5, 1, 3}, "Recipient address is not valid", b)
	case gate.ReasonHardBounced:
		return s.blockText(550, smtp.EnhancedCode{5, 1, 1}, "Recipient blocked by consent policy", b)
	case gate.ReasonUnsubscribeImpossible:
		return s.blockText(554, smtp.EnhancedCode{5, 7, 1}, "Message blocked by consent policy", b)
	case gate.ReasonStreamNotAllowed, gate.ReasonSenderNotAllowed, gate.ReasonNullSender:
		return s.blockText(550, smtp.EnhancedCode{5, 7, 1}, "Sender blocked by consent policy", b)
	}
	return s.blockText(550, smtp.EnhancedCode{5, 7, 1}, "Recipient blocked by consent policy", b)
}

// blockText adds the reason, unless replies.detail is minimal, and the block's id.
func (s *session) blockText(code int, enhanced smtp.EnhancedCode, text string, b *blocked) *smtp.SMTPError {
	if !s.set.MinimalReplies {
		text += " (" + string(b.Reason) + ")"
	}
	if b.ID != "" {
		text += " [" + b.ID + "]"
	}
	return &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}
}

// upstreamReply passes a verdict on sender, recipient or content; trouble between gate and upstream (421, 500 to 504,
// 521, 53x) is not the client's and becomes 451.
func upstreamReply(r upstream.Reply) *smtp.SMTPError {
	switch {
	case r.Code == 421, r.Code >= 500 && r.Code <= 504, r.Code == 521, r.Code >= 530 && r.Code <= 539,
		r.Code < 200, r.Code >= 300 && r.Code < 400, r.Code >= 600:
		return say(451, 4, 4, 1, "Upstream not available, try again")
	}
	return &smtp.SMTPError{Code: r.Code, EnhancedCode: r.Enhanced, Message: r.Text}
}

func neutral() *smtp.SMTPError { return say(451, 4, 3, 0, "Temporary failure, try again later") }

func say(code, class, subject, detail int, text string) *smtp.SMTPError {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{class, subject, detail}, Message: text}
}
