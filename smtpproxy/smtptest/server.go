package smtptest

import (
	"crypto/tls"
	"io"
	"net"
	"sync"
	"testing"
)

// Upstream is a fake SMTP server.
type Upstream struct {
	tb           testing.TB
	capabilities []string
	authority    *Authority
	implicit     bool
	username     string // empty: no AUTH
	password     string
	mechanisms   string
	unrecorded   bool

	mu       sync.Mutex
	listener net.Listener
	address  string
	conns    map[net.Conn]struct{}
	total    int
	faults   map[faultKey]Fault
	cleared  chan struct{} // closed by Clear and Stop: what hangs lets go
	record   record
	running  sync.WaitGroup // the accept loop and the sessions
}

// Option sets up an Upstream.
type Option func(*Upstream)

// Capabilities replaces the EHLO keywords. STARTTLS, unless it is among them in some spelling, and AUTH are added where
// they are set up.
func Capabilities(keywords ...string) Option {
	return func(u *Upstream) { u.capabilities = keywords }
}

// WithTLS offers STARTTLS with a certificate of a.
func WithTLS(a *Authority) Option {
	return func(u *Upstream) { u.authority = a }
}

// WithImplicitTLS speaks TLS from the first byte.
func WithImplicitTLS(a *Authority) Option {
	return func(u *Upstream) { u.authority, u.implicit = a, true }
}

// WithAuth wants a login before MAIL, by one of the mechanisms, e.g. "PLAIN LOGIN".
func WithAuth(username, password, mechanisms string) Option {
	return func(u *Upstream) { u.username, u.password, u.mechanisms = username, password, mechanisms }
}

// Unrecorded keeps no messages, lines and reads: for benchmarks.
func Unrecorded() Option {
	return func(u *Upstream) { u.unrecorded = true }
}

// Start runs an upstream on a random port of 127.0.0.1 until the test ends.
func Start(tb testing.TB, options ...Option) *Upstream {
	tb.Helper()
	u := &Upstream{
		tb:           tb,
		capabilities: []string{"PIPELINING", "SIZE 104857600", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"},
		address:      "127.0.0.1:0",
		conns:        map[net.Conn]struct{}{},
		faults:       map[faultKey]Fault{},
		cleared:      make(chan struct{}),
	}
	for _, o := range options {
		o(u)
	}
	u.Restart()
	tb.Cleanup(u.Stop)
	return u
}

// Addr is where it listens, host:port.
func (u *Upstream) Addr() string {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.address
}

// Stop closes the listener and every connection, and waits until all is quiet. Restart may follow.
func (u *Upstream) Stop() {
	u.mu.Lock()
	if u.listener != nil {
		_ = u.listener.Close()
		u.listener = nil
	}
	close(u.cleared)
	u.cleared = make(chan struct{})
	u.mu.Unlock()
	u.CloseConnections()
	u.running.Wait()
}

// Restart listens again, at the address it had before.
func (u *Upstream) Restart() {
	u.tb.Helper()
	u.mu.Lock()
	defer u.mu.Unlock()
	l, err := new(net.ListenConfig).Listen(u.tb.Context(), "tcp", u.address)
	if err != nil {
		u.tb.Fatalf("fake upstream: %v", err)
	}
	u.listener, u.address = l, l.Addr().String()
	u.running.Go(func() { u.accept(l) })
}

// CloseConnections ends every open connection and goes on listening.
func (u *Upstream) CloseConnections() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for c := range u.conns {
		_ = c.Close()
	}
}

// Say writes a line to every open connection, unasked: a 421 on its way to an idle client.
func (u *Upstream) Say(line string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for c := range u.conns {
		_, _ = io.WriteString(c, line+"\r\n")
	}
}

func (u *Upstream) accept(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		number, ok := u.enter(l, c)
		if !ok {
			_ = c.Close()
			return
		}
		u.running.Go(func() {
			defer u.leave(c)
			newSession(u, c, number).serve()
		})
	}
}

// enter counts a connection in; one that was accepted while Stop ran is not.
func (u *Upstream) enter(l net.Listener, c net.Conn) (number int, ok bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.listener != l {
		return 0, false
	}
	u.conns[c] = struct{}{}
	u.total++
	return u.total, true
}

func (u *Upstream) leave(c net.Conn) {
	_ = c.Close()
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.conns, c)
}

// wait returns when Clear or Stop is called.
func (u *Upstream) wait() {
	u.mu.Lock()
	cleared := u.cleared
	u.mu.Unlock()
	<-cleared
}

func (u *Upstream) tlsConfig() *tls.Config { return u.authority.Server() }
