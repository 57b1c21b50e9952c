package inbound

import "github.com/emersion/go-smtp"

// reply is what a client hears. No text names an address, a token or an error of ours.
type reply = *smtp.SMTPError

func say(code, class, subject, detail int, text string) reply {
	return &smtp.SMTPError{Code: code, EnhancedCode: smtp.EnhancedCode{class, subject, detail}, Message: text}
}

func accepted() reply        { return say(250, 2, 0, 0, "OK") }
func unknownCommand() reply  { return say(500, 5, 5, 2, "Command not recognised") }
func notImplemented() reply  { return say(502, 5, 5, 1, "Command not implemented") }
func syntaxError() reply     { return say(501, 5, 5, 4, "Syntax error in parameters") }
func unknownParam() reply    { return say(555, 5, 5, 4, "Parameter not recognised or not implemented") }
func badSequence() reply     { return say(503, 5, 5, 1, "Bad sequence of commands") }
func tooManyRcpts() reply    { return say(452, 4, 5, 3, "Too many recipients") }
func tooBig() reply          { return say(552, 5, 3, 4, "Message is larger than this server takes") }
func malformed() reply       { return say(554, 5, 6, 0, "Message is malformed") }
func tlsUnavailable() reply  { return say(454, 4, 7, 0, "TLS not available") }
func notAdmitted() reply     { return say(554, 5, 7, 1, "Not for your network") }
func tooManySessions() reply { return say(421, 4, 3, 2, "Too many sessions, try again later") }
func tooManyUnknown() reply {
	return say(421, 4, 7, 0, "Too many unknown recipients, closing connection")
}
func draining() reply    { return say(421, 4, 3, 2, "Shutting down, please connect again") }
func idleTooLong() reply { return say(421, 4, 4, 2, "Idle too long, closing connection") }
func tryLater() reply    { return say(451, 4, 3, 0, "Temporary failure, try again later") }

// nobody is the one answer to every recipient that is none of ours: a token that is not genuine sounds like an address
// that never was.
func nobody() reply { return say(550, 5, 1, 1, "No such mailbox here") }

// notKept: the journal did not take it, so nothing is promised.
func notKept() reply { return say(452, 4, 3, 1, "Not enough room to keep this, try again") }

// noRecipients: LMTP has a code of its own for it (RFC 2033 section 4.2).
func noRecipients(lmtp bool) reply {
	if lmtp {
		return say(503, 5, 5, 1, "No valid recipients")
	}
	return say(554, 5, 5, 1, "No valid recipients")
}

// gravest is the one reply that SMTP has for all recipients: a client that hears 4xx repeats, and what was done already
// is not done twice.
func gravest(replies []reply) reply {
	worst := accepted()
	for _, r := range replies {
		if r.Code/100 == 4 || worst.Code/100 == 2 {
			worst = r
		}
	}
	return worst
}
