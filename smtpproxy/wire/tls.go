package wire

import (
	"context"
	"crypto/tls"
	"fmt"
	"time"
)

// StartTLS sends queued replies (the 220) and becomes the server's side of TLS. On a listener that speaks TLS from
// the start it is called before the greeting.
//
// ErrPlaintext: plaintext arrived behind STARTTLS; the 220 is withdrawn, the session may answer otherwise and has to
// close. After any other error nothing can be sent or read any more.
func (c *Conn) StartTLS(config *tls.Config) error {
	if c.Buffered() {
		c.out = nil
		c.broken = ErrPlaintext
		return c.broken
	}
	if err := c.Flush(); err != nil {
		return err
	}
	conn := tls.Server(c.raw, config)
	if err := c.handshake(conn); err != nil {
		c.broken = fmt.Errorf("tls handshake: %w", err)
		c.writeErr = c.broken // never in plaintext what was meant for TLS
		return c.broken
	}
	c.nc, c.idle = conn, nil // what TLS has decrypted does not show at the socket
	return nil
}

// handshake is bounded by Options.Handshake; deadlines of earlier reads and writes end.
func (c *Conn) handshake(conn *tls.Conn) error {
	if err := c.raw.SetDeadline(time.Time{}); err != nil {
		return err
	}
	c.writeBy, c.readBy = WriteDeadline{}, time.Time{}
	ctx, cancel := context.WithTimeout(context.Background(), c.o.Handshake)
	defer cancel()
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
