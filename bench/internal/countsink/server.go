//go:build linux

package countsink

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
)

const (
	backlog   = 4096
	events    = 256
	pieceSize = 64 << 10
	// wake is how often, in milliseconds, the loop looks whether it has been closed.
	wake = 100
)

// Server is the upstream on one socket.
type Server struct {
	listener, poll int // file descriptors
	closed         atomic.Bool

	mu       sync.Mutex // the loop holds it while it works on a batch of events
	tally    tally
	sessions map[int]*session // by file descriptor

	piece []byte
}

// Listen binds addr, an IPv4 address on loopback with a port; port 0 lets the system choose.
func Listen(addr string) (*Server, error) {
	at, err := netip.ParseAddrPort(addr)
	if err != nil || !at.Addr().Is4() || !at.Addr().IsLoopback() {
		return nil, fmt.Errorf("listen on %q: want 127.0.0.1:port", addr)
	}

	s := &Server{sessions: map[int]*session{}, piece: make([]byte, pieceSize), poll: -1}
	s.tally.series = map[string]*series{}
	if s.listener, err = syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0); err != nil {
		return nil, fmt.Errorf("socket: %w", err)
	}
	if err := s.bind(at); err != nil {
		s.release()
		return nil, err
	}
	return s, nil
}

func (s *Server) bind(at netip.AddrPort) error {
	// Another upstream has just left the address, and its connections linger.
	if err := syscall.SetsockoptInt(s.listener, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		return fmt.Errorf("listen on %v: %w", at, err)
	}
	if err := syscall.Bind(s.listener, &syscall.SockaddrInet4{Addr: at.Addr().As4(), Port: int(at.Port())}); err != nil {
		return fmt.Errorf("listen on %v: %w", at, err)
	}
	if err := syscall.Listen(s.listener, backlog); err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	var err error
	if s.poll, err = syscall.EpollCreate1(syscall.EPOLL_CLOEXEC); err != nil {
		return fmt.Errorf("epoll: %w", err)
	}
	return s.watch(s.listener)
}

func (s *Server) watch(fd int) error {
	e := syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(fd)}
	return syscall.EpollCtl(s.poll, syscall.EPOLL_CTL_ADD, fd, &e)
}

// Addr is where it listens, host:port.
func (s *Server) Addr() string {
	a, err := syscall.Getsockname(s.listener)
	bound, ok := a.(*syscall.SockaddrInet4)
	if err != nil || !ok {
		return ""
	}
	return (&net.TCPAddr{IP: bound.Addr[:], Port: bound.Port}).String()
}

// Serve answers clients until Close, and closes every socket then.
func (s *Server) Serve() error {
	defer s.release()
	ready := make([]syscall.EpollEvent, events)
	for !s.closed.Load() {
		n, err := syscall.EpollWait(s.poll, ready, wake)
		if err != nil && !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("epoll: %w", err)
		}
		s.mu.Lock()
		for i := range n {
			s.event(int(ready[i].Fd))
		}
		s.mu.Unlock()
	}
	return nil
}

func (s *Server) event(fd int) {
	if fd == s.listener {
		s.accept()
		return
	}
	if ses := s.sessions[fd]; ses != nil && !s.serve(fd, ses) {
		ses.end()
		delete(s.sessions, fd)
		_ = syscall.Close(fd) // nothing is lost with it
	}
}

// accept takes every connection that waits.
func (s *Server) accept() {
	for {
		fd, _, err := syscall.Accept4(s.listener, syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC)
		if err != nil {
			return // none left, or the client has gone again
		}
		_ = syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1) // slower without
		ses := newSession(&s.tally)
		if s.watch(fd) != nil || !flush(fd, ses) {
			_ = syscall.Close(fd)
			continue
		}
		s.sessions[fd] = ses
	}
}

// serve reads once, since epoll tells if there is more, and answers in one write; false ends the session.
func (s *Server) serve(fd int, ses *session) bool {
	n, err := syscall.Read(fd, s.piece)
	switch {
	case errors.Is(err, syscall.EAGAIN), errors.Is(err, syscall.EINTR):
		return true
	case err != nil, n == 0:
		return false
	}
	ses.feed(s.piece[:n])
	return flush(fd, ses) && !ses.closing
}

// flush writes the replies. They are short: a client that reads none of them until the socket's buffer is full is not
// one of ours.
func flush(fd int, ses *session) bool {
	if len(ses.out) == 0 {
		return true
	}
	n, err := syscall.Write(fd, ses.out)
	whole := err == nil && n == len(ses.out)
	ses.out = ses.out[:0]
	return whole
}

// Report tells what arrived since the last Reset.
func (s *Server) Report() Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tally.report()
}

// Reset forgets it. No message may be on its way.
func (s *Server) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tally = tally{series: map[string]*series{}}
}

// Close lets Serve end.
func (s *Server) Close() { s.closed.Store(true) }

func (s *Server) release() {
	for fd, ses := range s.sessions {
		ses.end()
		_ = syscall.Close(fd)
	}
	_ = syscall.Close(s.listener)
	if s.poll >= 0 {
		_ = syscall.Close(s.poll)
	}
}
