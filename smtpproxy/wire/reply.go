package wire

import (
	"strconv"
	"strings"

	"github.com/emersion/go-smtp"
)

// replyLine is the most octets of a reply line with its CRLF (RFC 5321 section 4.5.3.1.5).
const replyLine = 512

// Reply queues a reply, one line for each line of Message. The enhanced code (RFC 2034) stands on every line;
// smtp.EnhancedCodeNotSet becomes X.0.0 and smtp.NoEnhancedCode none, nor do 3xx replies have any. What is not
// printable ASCII becomes "?", and what exceeds the line limit is cut off: no text can add a line of its own.
func (c *Conn) Reply(r *smtp.SMTPError) {
	enhanced := enhancedCode(r)
	c.makeRoom()
	more := true
	for text, line := r.Message, ""; more; {
		line, text, more = strings.Cut(text, "\n")
		c.out = appendReply(c.out, r.Code, more, enhanced, line)
	}
}

// ReplyLines queues a reply without enhanced codes: the greeting, and the answer to EHLO (RFC 2034 section 4).
func (c *Conn) ReplyLines(code int, lines []string) {
	c.makeRoom()
	for i, line := range lines {
		c.out = appendReply(c.out, code, i < len(lines)-1, "", line)
	}
}

// Flush sends the queued replies in one write, within Options.Write. Once it failed it fails for good.
func (c *Conn) Flush() error {
	if c.writeErr != nil || len(c.out) == 0 {
		return c.writeErr
	}
	if c.writeErr = c.writeBy.Extend(c.raw, c.o.Now(), c.o.Write); c.writeErr != nil {
		return c.writeErr
	}
	_, c.writeErr = c.nc.Write(c.out)
	c.o.Buffers.giveBack(c.out)
	c.out = nil
	return c.writeErr
}

// makeRoom borrows the queue of replies for as long as it holds any.
func (c *Conn) makeRoom() {
	if c.out == nil {
		c.out = c.o.Buffers.borrow(smallBuffer)[:0]
	}
}

func enhancedCode(r *smtp.SMTPError) string {
	class := r.Code / 100
	if r.EnhancedCode == smtp.NoEnhancedCode || class == 3 {
		return ""
	}
	e := r.EnhancedCode
	if e == smtp.EnhancedCodeNotSet {
		e[0] = class
	}
	return strconv.Itoa(e[0]) + "." + strconv.Itoa(e[1]) + "." + strconv.Itoa(e[2])
}

func appendReply(b []byte, code int, more bool, enhanced, text string) []byte {
	start := len(b)
	b = strconv.AppendInt(b, int64(code), 10)
	if more {
		b = append(b, '-')
	} else {
		b = append(b, ' ')
	}
	if b = append(b, enhanced...); enhanced != "" && text != "" {
		b = append(b, ' ')
	}
	b = appendPrintable(b, text)
	b = b[:min(len(b), start+replyLine-len("\r\n"))]
	return append(b, '\r', '\n')
}

// appendPrintable appends s with "?" for every rune that is not printable ASCII; a CR at its end is dropped, since
// s is a line.
func appendPrintable(b []byte, s string) []byte {
	for _, r := range strings.TrimSuffix(s, "\r") {
		if r < ' ' || r > '~' {
			r = '?'
		}
		b = append(b, byte(r))
	}
	return b
}
