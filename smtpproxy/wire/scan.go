package wire

import (
	"bytes"
	"strings"
)

// endOfData is the line that ends a message (RFC 5321 section 4.1.1.4). It is one only where a line begins.
const endOfData = ".\r\n"

// scanner follows a message through the chunks in which it arrives and finds its end. It leaves a CR at the end of a
// chunk, and a line that may become endOfData, for the next one; so all that it must remember is whether a line
// begins there.
type scanner struct {
	lineStart bool // nothing was scanned yet, or CRLF just now
}

// span is what a scanner has found at the beginning of a chunk.
type span struct {
	n    int  // so many octets are message for certain
	end  bool // then comes endOfData
	bare bool // among the octets is a CR or LF by itself
	dots int  // so many of the octets are dots of transparency
}

// next scans a chunk, which begins where the last span ended. Where n is 0 without end, more is needed.
//
// Lines are found by their LF, a vector search. That shows a LF by itself; a CR by itself shows in the count: there
// are as many CRs as line ends, or one of them is astray.
func (s *scanner) next(b []byte) (found span) {
	n, lines, lineStart := 0, 0, s.lineStart
	for {
		if lineStart && n < len(b) && b[n] == '.' {
			if found.end = bytes.HasPrefix(b[n:], []byte(endOfData)); found.end || mayBecomeEnd(b[n:]) {
				break
			}
			found.dots++
		}
		lf := bytes.IndexByte(b[n:], '\n')
		if lf < 0 {
			tail := len(bytes.TrimSuffix(b[n:], []byte("\r")))
			n, lineStart = n+tail, lineStart && tail == 0
			break
		}
		n += lf + 1
		if lineStart = lf > 0 && b[n-2] == '\r'; lineStart {
			lines++
		} else {
			found.bare = true
		}
	}
	s.lineStart = lineStart
	found.n = n
	found.bare = found.bare || bytes.Count(b[:n], []byte("\r")) != lines
	return found
}

// mayBecomeEnd: b is too short to tell whether it is endOfData.
func mayBecomeEnd(b []byte) bool {
	return len(b) < len(endOfData) && strings.HasPrefix(endOfData, string(b))
}

// normaliser rewrites a message with CRs or LFs by themselves (see Normalise). It takes the dots of transparency
// off the lines it rewrites and puts them where its own lines need them: otherwise "LF . CRLF" would become an end of
// data on the way (SMTP smuggling).
type normaliser struct {
	out       []byte
	lineStart bool // nothing was handed out yet, or CRLF just now
}

// next rewrites a span b, at whose beginning lineStart held for the scanner. A span in order is handed out as it is.
func (n *normaliser) next(b []byte, lineStart, bare bool) []byte {
	if !bare && lineStart == n.lineStart {
		n.lineStart = lineStart && len(b) == 0 || bytes.HasSuffix(b, []byte("\r\n"))
		return b
	}
	n.out = n.out[:0]
	for len(b) > 0 {
		if lineStart && b[0] == '.' {
			b, lineStart = b[1:], false
			continue
		}
		text := b
		if i := bytes.IndexAny(b, "\r\n"); i >= 0 {
			text = b[:i]
		}
		n.text(text)
		b = b[len(text):]
		end := lineEnd(b)
		if bytes.HasSuffix(end, []byte("\n")) {
			n.out, n.lineStart = append(n.out, "\r\n"...), true
		}
		b, lineStart = b[len(end):], len(end) == len("\r\n")
	}
	return n.out
}

// text hands out octets of one line.
func (n *normaliser) text(b []byte) {
	if len(b) == 0 {
		return
	}
	if n.lineStart && b[0] == '.' {
		n.out = append(n.out, '.')
	}
	n.out, n.lineStart = append(n.out, b...), false
}

// lineEnd is the CRLF, CR or LF that b begins with; empty where b is.
func lineEnd(b []byte) []byte {
	if bytes.HasPrefix(b, []byte("\r\n")) {
		return b[:2]
	}
	return b[:min(1, len(b))]
}
