//go:build linux

package load

import (
	"context"
	"crypto/tls"
	"fmt"
)

// Sessions are connections that are open at the same time.
type Sessions []*Conn

// Open opens n sessions, as far as EHLO.
func Open(addr string, n int) (Sessions, error) {
	return open(n, func() (*Conn, error) { return Dial(addr) })
}

// OpenTLS opens n sessions in TLS.
func OpenTLS(ctx context.Context, addr string, config *tls.Config, n int) (Sessions, error) {
	return open(n, func() (*Conn, error) { return DialTLS(ctx, addr, config) })
}

func open(n int, dial func() (*Conn, error)) (Sessions, error) {
	var all Sessions
	for i := range n {
		c, err := dial()
		if err != nil {
			all.Close()
			return nil, fmt.Errorf("session %d of %d: %w", i+1, n, err)
		}
		all = append(all, c)
	}
	return all, nil
}

// Send sends a message on each session, one after another.
func (s Sessions) Send(from string, size int) error {
	content := Message(size, "idle")
	for i, c := range s {
		if err := c.stepwise(newTransaction(from, content, Address(i+1, Recipients))); err != nil {
			return fmt.Errorf("session %d: %w", i+1, err)
		}
	}
	return nil
}

// Close closes all sessions.
func (s Sessions) Close() {
	for _, c := range s {
		c.Close()
	}
}
