package smtpproxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// Server accepts clients on its listeners and owns one goroutine for each session, and some that work for them.
type Server struct {
	opt        Options
	settings   atomic.Pointer[settings]
	nullSender budget
	refusals   refusals
	guesses    guesses
	buffers    wire.Buffers // for messages being read, shared by all sessions
	headers    headers
	sockets    []net.Listener
	workers    *workers
	log        *slog.Logger
	trace      trace

	networks    headcount[netip.Prefix] // sessions of each network
	credentials headcount[string]       // sessions of each user name
	delivering  headcount[string]       // messages that have the ledger's lease, by key
	owner       string                  // of those leases

	freed    chan struct{} // a place became free
	stopping chan struct{} // closed when the drain begins
	mu       sync.Mutex
	sessions map[*session]struct{}
	full     time.Time // since when all places are taken; zero: unknown, or there are some
	ended    sync.WaitGroup
}

// New binds every listener; a port of 0 is chosen by the system and told by Addrs. Nothing is accepted before Serve.
func New(ctx context.Context, o Options) (*Server, error) {
	if o.After == nil {
		o.After = time.After
	}
	s := &Server{
		opt: o, log: o.Log, trace: traceOf(o.Hostname, o.Instance), owner: o.NewID(), sessions: make(map[*session]struct{}),
		workers: newWorkers(),
		// Each listener may have one client that waits for a place.
		freed: make(chan struct{}, len(o.Listeners)), stopping: make(chan struct{}),
	}
	s.settings.Store(compile(o.Settings))
	var lc net.ListenConfig
	for _, l := range o.Listeners {
		socket, err := lc.Listen(ctx, "tcp", l.Address)
		if err != nil {
			s.closeListeners()
			return nil, fmt.Errorf("listen on %s: %w", l.Address, err)
		}
		s.sockets = append(s.sockets, socket)
	}
	return s, nil
}

// Addrs are the bound addresses, in the order of Options.Listeners.
func (s *Server) Addrs() []net.Addr {
	out := make([]net.Addr, len(s.sockets))
	for i, socket := range s.sockets {
		out[i] = socket.Addr()
	}
	return out
}

// Sessions is how many there are at the moment.
func (s *Server) Sessions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.sessions)
}

// Serve accepts sessions until ctx ends, then drains: listeners close, idle sessions hear 421, transactions under way
// finish within drain, and what is left is closed.
func (s *Server) Serve(ctx context.Context, drain time.Duration) error {
	// Sessions outlive ctx by the drain; base ends when that is over.
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	var accepting errgroup.Group
	for port := range s.sockets {
		accepting.Go(func() error { return s.accept(ctx, base, port) })
	}
	accepting.Go(func() error {
		<-ctx.Done()
		s.closeListeners()
		return nil
	})
	err := accepting.Wait()
	s.drain(drain, cut)
	s.workers.close()
	return err
}

func (s *Server) accept(ctx, base context.Context, port int) error {
	for {
		conn, err := s.sockets[port].Accept()
		switch {
		case ctx.Err() != nil:
			if conn != nil {
				_ = conn.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("listener %s: %w", s.sockets[port].Addr(), err)
		case err != nil:
			// Out of descriptors, or a peer gone before accept: both pass.
			s.log.Warn("accept", "listener", s.sockets[port].Addr(), "err", err)
			pause(ctx, 50*time.Millisecond)
			continue
		}
		s.start(ctx, base, port, conn)
	}
}

// start owns the connection from here: a session on a goroutine of its own, or 421 where there are too many. The
// session goes on until base ends; ctx ends the wait for a place.
func (s *Server) start(ctx, base context.Context, port int, conn net.Conn) {
	ses := newSession(s, port, conn)
	if err := s.enter(ctx, ses); err != nil {
		ses.turnAway(err)
		_ = conn.Close()
		return
	}
	s.opt.Count(gate.Counter{What: gate.CountSessions})
	go func() {
		defer s.leave(ses)
		ses.serve(base)
	}()
}

func (s *Server) isDraining() bool {
	select {
	case <-s.stopping:
		return true
	default:
		return false
	}
}

// drain waits for every session to end. Idle ones are woken, again and again since one may have armed a new deadline
// just then; past the bound the rest is closed.
func (s *Server) drain(bound time.Duration, cut func()) {
	s.mu.Lock() // nobody enters any more, see take
	close(s.stopping)
	s.mu.Unlock()
	done := make(chan struct{})
	go func() { s.ended.Wait(); close(done) }()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(bound)
	defer end.Stop()
	for {
		s.each((*session).wakeIdle)
		select {
		case <-done:
			return
		case <-end.C:
			cut()
			s.each((*session).abort)
			<-done
			return
		case <-tick.C:
		}
	}
}

func (s *Server) each(f func(*session)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for ses := range s.sessions {
		f(ses)
	}
}

func (s *Server) closeListeners() {
	for _, socket := range s.sockets {
		_ = socket.Close()
	}
}

// mayRelay reports whether the address may relay without AUTH.
func (l *rules) mayRelay(ip netip.Addr) bool {
	if l.RequireAuth {
		return false
	}
	if len(l.Networks) == 0 {
		return ip.IsLoopback()
	}
	return contains(l.Networks, ip)
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
