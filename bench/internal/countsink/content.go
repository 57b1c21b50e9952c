//go:build linux

package countsink

import "bytes"

const endOfData = "\r\n.\r\n" // RFC 5321 section 4.1.1.4

// content is a message's content on its way in.
type content struct {
	tail   []byte // the last octets that were seen, fewer than endOfData has; CRLF before the first
	octets int64
	sample *Sample // nil: nobody looks at this one
}

// begin prepares for the octets behind 354.
func (c *content) begin(sample *Sample) {
	c.tail = append(c.tail[:0], "\r\n"...)
	c.octets = 0
	c.sample = sample
}

// take looks for the end of the content in p and returns how much of p belongs to it.
func (c *content) take(p []byte) (n int, end bool) {
	if n, end = c.find(p); end {
		c.keep(p[:n])
		return n, true
	}
	c.keep(p)
	if len(p) >= len(endOfData)-1 {
		c.tail = append(c.tail[:0], p[len(p)-len(endOfData)+1:]...)
	} else {
		c.tail = append(c.tail, p...)
		c.tail = c.tail[max(0, len(c.tail)-len(endOfData)+1):]
	}
	return len(p), false
}

// find returns the position behind the end of data: one that began in an earlier piece, or one in p.
func (c *content) find(p []byte) (n int, end bool) {
	var seam [2 * len(endOfData)]byte
	s := append(seam[:0], c.tail...)
	s = append(s, p[:min(len(p), len(endOfData)-1)]...)
	if i := bytes.Index(s, []byte(endOfData)); i >= 0 {
		return i + len(endOfData) - len(c.tail), true
	}
	if i := bytes.Index(p, []byte(endOfData)); i >= 0 {
		return i + len(endOfData), true
	}
	return 0, false
}

func (c *content) keep(p []byte) {
	c.octets += int64(len(p))
	if c.sample == nil {
		return
	}
	room := sampleSize - len(c.sample.Content)
	if len(p) > room {
		p, c.sample.Cut = p[:room], true
	}
	c.sample.Content = append(c.sample.Content, p...)
}
