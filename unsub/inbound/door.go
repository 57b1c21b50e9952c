package inbound

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// Door accepts sessions on one listener and owns a goroutine for each.
type Door struct {
	opt      Options
	settings atomic.Pointer[Settings]
	buffers  wire.Buffers
	socket   net.Listener

	mu       sync.Mutex
	sessions map[*session]struct{}
	networks map[netip.Prefix]int // sessions of each
	draining bool
	ended    sync.WaitGroup
}

// New binds the listener. Nothing is accepted before Serve.
func New(ctx context.Context, o Options) (*Door, error) {
	var lc net.ListenConfig
	socket, err := lc.Listen(ctx, "tcp", o.Address)
	if err != nil {
		return nil, err
	}
	d := &Door{
		opt: o, socket: socket,
		sessions: make(map[*session]struct{}), networks: make(map[netip.Prefix]int),
	}
	d.Reload(o.Settings)
	return d, nil
}

// Addr is the bound address.
func (d *Door) Addr() net.Addr { return d.socket.Addr() }

// Close closes the listener. It is for a door that never served; Serve closes its own.
func (d *Door) Close() error {
	if err := d.socket.Close(); !errors.Is(err, net.ErrClosed) {
		return err
	}
	return nil
}

// Reload puts settings in force for sessions that begin from now on.
func (d *Door) Reload(s Settings) {
	s.Wire.Buffers, s.Wire.Limits.Message = &d.buffers, MaxMessage
	d.settings.Store(&s)
}

// Serve accepts sessions until ctx ends, then drains: the listener closes, sessions between messages hear 421, messages
// under way finish within drain, and what is left is closed. An error is the listener's own.
func (d *Door) Serve(ctx context.Context, drain time.Duration) error {
	stop := context.AfterFunc(ctx, func() { _ = d.socket.Close() })
	defer stop()
	err := d.accept(ctx)
	_ = d.socket.Close()
	d.drain(drain)
	return err
}

func (d *Door) accept(ctx context.Context) error {
	for {
		conn, err := d.socket.Accept()
		switch {
		case ctx.Err() != nil:
			if conn != nil {
				_ = conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("inbound listener %s: %w", d.socket.Addr(), err)
		case err != nil: // out of descriptors, or a peer gone before accept: both pass
			d.opt.Log.Warn("accept", "listener", d.socket.Addr(), "err", err)
			pause(ctx, 50*time.Millisecond)
		default:
			d.start(ctx, conn)
		}
	}
}

// start owns the connection from here: a session on a goroutine of its own, or one line that says why not. Sessions
// outlive ctx by the drain.
func (d *Door) start(ctx context.Context, conn net.Conn) {
	s := newSession(d, conn)
	if why := d.enter(s); why != nil {
		s.turnAway(why)
		return
	}
	go func() {
		defer d.leave(s)
		s.serve(context.WithoutCancel(ctx))
	}()
}

// enter takes a place for the session, or returns what the client is told.
func (d *Door) enter(s *session) reply {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.draining:
		return draining()
	case !admitted(s.set.Networks, s.ip):
		return notAdmitted()
	case len(d.sessions) >= s.set.Sessions, d.networks[s.network()] >= (s.set.Sessions+1)/2:
		return tooManySessions()
	}
	d.sessions[s] = struct{}{}
	d.networks[s.network()]++
	d.ended.Add(1)
	return nil
}

func (d *Door) leave(s *session) {
	d.mu.Lock()
	delete(d.sessions, s)
	if d.networks[s.network()]--; d.networks[s.network()] <= 0 {
		delete(d.networks, s.network())
	}
	d.mu.Unlock()
	d.ended.Done()
}

func (d *Door) isDraining() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.draining
}

// drain waits for every session to end. Idle ones are woken again and again, since one may have begun to wait just
// then; past the bound the rest is closed.
func (d *Door) drain(bound time.Duration) {
	d.mu.Lock()
	d.draining = true
	d.mu.Unlock()
	done := make(chan struct{})
	go func() { d.ended.Wait(); close(done) }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(bound)
	defer end.Stop()
	for over := end.C; ; {
		d.each((*session).wakeIdle)
		select {
		case <-done:
			return
		case <-over:
			d.each((*session).abort)
			over = nil
		case <-tick.C:
		}
	}
}

func (d *Door) each(f func(*session)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for s := range d.sessions {
		f(s)
	}
}

// admitted reports whether the address is in one of the networks; no networks means everybody.
func admitted(networks []netip.Prefix, ip netip.Addr) bool {
	for _, n := range networks {
		if n.Contains(ip) {
			return true
		}
	}
	return len(networks) == 0
}

// networkOf is what one client can be told apart by: an IPv4 address, or the /64 that an IPv6 host picks addresses from.
func networkOf(ip netip.Addr) netip.Prefix {
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	network, _ := ip.Prefix(bits) // zero for a client without an address: those count together
	return network
}

// pause waits for d or the end of ctx.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
