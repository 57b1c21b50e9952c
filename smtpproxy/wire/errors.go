package wire

import (
	"errors"

	"github.com/emersion/go-smtp"
)

// Errors of a Conn and its Content. ErrBareLine, ErrTooBig and ErrMalformedHeader concern one message: the session
// answers and goes on. The others end the connection.
var (
	// ErrBareLine: the message holds a CR or LF by itself and Options.BareLines is Reject.
	ErrBareLine = errors.New("bare CR or LF in message")
	// ErrTooBig: the message is larger than Limits.Message.
	ErrTooBig = errors.New("message too big")
	// ErrMalformedHeader: the message does not begin with a header of RFC 5322, or with one beyond the limits.
	ErrMalformedHeader = errors.New("malformed header")
	// ErrBroken: reading a message failed, or it was left unread. Where the next command would begin is unknown, so
	// there is none. Wraps the cause.
	ErrBroken = errors.New("broken off inside message")
	// ErrEndlessLine: a line went on far beyond its limit.
	ErrEndlessLine = errors.New("endless line")
	// ErrPlaintext: the client sent plaintext behind STARTTLS (RFC 3207 section 4: a way to inject commands).
	ErrPlaintext = errors.New("plaintext sent ahead of the TLS handshake")
	// ErrInterrupted: Interrupt was called while a line was awaited. The Conn can be read on.
	ErrInterrupted = errors.New("interrupted")
)

// SyntaxError is a line that breaks the grammar. The client is told with Reply; the connection is in order and the
// next command can be read.
type SyntaxError struct {
	Reply *smtp.SMTPError
}

func (e *SyntaxError) Error() string { return e.Reply.Message }

// Unwrap gives the reply to errors.As.
func (e *SyntaxError) Unwrap() error { return e.Reply }

func syntaxError(code int, enhanced smtp.EnhancedCode, text string) error {
	return &SyntaxError{Reply: &smtp.SMTPError{Code: code, EnhancedCode: enhanced, Message: text}}
}

// badLine is the answer to a line that is no command at all.
func badLine(text string) error {
	return syntaxError(500, smtp.EnhancedCode{5, 5, 2}, text)
}

// badArgument is the answer to a known verb with an argument outside its grammar.
func badArgument(text string) error {
	return syntaxError(501, smtp.EnhancedCode{5, 5, 4}, text)
}
