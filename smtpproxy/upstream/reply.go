package upstream

import (
	"bufio"
	"errors"
	"fmt"
	"strings"

	"github.com/emersion/go-smtp"
)

// maxReply bounds one reply, all its lines together, in bytes.
const maxReply = 64 << 10

// errMalformed: what came is no reply of RFC 5321 section 4.2, so nobody knows which command it answers.
var errMalformed = errors.New("malformed reply")

// Reply is an upstream's answer to one command; the zero Reply belongs to a command that was not sent.
type Reply struct {
	Code     int               // 200 to 599
	Enhanced smtp.EnhancedCode // RFC 3463; zero (smtp.EnhancedCodeNotSet) where the reply has none
	// Text holds the lines joined by "\n", without code and enhanced code. Control characters are replaced by "?".
	Text string
}

// Positive reports a 2xx reply: accepted.
func (r Reply) Positive() bool { return r.Code/100 == 2 }

// Transient reports a 4xx reply: refused for the moment.
func (r Reply) Transient() bool { return r.Code/100 == 4 }

// Permanent reports a 5xx reply: refused for good.
func (r Reply) Permanent() bool { return r.Code/100 == 5 }

// String is the reply on one line, as it stood on the wire: "550 5.1.1 no such mailbox".
func (r Reply) String() string {
	return strings.TrimRight(r.codes()+" "+strings.ReplaceAll(r.Text, "\n", " / "), " ")
}

// codes leaves the text out, which may hold an address.
func (r Reply) codes() string {
	if r.Enhanced == smtp.EnhancedCodeNotSet {
		return fmt.Sprint(r.Code)
	}
	return fmt.Sprintf("%d %d.%d.%d", r.Code, r.Enhanced[0], r.Enhanced[1], r.Enhanced[2])
}

// readReply reads one reply of one or more lines (RFC 5321 section 4.2.1). Lines may end in LF alone.
func readReply(br *bufio.Reader) (Reply, error) {
	room := maxReply
	line, more, err := readReplyLine(br, &room)
	if err != nil {
		return Reply{}, err
	}
	r := Reply{Code: line.number()}
	r.Enhanced, line.text = cutEnhanced(r.Code, line.text)
	r.Text = printable(line.text)
	if more {
		err = r.readRest(br, &room)
	}
	return r, err
}

// readRest reads the lines behind the first one; the enhanced code may stand on each of them.
func (r *Reply) readRest(br *bufio.Reader, room *int) error {
	var text strings.Builder
	text.WriteString(r.Text)
	for more := true; more; {
		var line replyLine
		var err error
		if line, more, err = readReplyLine(br, room); err != nil {
			return err
		}
		if line.number() != r.Code {
			return fmt.Errorf("%w: codes %d and %d in one reply", errMalformed, r.Code, line.number())
		}
		if code, rest := cutEnhanced(r.Code, line.text); code == r.Enhanced {
			line.text = rest
		}
		text.WriteByte('\n')
		text.WriteString(printable(line.text))
	}
	r.Text = text.String()
	return nil
}

// replyLine is one line of a reply, valid until the next read.
type replyLine struct {
	code [3]byte
	text []byte
}

func (l replyLine) number() int {
	return int(l.code[0]-'0')*100 + int(l.code[1]-'0')*10 + int(l.code[2]-'0')
}

// readReplyLine reads a line and takes its length off room; more says that the reply goes on.
func readReplyLine(br *bufio.Reader, room *int) (l replyLine, more bool, err error) {
	raw, err := readLine(br, room)
	if err != nil {
		return l, false, err
	}
	if n := copy(l.code[:], raw); n < len(l.code) || !isReplyCode(l.code) {
		return l, false, fmt.Errorf("%w: no reply code", errMalformed)
	}
	if raw = raw[len(l.code):]; len(raw) == 0 {
		return l, false, nil
	}
	if raw[0] != ' ' && raw[0] != '-' {
		return l, false, fmt.Errorf("%w: %q after the code", errMalformed, raw[0])
	}
	l.text = raw[1:]
	return l, raw[0] == '-', nil
}

// readLine returns a line without its end. Only a line longer than the reader's buffer is copied.
func readLine(br *bufio.Reader, room *int) ([]byte, error) {
	line, err := br.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		line = append([]byte(nil), line...)
		for errors.Is(err, bufio.ErrBufferFull) && len(line) <= *room {
			var part []byte
			part, err = br.ReadSlice('\n')
			line = append(line, part...)
		}
	}
	if *room -= len(line); *room < 0 {
		return nil, fmt.Errorf("%w: longer than %d bytes", errMalformed, maxReply)
	}
	if err != nil {
		return nil, err
	}
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line, nil
}

func isReplyCode(c [3]byte) bool {
	return '2' <= c[0] && c[0] <= '5' && isDigit(c[1]) && isDigit(c[2])
}

func isDigit(b byte) bool { return '0' <= b && b <= '9' }

// cutEnhanced takes an enhanced status code of the reply's own class off the front of text (RFC 2034 section 4).
func cutEnhanced(code int, text []byte) (smtp.EnhancedCode, []byte) {
	var e smtp.EnhancedCode
	rest := text
	for i := range e {
		n := 0
		for n < len(rest) && n < 3 && isDigit(rest[n]) {
			e[i] = e[i]*10 + int(rest[n]-'0')
			n++
		}
		end := byte('.')
		if i == len(e)-1 {
			end = ' '
		}
		switch {
		case n == 0:
			return smtp.EnhancedCodeNotSet, text
		case n < len(rest) && rest[n] == end:
			rest = rest[n+1:]
		case n == len(rest) && end == ' ':
			rest = nil
		default:
			return smtp.EnhancedCodeNotSet, text
		}
	}
	if e[0] != code/100 || e[0] == 3 {
		return smtp.EnhancedCodeNotSet, text
	}
	return e, rest
}

// printable copies text; a reply must not carry a line break or escape sequence to whoever shows it.
func printable(text []byte) string {
	for _, b := range text {
		if b < ' ' || b == 0x7f {
			return strings.Map(maskControl, string(text))
		}
	}
	return string(text)
}

func maskControl(r rune) rune {
	if r < ' ' || r == 0x7f {
		return '?'
	}
	return r
}
