package smtptest

import "testing"

// Client is one connection that several dialogues are played on, with whatever a test does in between.
type Client struct {
	tb testing.TB
	d  *dialogue
}

// Dial connects to addr; the connection is closed when the test ends, if not before. u is what U lines look at and may
// be nil.
func Dial(tb testing.TB, addr string, u *Upstream) *Client {
	tb.Helper()
	conn, err := dial(tb.Context(), addr, lineTime)
	if err != nil {
		tb.Fatal(err)
	}
	c := &Client{tb: tb, d: newDialogue(conn, u, lineTime)}
	tb.Cleanup(c.Close)
	return c
}

// Play goes on with the dialogue and fails the test at the first line that does not hold.
func (c *Client) Play(text string) {
	c.tb.Helper()
	if err := c.d.play(c.tb.Name(), text); err != nil {
		c.tb.Fatal(err)
	}
}

// Close leaves without a word.
func (c *Client) Close() { _ = c.d.conn.Close() }
