package upstream_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/smtpproxy/smtptest"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

// peerServer is go-smtp's server: an implementation that is not ours.
type peerServer struct {
	mu  sync.Mutex
	got []string // sender > recipients: content
}

// peerSession is a session of peerServer.
type peerSession struct {
	server *peerServer
	login  bool
	from   string
	to     []string
}

func (s *peerSession) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *peerSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, username, password string) error {
		if username != "gate" || password != "secret" {
			return smtp.ErrAuthFailed
		}
		s.login = true
		return nil
	}), nil
}

func (s *peerSession) Mail(from string, _ *smtp.MailOptions) error {
	if !s.login {
		return smtp.ErrAuthRequired
	}
	s.from, s.to = from, nil
	return nil
}

func (s *peerSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	if strings.HasPrefix(to, "no") {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
	}
	s.to = append(s.to, to)
	return nil
}

func (s *peerSession) Data(r io.Reader) error {
	content, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	s.server.mu.Lock()
	defer s.server.mu.Unlock()
	s.server.got = append(s.server.got, fmt.Sprintf("%s > %s: %q", s.from, strings.Join(s.to, " "), content))
	return nil
}

func (s *peerSession) Reset()        { s.from, s.to = "", nil }
func (s *peerSession) Logout() error { return nil }

// anotherServer is a pool to go-smtp's server, which hands what it gets to the backend.
func anotherServer(t *testing.T, backend *peerServer) *upstream.Pool {
	t.Helper()
	authority := smtptest.NewAuthority(t)
	server := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &peerSession{server: backend}, nil }))
	server.TLSConfig, server.Domain = authority.Server(), "peer.example"
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-served; err != nil {
			t.Errorf("the other server: %v", err)
		}
	})
	p := upstream.New(upstream.Options{Targets: []upstream.Target{{
		Address: listener.Addr().String(), TLS: upstream.StartTLS, Config: authority.Client(), Username: "gate", Password: "secret",
	}}})
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func TestAgainstAnotherServer(t *testing.T) {
	t.Parallel()
	backend := &peerServer{}
	l := get(t, anotherServer(t, backend))
	l.Envelope(envelope("nobody"))
	if a, err := l.Await(); err != nil || a.Go() || a.Rcpts[0].String() != "550 5.1.1 no such mailbox" {
		t.Errorf("Await: %+v, %v; want the refusal", a, err)
	}
	await(t, l, envelope("x", "nobody", "y"))
	write(t, l, "Subject: 1\r\n\r\n..dot\r\n")
	l.Dot()
	l.Envelope(envelope("z"))
	accepted(t, l)
	if a, err := l.Await(); err != nil || !a.Go() {
		t.Fatalf("Await: %+v, %v", a, err)
	}
	write(t, l, "Subject: 2\r\n\r\n")
	l.Dot()
	accepted(t, l)
	l.Release()

	backend.mu.Lock()
	defer backend.mu.Unlock()
	want := []string{
		`a@b.example > x@example.com y@example.com: "Subject: 1\r\n\r\n.dot\r\n"`,
		`a@b.example > z@example.com: "Subject: 2\r\n\r\n"`,
	}
	if diff := cmp.Diff(want, backend.got); diff != "" {
		t.Errorf("messages (-want +got):\n%s", diff)
	}
}
