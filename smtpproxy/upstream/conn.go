package upstream

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/consentgate/consentgate/smtpproxy/wire"
)

const (
	// writeSize is what a connection gathers before it writes; longer slices are written through.
	writeSize = 32 << 10
	// readSize holds the replies to an envelope of usual size.
	readSize = 2 << 10
	// quitTimeout bounds the farewell: nobody waits for its answer.
	quitTimeout = time.Second
)

// errGone: the connection ended without our will, or cannot be used any more though nothing was lost.
var errGone = errors.New("connection is over")

// conn is one SMTP connection. One goroutine uses it at a time.
type conn struct {
	features
	peer *peer
	tcp  net.Conn        // the socket; closing it ends everything at once
	nc   net.Conn        // tcp, or TLS upon it
	raw  syscall.RawConn // of tcp, for alive; nil where it has none
	r    *bufio.Reader

	buf  *[writeSize]byte // borrowed from the pool while the connection is in use
	out  []byte           // queued and not yet written; lives in buf
	pair [2][]byte        // backs vec
	vec  net.Buffers
	unto int64 // bytes ever queued
	sent int64 // bytes ever handed to the socket
	err  error // the first thing that went wrong; nothing is written after it

	unbind    func() bool // ends the hold of the context bound
	deadline  time.Duration
	armed     bool // the read deadline stands for the reply being read
	writeBy   wire.WriteDeadline
	kept      bool // answered an envelope or waited idle, so it may have grown stale
	reset     bool // a transaction stands open upstream: RSET before the next
	messages  int  // dots queued
	idleSince time.Time
}

func newConn(t *peer, nc net.Conn) *conn {
	c := &conn{peer: t, tcp: nc, unbind: unbound}
	if sc, ok := nc.(syscall.Conn); ok {
		c.raw, _ = sc.SyscallConn()
	}
	c.use(nc)
	return c
}

// use makes nc the way to the upstream. Its reader is fresh: what a man in the middle sent ahead of a TLS handshake
// is gone with the old one.
func (c *conn) use(nc net.Conn) {
	c.nc = nc
	c.r = bufio.NewReaderSize(c, readSize)
}

// Read reads from the socket; the reader calls it. The deadline is set once a reply, not once a read, so that an
// upstream that drips bytes does not get more time.
func (c *conn) Read(p []byte) (int, error) {
	if !c.armed {
		if err := c.nc.SetReadDeadline(time.Now().Add(c.deadline)); err != nil {
			return 0, err
		}
		c.armed = true
	}
	return c.nc.Read(p)
}

// bind closes the socket when ctx ends, until unbound.
func (c *conn) bind(ctx context.Context) {
	if ctx.Done() != nil {
		c.unbind = context.AfterFunc(ctx, func() { _ = c.tcp.Close() })
	}
}

// free ends the hold of a context; false means that it has closed the socket.
func (c *conn) free() bool {
	open := c.unbind()
	c.unbind = unbound
	return open
}

func unbound() bool { return true }

// fail notes the first error and closes the socket: no dot, no QUIT, no RSET.
func (c *conn) fail(err error) error {
	if c.err == nil {
		c.err = err
	}
	_ = c.tcp.Close()
	return c.err
}

// drop is fail with a reset: what is still on its way is lost with the connection, and its port does not wait for
// strays (TIME_WAIT). Clients that break off again and again would use up all ports otherwise.
func (c *conn) drop(err error) error {
	if t, ok := c.tcp.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // fails where the socket is closed already
	}
	return c.fail(err)
}

// close ends the connection and hands its buffer back.
func (c *conn) close() {
	_ = c.fail(net.ErrClosed)
	c.free()
	c.park()
}

// quit says farewell on a connection that is between transactions and does not wait for the answer.
func (c *conn) quit() {
	if c.err == nil {
		_ = c.nc.SetDeadline(time.Now().Add(quitTimeout))
		_, _ = c.nc.Write([]byte("QUIT\r\n"))
		_ = c.nc.Close()
	}
	c.close()
}

// park hands the write buffer back to the pool.
func (c *conn) park() {
	if c.buf != nil {
		c.peer.buffers.Put(c.buf)
		c.buf, c.out = nil, nil
	}
}

// spent reports that the connection has carried all the messages it may.
func (c *conn) spent() bool {
	return c.messages >= lesser(c.peer.opt.MaxMessages, c.mailMax)
}

// queue takes p for the next write. What is queued and p leave together once they fill the buffer.
func (c *conn) queue(p []byte) {
	if c.err != nil {
		return
	}
	c.unto += int64(len(p))
	if c.room() >= len(p) {
		c.out = append(c.out, p...)
		return
	}
	c.write(p)
}

func (c *conn) queueString(s string) {
	if c.err != nil {
		return
	}
	c.unto += int64(len(s))
	if c.room() < len(s) {
		c.write(nil)
	}
	c.out = append(c.out, s...)
}

// queueCommand queues one command line.
func (c *conn) queueCommand(verb, args string) {
	c.queueString(verb)
	c.queueString(args)
	c.queueString("\r\n")
}

func (c *conn) room() int {
	if c.buf == nil {
		c.buf = c.peer.buffers.Get().(*[writeSize]byte)
		c.out = c.buf[:0]
	}
	return cap(c.out) - len(c.out)
}

// flush writes what is queued.
func (c *conn) flush() error {
	if c.err == nil && len(c.out) > 0 {
		c.write(nil)
	}
	return c.err
}

// write sends what is queued and p, by one system call where there is no TLS. It leaves the socket open when it
// fails: the upstream may have said why, and that can still be read.
func (c *conn) write(p []byte) {
	if err := c.writeBy.Extend(c.nc, time.Now(), c.peer.opt.Write); err != nil {
		c.err = err
		return
	}
	n, err := c.writeBoth(p)
	c.sent += n
	c.out = c.out[:0]
	switch {
	case isTimeout(err):
		c.err = err
	case err != nil:
		c.err = fmt.Errorf("%w: %w", errGone, err)
	}
}

func (c *conn) writeBoth(p []byte) (int64, error) {
	switch {
	case len(p) == 0:
		n, err := c.nc.Write(c.out)
		return int64(n), err
	case len(c.out) == 0:
		n, err := c.nc.Write(p)
		return int64(n), err
	}
	c.pair = [2][]byte{c.out, p}
	c.vec = c.pair[:]
	return c.vec.WriteTo(c.nc)
}

// reply reads the next reply within d. Any error, and 421, ends the connection (RFC 5321 section 3.8); a 421 is
// returned as a reply and stands in c.err too.
func (c *conn) reply(d time.Duration) (Reply, error) {
	c.deadline, c.armed = d, false
	r, err := readReply(c.r)
	switch {
	case isTimeout(err), errors.Is(err, errMalformed):
		return Reply{}, c.fail(err)
	case err != nil:
		return Reply{}, c.fail(fmt.Errorf("%w: %w", errGone, err))
	case r.Code == 421:
		_ = c.fail(fmt.Errorf("%w: %s", errGone, r.codes()))
	}
	return r, nil
}

// unexpected ends a connection on which r answers something else than what was asked.
func (c *conn) unexpected(r Reply) error {
	return c.fail(fmt.Errorf("%w: %s out of place", errMalformed, r.codes()))
}

// command sends a line and reads its reply, while a connection is being opened.
func (c *conn) command(line string) (Reply, error) {
	c.queueCommand(line, "")
	if err := c.flush(); err != nil {
		return Reply{}, err
	}
	return c.reply(c.peer.opt.Reply)
}

// secure lays TLS upon the socket.
func (c *conn) secure(ctx context.Context) error {
	tc := tls.Client(c.tcp, c.peer.tlsConfig())
	if err := tc.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("TLS: %w", err)
	}
	c.use(tc)
	return nil
}

// isSecure reports whether secrets may be sent: over TLS, or to this very host.
func (c *conn) isSecure() bool {
	if c.nc != c.tcp {
		return true
	}
	addr, ok := c.tcp.RemoteAddr().(*net.TCPAddr)
	return ok && addr.IP.IsLoopback()
}
