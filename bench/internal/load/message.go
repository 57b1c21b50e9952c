//go:build linux

package load

import (
	"fmt"
	"strings"
)

// Address is number n of a series.
func Address(n int, series string) string { return fmt.Sprintf("%d%s@bench.test", n, series) }

// Message is a text of about size octets that says nothing, ready for DATA: with CRLF, and without the dot. Its body
// depends on the size alone.
func Message(size int, id string) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "From: News <news@bench.test>\r\nTo: Reader <reader@bench.test>\r\nSubject: What happened in November\r\n"+
		"Date: Mon, 23 Nov 2026 10:00:00 +0000\r\nMessage-ID: <%s@bench.test>\r\nMIME-Version: 1.0\r\n"+
		"Content-Type: text/plain; charset=utf-8\r\n\r\n", id)
	for line := 1; line*textLine < size; line++ {
		fmt.Fprintf(&b, "Line %5d of a message that is as long as others are and as dull as it has to be.\r\n", line)
	}
	return []byte(b.String())
}

// textLine is about the length of a line, in octets.
const textLine = 84

// Body is what stands behind the empty line that ends a header.
func Body(content []byte) string {
	_, body, _ := strings.Cut(string(content), "\r\n\r\n")
	return body
}

// transaction is one message to one recipient or more.
type transaction struct {
	from    string
	to      []string
	content []byte // with the dot that ends it
}

func newTransaction(from string, content []byte, to ...string) transaction {
	return transaction{from: from, to: to, content: dotted(content)}
}

// dotted is content with the dot that ends it.
func dotted(content []byte) []byte { return append(append([]byte(nil), content...), ".\r\n"...) }

// stepwise waits for every reply, as most clients do.
func (c *Conn) stepwise(t transaction) error {
	if err := c.command("MAIL FROM:<"+t.from+">", 250); err != nil {
		return err
	}
	for _, to := range t.to {
		if err := c.command("RCPT TO:<"+to+">", 250); err != nil {
			return err
		}
	}
	return c.data(t)
}

// pipelined sends the envelope in one write (RFC 2920).
func (c *Conn) pipelined(t transaction) error {
	var b strings.Builder
	b.WriteString("MAIL FROM:<" + t.from + ">\r\n")
	for _, to := range t.to {
		b.WriteString("RCPT TO:<" + to + ">\r\n")
	}
	b.WriteString("DATA\r\n")
	if err := c.write([]byte(b.String())); err != nil {
		return err
	}
	for range 1 + len(t.to) {
		if err := c.expect(250); err != nil {
			return err
		}
	}
	return c.content(t)
}

func (c *Conn) data(t transaction) error {
	if err := c.write([]byte("DATA\r\n")); err != nil {
		return err
	}
	return c.content(t)
}

func (c *Conn) content(t transaction) error {
	if err := c.expect(354); err != nil {
		return err
	}
	if err := c.write(t.content); err != nil {
		return err
	}
	return c.expect(250)
}
