package wire

import "bytes"

// Stuff puts the dots of transparency into text, whose lines end with CRLF (RFC 5321 section 4.5.2): what goes
// between 354 and the end of data. It is for mail of our own; a relayed message is stuffed already.
func Stuff(text []byte) []byte {
	stuffed := bytes.ReplaceAll(text, []byte("\r\n."), []byte("\r\n.."))
	if bytes.HasPrefix(text, []byte(".")) {
		stuffed = append([]byte("."), stuffed...)
	}
	return stuffed
}

// Unstuff takes the dots of transparency out of lines as they are on the wire.
func Unstuff(wire []byte) []byte {
	return bytes.ReplaceAll(unstuffLine(wire), []byte("\r\n."), []byte("\r\n"))
}

// unstuffLine does so for the first line only, without copying.
func unstuffLine(line []byte) []byte {
	if len(line) > 0 && line[0] == '.' {
		return line[1:]
	}
	return line
}
