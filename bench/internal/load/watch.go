//go:build linux

package load

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"time"
)

// watchPeriod is the time between two messages of a Watch: often enough to meet every phase of a run, and too seldom to
// show in its figures.
const watchPeriod = 100 * time.Millisecond

// Watch sends mixed envelopes while something else is measured: two recipients who consented and, between them, one who
// has withdrawn. A gate refuses that one with 550, and the others get the message.
type Watch struct {
	Addr    string
	From    string
	Size    int         // octets of a message
	Decides bool        // the target asks for consent; to others the withdrawn recipient is not named
	TLS     *tls.Config // nil: in the clear
}

// Sent is what a Watch has sent.
type Sent struct {
	Messages   int
	Recipients int // who must have got one
}

// Run sends until ctx ends, and at least once. The error is a reply that is not what a gate, or a mailer, says.
func (w Watch) Run(ctx context.Context) (Sent, error) {
	var sent Sent
	c, err := w.dial(ctx)
	if err != nil {
		return sent, fmt.Errorf("watch: %w", err)
	}
	started := time.Now().UnixNano()
	ticker := time.NewTicker(watchPeriod)
	defer ticker.Stop()
	for {
		// No two messages are the same: a gate takes the same one for a retry.
		id := fmt.Sprintf("%d.%d", started, sent.Messages)
		if err := w.one(c, sent.Messages, Message(w.Size, id)); err != nil {
			c.Close()
			return sent, fmt.Errorf("watch, message %d: %w", sent.Messages+1, err)
		}
		sent.Messages++
		sent.Recipients += 2
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return sent, c.Quit()
		}
	}
}

func (w Watch) dial(ctx context.Context) (*Conn, error) {
	if w.TLS == nil {
		return Dial(w.Addr)
	}
	return DialTLS(context.WithoutCancel(ctx), w.Addr, w.TLS)
}

func (w Watch) one(c *Conn, i int, content []byte) error {
	if err := c.command("MAIL FROM:<"+w.From+">", 250); err != nil {
		return err
	}
	if err := c.command("RCPT TO:<"+Address(2*i+1, Watched)+">", 250); err != nil {
		return err
	}
	if err := w.trespass(c, i); err != nil {
		return err
	}
	if err := c.command("RCPT TO:<"+Address(2*i+2, Watched)+">", 250); err != nil {
		return err
	}
	return c.data(newTransaction(w.From, content))
}

// trespass names somebody who has withdrawn.
func (w Watch) trespass(c *Conn, i int) error {
	if !w.Decides {
		return nil
	}
	if err := c.command("RCPT TO:<"+Address(i%Trespassers+1, Withdrawn)+">", 550); err != nil {
		return errors.Join(errors.New("a recipient who has withdrawn is not refused"), err)
	}
	return nil
}

// How many numbers a Watch uses of each series; it does not run long enough to send more.
const (
	Watchers    = 1_200
	Trespassers = 200
)
