package wire

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
)

// headerStep is how much of a message ReadHeader copies at a time; most headers fit.
const headerStep = 4 << 10

// ReadHeader reads the header of a message, the blank line included, into buf, which grows as needed up to l.Header.
// What Content.Next returns afterwards is the body.
//
// ErrMalformedHeader: a line is no field and continues none, there is no field at all, or a limit is exceeded; the
// rest of the message has to be drained. Other errors are those of Content.Next.
func ReadHeader(c *Content, buf []byte, l Limits) (Header, error) {
	check := headerCheck{limits: l.withDefaults()}
	for buf = buf[:0]; ; {
		chunk, err := c.peek()
		if errors.Is(err, io.EOF) {
			return check.header(buf)
		}
		if err != nil {
			return Header{}, err
		}
		step := chunk[:min(len(chunk), headerStep)]
		buf = append(buf, step...)
		done, err := check.lines(buf)
		if err != nil {
			return Header{}, err
		}
		body := len(buf) - check.at // what was copied in excess
		if done {
			c.pending = chunk[len(step)-body:]
			return check.header(buf[:check.at])
		}
		c.pending = chunk[len(step):]
	}
}

// headerCheck walks over the lines of a header while it arrives.
type headerCheck struct {
	limits Limits
	at     int // where the first line begins that was not checked
	fields int
}

// lines checks those lines of b that are complete. done: the blank line was among them.
func (h *headerCheck) lines(b []byte) (done bool, err error) {
	for {
		line, complete := cutLine(b[h.at:])
		if h.at+len(line) > h.limits.Header {
			return false, fmt.Errorf("%w: more than %d octets", ErrMalformedHeader, h.limits.Header)
		}
		if !complete {
			return false, nil
		}
		h.at += len(line)
		if isBlank(line) {
			return true, nil
		}
		if err := h.line(line); err != nil {
			return false, err
		}
	}
}

func (h *headerCheck) line(line []byte) error {
	switch {
	case h.fields > 0 && isContinuation(line):
		return nil
	case len(fieldName(line)) == 0:
		return fmt.Errorf("%w: no field name in the line after field %d", ErrMalformedHeader, h.fields)
	case h.fields == h.limits.Fields:
		return fmt.Errorf("%w: more than %d fields", ErrMalformedHeader, h.fields)
	}
	h.fields++
	return nil
}

func (h *headerCheck) header(raw []byte) (Header, error) {
	if h.fields == 0 {
		return Header{}, fmt.Errorf("%w: no field", ErrMalformedHeader)
	}
	return Header{Raw: raw}, nil
}

// Header is the header of a message.
type Header struct {
	// Raw is every line as on the wire, with the blank line at its end. A message without a body may lack that
	// (RFC 5322 section 3.5).
	Raw []byte
}

// Fields are the fields in the order in which they stand.
func (h Header) Fields() iter.Seq[Field] {
	return func(yield func(Field) bool) {
		for f, rest := nextField(h.Raw); len(f.Raw) > 0; f, rest = nextField(rest) {
			if !yield(f) {
				return
			}
		}
	}
}

// Count is how many fields have the name, in any case of letters.
func (h Header) Count(name string) int {
	n := 0
	for f, rest := nextField(h.Raw); len(f.Raw) > 0; f, rest = nextField(rest) {
		if f.Is(name) {
			n++
		}
	}
	return n
}

// First is the value of the topmost field of the name.
func (h Header) First(name string) (string, bool) {
	for f, rest := nextField(h.Raw); len(f.Raw) > 0; f, rest = nextField(rest) {
		if f.Is(name) {
			return f.Value(), true
		}
	}
	return "", false
}

// Values are the values of all fields of the name, from the top.
func (h Header) Values(name string) []string {
	var values []string
	for f := range h.Fields() {
		if f.Is(name) {
			values = append(values, f.Value())
		}
	}
	return values
}

// Without is the header without the fields of these names, in any case of letters; their folded lines go with them, and
// nothing else changes by an octet.
func (h Header) Without(names ...string) Header {
	left := Header{Raw: make([]byte, 0, len(h.Raw))}
	f, rest := nextField(h.Raw)
	for ; len(f.Raw) > 0; f, rest = nextField(rest) {
		if !slices.ContainsFunc(names, f.Is) {
			left.Raw = append(left.Raw, f.Raw...)
		}
	}
	left.Raw = append(left.Raw, rest...)
	return left
}

// Field is one field of a header.
type Field struct {
	Raw []byte // its lines as on the wire, with every CRLF
}

// Name is the field's name as it is written.
func (f Field) Name() string { return string(fieldName(f.Raw)) }

// Is tells whether the field has the name, in any case of letters.
func (f Field) Is(name string) bool {
	own := fieldName(f.Raw)
	return len(own) == len(name) && strings.EqualFold(string(own), name)
}

// Value is the field's body, unfolded (RFC 5322 section 2.2.3) and without blanks around it. It is not decoded.
func (f Field) Value() string {
	line, rest := cutCRLF(f.Raw)
	_, first, _ := bytes.Cut(line, []byte(":"))
	value := slices.Clip(first) // what is appended must not overwrite the header
	for len(rest) > 0 {
		line, rest = cutCRLF(rest)
		value = append(value, unstuffLine(line)...)
	}
	return string(bytes.Trim(value, " \t"))
}

// nextField splits off the field that b, a rest of a checked header, begins with; none at the blank line.
func nextField(b []byte) (f Field, rest []byte) {
	n := 0
	for n < len(b) {
		line, _ := cutLine(b[n:])
		if isBlank(line) || n > 0 && !isContinuation(line) {
			break
		}
		n += len(line)
	}
	return Field{Raw: b[:n]}, b[n:]
}

func cutCRLF(b []byte) (line, rest []byte) {
	line, rest, _ = bytes.Cut(b, []byte("\r\n"))
	return line, rest
}

func isBlank(line []byte) bool { return string(line) == "\r\n" }

// isContinuation looks behind a dot of transparency, as fieldName does: the upstream will.
func isContinuation(line []byte) bool {
	line = unstuffLine(line)
	return len(line) > 0 && (line[0] == ' ' || line[0] == '\t')
}

// fieldName is the name of the field that line begins; empty where it begins none. Blanks before the colon are
// obsolete but to be accepted (RFC 5322 section 4.5.8), and they hide no field from us.
func fieldName(line []byte) []byte {
	line = unstuffLine(line)
	n := 0
	for n < len(line) && isFtext(line[n]) {
		n++
	}
	end := n
	for end < len(line) && (line[end] == ' ' || line[end] == '\t') {
		end++
	}
	if end == len(line) || line[end] != ':' {
		return nil
	}
	return line[:n]
}

// isFtext: the characters of a field name (RFC 5322 section 3.6.8).
func isFtext(c byte) bool { return '!' <= c && c <= '~' && c != ':' }
