//go:build linux

package countsink

import "bytes"

// Replies, and what EHLO offers.
const (
	replyGreeting = "220 countsink." + Domain + " ESMTP\r\n"
	replyOK       = "250 2.0.0 OK\r\n"
	replyGo       = "354 End data with <CR><LF>.<CR><LF>\r\n"
	replyBye      = "221 2.0.0 Bye\r\n"
	replyUnknown  = "500 5.5.2 Unknown command\r\n"
	replyReady    = "220 2.0.0 Go ahead\r\n"
	replyTLS      = "250-countsink." + Domain + "\r\n250-STARTTLS" + offered
	replyEHLO     = "250-countsink." + Domain + offered
	offered       = "\r\n250-PIPELINING\r\n250-SIZE 104857600\r\n250-8BITMIME\r\n" +
		"250-ENHANCEDSTATUSCODES\r\n250-SMTPUTF8\r\n250 DSN\r\n"
)

// maxLine bounds what is kept of a command that has not ended.
const maxLine = 4096

// session is one connection's dialogue. It takes input in any pieces and collects replies in out. Verbs are in capitals,
// as every peer here writes them.
type session struct {
	tally *tally

	line    []byte // a command that has not ended
	out     []byte // replies to be written
	closing bool   // after QUIT, or nonsense
	offers  bool   // STARTTLS
	secures bool   // the client has asked for it

	to     []recipient
	sample *Sample // nil: nobody looks at this message

	inContent bool
	content   content
}

func newSession(t *tally) *session {
	return &session{tally: t, out: []byte(replyGreeting)}
}

// feed answers all of p.
func (s *session) feed(p []byte) {
	for len(p) > 0 && !s.closing {
		if s.inContent {
			n, end := s.content.take(p)
			p = p[n:]
			if end {
				s.finish()
			}
			continue
		}
		p = s.command(p)
	}
}

// command takes one command line off p.
func (s *session) command(p []byte) (rest []byte) {
	line, rest, whole := bytes.Cut(p, []byte("\n"))
	if !whole {
		s.line = append(s.line, p...)
		s.closing = len(s.line) > maxLine
		return nil
	}
	if len(s.line) > 0 {
		line = append(s.line, line...)
		s.line = s.line[:0]
	}
	s.answer(bytes.TrimRight(line, "\r"))
	return rest
}

func (s *session) answer(line []byte) {
	verb, argument, _ := bytes.Cut(line, []byte(" "))
	switch string(verb) {
	case "MAIL":
		s.reset()
		s.sample = s.tally.sample(path(argument))
		s.say(replyOK)
	case "RCPT":
		s.rcpt(path(argument))
	case "DATA":
		s.begin()
	case "EHLO":
		s.hello()
	case "STARTTLS":
		s.startTLS()
	case "HELO", "NOOP", "RSET":
		s.reset()
		s.say(replyOK)
	case "QUIT":
		s.say(replyBye)
		s.closing = true
	default:
		s.say(replyUnknown)
	}
}

func (s *session) hello() {
	if s.offers {
		s.say(replyTLS)
		return
	}
	s.say(replyEHLO)
}

func (s *session) startTLS() {
	if !s.offers {
		s.say(replyUnknown)
		return
	}
	s.offers, s.secures = false, true
	s.say(replyReady)
}

// path is what stands between < and > of "FROM:<…>" and "TO:<…>".
func path(argument []byte) []byte {
	_, after, _ := bytes.Cut(argument, []byte("<"))
	before, _, _ := bytes.Cut(after, []byte(">"))
	return before
}

func (s *session) rcpt(address []byte) {
	s.to = append(s.to, s.tally.recipient(address))
	if s.sample != nil {
		s.sample.Recipients = append(s.sample.Recipients, string(address))
	}
	s.say(replyOK)
}

func (s *session) begin() {
	s.content.begin(s.sample)
	s.inContent = true
	s.say(replyGo)
}

// finish counts the message and says that it is taken.
func (s *session) finish() {
	s.tally.arrived(s.content.octets-int64(len(".\r\n")), s.to)
	if s.sample != nil {
		s.tally.keep(s.sample)
	}
	s.inContent = false
	s.reset()
	s.say(replyOK)
}

// end is told that the connection is gone.
func (s *session) end() {
	if s.inContent {
		s.tally.broken++
	}
}

func (s *session) reset() {
	s.to, s.sample = s.to[:0], nil
}

func (s *session) say(reply string) { s.out = append(s.out, reply...) }
