//go:build linux

package peers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"

	"github.com/consentgate/consentgate/gate"
)

// Policy is a policy service for Postfix (SMTPD_POLICY_README): one recipient a question, asked when RCPT comes.
type Policy struct {
	Records gate.Reader
	Keys    interface{ ID(gate.Address) gate.ID }
	Purpose string
}

// Serve answers every connection until ctx ends, and closes the listener then.
func (p Policy) Serve(ctx context.Context, l net.Listener) error {
	var conns sync.WaitGroup
	defer conns.Wait()
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	for {
		c, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil:
			return err
		}
		conns.Go(func() {
			defer c.Close()
			defer context.AfterFunc(ctx, func() { _ = c.Close() })()
			_ = p.answer(ctx, c) // Postfix has gone, or will ask again
		})
	}
}

// answer reads attributes up to an empty line, and answers each such question.
func (p Policy) answer(ctx context.Context, c io.ReadWriter) error {
	lines, recipient := bufio.NewScanner(c), ""
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), "=")
		switch name {
		case "recipient":
			recipient = value
		case "":
			if _, err := fmt.Fprintf(c, "action=%s\n\n", p.action(ctx, recipient)); err != nil {
				return err
			}
		}
	}
	return lines.Err()
}

func (p Policy) action(ctx context.Context, recipient string) string {
	a, err := gate.ParseAddress(recipient)
	if err != nil {
		return "553 5.1.3 Not an address"
	}
	l := p.Records.Records(ctx, []gate.ID{p.Keys.ID(a)})[0]
	switch {
	case errors.Is(l.Err, gate.ErrUnavailable):
		return "451 4.3.0 Try again"
	case strings.HasPrefix(string(l.Record.Consents[p.Purpose].State), "active_"):
		return "DUNNO"
	}
	return "550 5.7.1 No consent"
}
