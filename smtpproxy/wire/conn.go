package wire

import (
	"cmp"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"time"
)

// Conn is the server's end of an SMTP connection. One goroutine at a time uses it.
type Conn struct {
	raw net.Conn // as accepted
	nc  net.Conn // raw, or TLS on top of it
	o   Options

	in      input
	idle    *awaiter // of nc; nil where it has none
	content Content
	broken  error // no command may be read any more

	out      []byte // replies queued
	writeErr error
	writeBy  WriteDeadline
	readBy   time.Time // the read deadline that stands, unless Interrupt has set another
	restBy   time.Time // the time of the next line, where Rest has set it

	interrupted atomic.Bool
}

// NewConn speaks SMTP on nc. Nothing is read or written yet.
func NewConn(nc net.Conn, o Options) *Conn {
	c := &Conn{raw: nc, nc: nc, o: o.withDefaults()}
	c.idle = newAwaiter(nc, c.o.Buffers)
	return c
}

// Configure takes other options, from the next command or message on. It is called between them.
func (c *Conn) Configure(o Options) {
	c.o = o.withDefaults()
	c.writeBy, c.readBy = WriteDeadline{}, time.Time{}
}

// Buffered tells whether more input has arrived already.
func (c *Conn) Buffered() bool { return len(c.in.unread()) > 0 }

// Interrupt makes a Next or AuthLine that waits for the client, or the next one that would, return ErrInterrupted;
// reading a message goes on undisturbed. It may be called from any goroutine, e.g. to tell idle sessions 421.
func (c *Conn) Interrupt() {
	c.interrupted.Store(true)
	_ = c.raw.SetReadDeadline(time.Unix(1, 0)) // fails on a closed connection: nothing waits there
}

// Rest sends what is queued, sets the time in which the next command has to come, and reports whether Await can wait for
// it. It is called between commands; all that goes wrong is told by Next.
func (c *Conn) Rest() bool {
	c.in.settle(c.o.Buffers)
	if !c.canAwait() || c.Flush() != nil {
		return false
	}
	c.restBy = c.o.Now().Add(c.o.Idle)
	return c.readUntil(c.restBy, true) == nil
}

// Await waits after a Rest until there is something that Next has to take or to tell. It needs so little of a stack that
// a goroutine which does nothing else never has to enlarge the one it was born with.
func (c *Conn) Await() {
	if !c.interrupted.Load() { // after the deadline is set: see Interrupt
		_ = c.idle.read(&c.in) // Next runs into the same error
	}
}

// NetConn is the connection as it was accepted, below any TLS. Closing it from another goroutine ends the session.
func (c *Conn) NetConn() net.Conn { return c.raw }

// RemoteAddr is the client's address.
func (c *Conn) RemoteAddr() net.Addr { return c.raw.RemoteAddr() }

// Close closes the connection without sending what is queued. Slices that Content handed out end with it.
func (c *Conn) Close() error {
	c.in.skip(len(c.in.unread()))
	c.in.settle(c.o.Buffers)
	c.broken = cmp.Or(c.broken, net.ErrClosed)
	return c.nc.Close()
}

// read waits for more input until deadline, once queued replies have left.
func (c *Conn) read(deadline time.Time, interruptible bool) error {
	if err := c.Flush(); err != nil {
		return err
	}
	for {
		if err := c.readUntil(deadline, interruptible); err != nil {
			return err
		}
		if interruptible && c.interrupted.Swap(false) { // after the deadline is set: see Interrupt
			return ErrInterrupted
		}
		err := c.receive()
		early := errors.Is(err, os.ErrDeadlineExceeded) && c.o.Now().Before(deadline)
		if !early { // else it was Interrupt's, perhaps of one that a read before this one told of
			return err
		}
		c.readBy = time.Time{}
	}
}

// readUntil sets the read deadline, for commands up to a quarter of Options.Idle late: so it stands for those of a
// whole message, and a timer costs as much as a small write.
func (c *Conn) readUntil(deadline time.Time, command bool) error {
	var late time.Duration
	if command {
		late = c.o.Idle / 4
	}
	if over := c.readBy.Sub(deadline); over >= 0 && over <= late {
		return nil
	}
	c.readBy = deadline.Add(late)
	return c.raw.SetReadDeadline(c.readBy)
}

// Passing is a connection that looks at the octets that come first, and then only passes on.
type Passing interface {
	net.Conn
	// Through is the connection below once nothing is looked at any more, nil until then.
	Through() net.Conn
}

// receive reads once. Where nothing is unread it waits without a buffer, if the socket allows that.
func (c *Conn) receive() error {
	if c.canAwait() {
		return c.idle.read(&c.in)
	}
	return c.in.read(c.nc, c.o.Buffers)
}

// canAwait tells whether nothing is unread and the socket can be waited for without a buffer.
func (c *Conn) canAwait() bool {
	if p, ok := c.nc.(Passing); ok && p.Through() != nil {
		c.nc = p.Through()
		c.idle = newAwaiter(c.nc, c.o.Buffers)
	}
	return c.idle != nil && c.in.buf == nil
}
