//go:build linux

package countsink

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
)

// TLSServer is a Server that offers STARTTLS. Go's TLS wants a goroutine for each session, so it takes more from the
// machine than a Server does: what stands before it is compared with what stands before it.
type TLSServer struct {
	config   *tls.Config
	listener net.Listener
	serving  sync.WaitGroup

	mu    sync.Mutex // of all below
	tally tally
	conns map[net.Conn]bool // nil: closed
}

// ListenTLS binds addr, as [Listen] does, with a certificate and its key from PEM files.
func ListenTLS(addr, certificate, key string) (*TLSServer, error) {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	s := &TLSServer{
		config: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		conns:  map[net.Conn]bool{},
	}
	s.tally.series = map[string]*series{}
	s.listener, err = net.Listen("tcp", addr) //nolint:noctx // closed by Close
	return s, err
}

// Addr is where it listens, host:port.
func (s *TLSServer) Addr() string { return s.listener.Addr().String() }

// Serve answers clients until Close, and closes every socket then.
func (s *TLSServer) Serve() error {
	defer s.serving.Wait()
	for {
		c, err := s.listener.Accept()
		switch {
		case errors.Is(err, net.ErrClosed):
			return nil
		case err != nil:
			return fmt.Errorf("accept: %w", err)
		}
		s.serving.Go(func() { s.serve(c) })
	}
}

// serve is one session. An error is a client's that has gone.
func (s *TLSServer) serve(c net.Conn) {
	if !s.enter(c) {
		return
	}
	defer s.leave(c)
	ses := newSession(&s.tally)
	ses.offers = true
	stream, piece := c, make([]byte, pieceSize/4)
	for said(stream, ses) && !ses.closing {
		if ses.secures {
			stream, ses.secures = tls.Server(c, s.config), false
		}
		n, err := stream.Read(piece)
		if err != nil {
			break
		}
		s.feed(ses, piece[:n])
	}
	s.mu.Lock()
	ses.end()
	s.mu.Unlock()
}

// said writes the replies.
func said(stream net.Conn, ses *session) bool {
	if len(ses.out) == 0 {
		return true
	}
	_, err := stream.Write(ses.out)
	ses.out = ses.out[:0]
	return err == nil
}

func (s *TLSServer) feed(ses *session, p []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ses.feed(p)
}

// enter notes a connection, for Close; false: it has come too late.
func (s *TLSServer) enter(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conns == nil {
		_ = c.Close() // says nothing that matters
		return false
	}
	s.conns[c] = true
	return true
}

func (s *TLSServer) leave(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	_ = c.Close() // the session is over
}

// Report tells what arrived since the last Reset.
func (s *TLSServer) Report() Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.tally.report()
}

// Reset forgets it. No message may be on its way.
func (s *TLSServer) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tally = tally{series: map[string]*series{}}
}

// Close lets Serve end.
func (s *TLSServer) Close() {
	_ = s.listener.Close() // twice does no harm
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.Close() // its session ends by it
	}
	s.conns = nil
}
