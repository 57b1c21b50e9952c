package wire

import (
	"errors"
	"fmt"
)

// maxLine is the length of a header line without its CRLF (RFC 5322 section 2.1.1).
const maxLine = 998

// ErrBadField: a header field cannot be written as it was given.
var ErrBadField = errors.New("bad header field")

// Lines builds header fields that go on top of a message, above everything that stands there: no other place keeps
// trace fields in order and signatures valid. The zero value is empty.
type Lines struct {
	buf []byte
}

// Add appends a field on one line. An error wraps ErrBadField, and nothing is appended: the name is none of RFC 5322,
// or begins with a dot; the value is blank, holds anything but printable ASCII, or makes the line longer than 998.
func (l *Lines) Add(name, value string) error { return l.AddFolded(name, value) }

// AddFolded appends a field with each part on a line of its own, behind a blank. Nothing else is folded: a URL is
// never cut. Errors are those of Add.
func (l *Lines) AddFolded(name string, parts ...string) error {
	if err := checkField(name, parts); err != nil {
		return err
	}
	l.buf = append(append(l.buf, name...), ':')
	for i, part := range parts {
		if i > 0 {
			l.buf = append(l.buf, '\r', '\n')
		}
		l.buf = append(append(l.buf, ' '), part...)
	}
	l.buf = append(l.buf, '\r', '\n')
	return nil
}

// Bytes are the lines so far, each with its CRLF; none begins with a dot. Valid until the next change.
func (l *Lines) Bytes() []byte { return l.buf }

// Reset empties l and keeps its memory.
func (l *Lines) Reset() { l.buf = l.buf[:0] }

func checkField(name string, parts []string) error {
	if name == "" || name[0] == '.' || len(parts) == 0 {
		return fmt.Errorf("%w: no name or no value", ErrBadField)
	}
	for i := range len(name) {
		if !isFtext(name[i]) {
			return fmt.Errorf("%w: character %q in name", ErrBadField, name[i])
		}
	}
	line := len(name) + len(":")
	for _, part := range parts {
		if err := checkPart(line, part); err != nil {
			return fmt.Errorf("%w of %s", err, name)
		}
		line = 0
	}
	return nil
}

// checkPart checks what follows line octets and a blank on one line.
func checkPart(line int, part string) error {
	blank := true
	for i := range len(part) {
		if part[i] < ' ' || part[i] > '~' {
			return fmt.Errorf("%w: character %q in value", ErrBadField, part[i])
		}
		blank = blank && part[i] == ' '
	}
	switch {
	case blank:
		return fmt.Errorf("%w: blank line in value", ErrBadField)
	case line+len(" ")+len(part) > maxLine:
		return fmt.Errorf("%w: line longer than %d in value", ErrBadField, maxLine)
	}
	return nil
}
