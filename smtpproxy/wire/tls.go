package wire

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"
)

// StartTLS sends queued replies (the 220) and becomes the server's side of TLS. On a listener that speaks TLS from
// the start it is called before the greeting. Plaintext that arrived behind STARTTLS is ErrPlaintext, and nothing is
// sent. After any error the connection can only be closed.
func (c *Conn) StartTLS(config *tls.Config) error {
	if c.Buffered() {
		c.broken = ErrPlaintext
		return ErrPlaintext
	}
	if err := c.Flush(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.o.Handshake)
	defer cancel()
	conn := tls.Server(c.raw, config)
	if err := c.handshake(ctx, conn); err != nil {
		c.broken = fmt.Errorf("TLS handshake: %w", err)
		return c.broken
	}
	c.nc = conn
	return nil
}

// handshake clears the deadlines of earlier reads and writes first: the context's holds.
func (c *Conn) handshake(ctx context.Context, conn *tls.Conn) error {
	if err := c.raw.SetDeadline(time.Time{}); err != nil {
		return err
	}
	return conn.HandshakeContext(ctx)
}

// TLS tells whether the connection is encrypted, and how.
func (c *Conn) TLS() (tls.ConnectionState, bool) {
	conn, ok := c.nc.(*tls.Conn)
	if !ok {
		return tls.ConnectionState{}, false
	}
	return conn.ConnectionState(), true
}
