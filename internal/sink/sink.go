// Package sink is a capture mailbox: an SMTP server that accepts everything, delivers nothing and shows what it got,
// to a test through Messages and Wait, to a person on a page.
//
// It runs on go-smtp's server on purpose: what our own engine sends is understood by somebody else's. It knows
// nothing of consent and imports none of our packages. The command `consentgate sink`, the demo and tests use it.
package sink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
	"golang.org/x/sync/errgroup"
)

const (
	defaultKeep = 200

	// maxMessage and maxHeld bound memory in octets: one message, and all that are held together.
	maxMessage = 32 << 20
	maxHeld    = 128 << 20

	// maxLine is generous: what the gate passes on may have any line length.
	maxLine       = 1 << 20
	maxRecipients = 1000

	ioTimeout   = 5 * time.Minute
	httpTimeout = 10 * time.Second
)

// Options of a Sink. The zero value listens on a random port of 127.0.0.1, has no page and logs nothing.
type Options struct {
	Listen string           // SMTP, host:port
	HTTP   string           // the page, host:port; empty: none
	Keep   int              // how many messages are held, the newest; 0: 200
	Log    *slog.Logger     // nil: silent
	Now    func() time.Time // nil: the system's clock
}

// withDefaults fills what was left out.
func (o Options) withDefaults() Options {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Keep <= 0 {
		o.Keep = defaultKeep
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Message is what one transaction brought.
type Message struct {
	ID       int       // 1 for the first since the start
	From     string    // reverse-path; empty for <>
	To       []string  // recipients in order, without their parameters
	Received time.Time // when the message was complete
	Data     []byte    // header and body as sent, lines ending in CRLF, dot-stuffing removed; not to be changed
}

// Sink is a capture mailbox that listens. Its methods may be called from any goroutine.
type Sink struct {
	opts Options
	box  mailbox

	smtpListener net.Listener
	httpListener net.Listener // nil: no page
	smtp         *smtp.Server
	http         *http.Server

	close sync.Once
}

// Run is New and Serve in one: a capture mailbox until ctx ends.
func Run(ctx context.Context, o Options) error {
	s, err := New(ctx, o)
	if err != nil {
		return err
	}
	return s.Serve(ctx)
}

// New binds the listeners, so that Addr is known and clients can connect; Serve answers them.
func New(ctx context.Context, o Options) (*Sink, error) {
	o = o.withDefaults()
	s := &Sink{opts: o, box: mailbox{keep: o.Keep, arrived: make(chan struct{})}}
	var lc net.ListenConfig
	var err error
	if s.smtpListener, err = lc.Listen(ctx, "tcp", o.Listen); err != nil {
		return nil, fmt.Errorf("listen for SMTP: %w", err)
	}
	if o.HTTP != "" {
		if s.httpListener, err = lc.Listen(ctx, "tcp", o.HTTP); err != nil {
			return nil, errors.Join(fmt.Errorf("listen for HTTP: %w", err), s.smtpListener.Close())
		}
	}
	s.smtp = s.newSMTPServer()
	s.http = &http.Server{Handler: s.Handler(), ReadTimeout: httpTimeout, WriteTimeout: time.Minute}
	return s, nil
}

// Serve answers clients until ctx ends or Close is called, and returns nil then. It ends with its listeners and
// connections closed. Call it once.
func (s *Sink) Serve(ctx context.Context) error {
	defer s.Close()
	defer context.AfterFunc(ctx, s.Close)()
	var g errgroup.Group
	s.opts.Log.Info("listening", "listener", "smtp", "address", s.Addr())
	g.Go(func() error { return ended(s.smtp.Serve(s.smtpListener)) })
	if s.httpListener != nil {
		s.opts.Log.Info("listening", "listener", "http", "address", s.HTTPAddr())
		g.Go(func() error { return ended(s.http.Serve(s.httpListener)) })
	}
	return g.Wait()
}

// ended tells the end that was asked for from the one that was not.
func ended(err error) error {
	if errors.Is(err, smtp.ErrServerClosed) || errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// Close closes the listeners and every connection. What was captured stays readable.
func (s *Sink) Close() {
	s.close.Do(func() {
		// An error here means closed already.
		_ = s.smtp.Close()
		_ = s.smtpListener.Close()
		_ = s.http.Close()
		if s.httpListener != nil {
			_ = s.httpListener.Close()
		}
	})
}

// Addr is where SMTP is spoken, host:port.
func (s *Sink) Addr() string { return s.smtpListener.Addr().String() }

// HTTPAddr is where the page is, host:port; empty without one.
func (s *Sink) HTTPAddr() string {
	if s.httpListener == nil {
		return ""
	}
	return s.httpListener.Addr().String()
}

// Messages returns what is held, oldest first.
func (s *Sink) Messages() []Message { return s.box.all() }

// Wait returns what is held once n messages have arrived since the start, or ctx's error with what is held by then.
func (s *Sink) Wait(ctx context.Context, n int) ([]Message, error) {
	for {
		held, total, arrived := s.box.state()
		if total >= n {
			return held, nil
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return held, fmt.Errorf("%d of %d messages arrived: %w", total, n, ctx.Err())
		}
	}
}

func (s *Sink) newSMTPServer() *smtp.Server {
	srv := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &session{sink: s, conn: c}, nil
	}))
	srv.Domain = "sink.localhost"
	srv.MaxMessageBytes = maxMessage
	srv.MaxRecipients = maxRecipients
	srv.MaxLineLength = maxLine
	srv.ReadTimeout, srv.WriteTimeout = ioTimeout, ioTimeout
	srv.EnableSMTPUTF8 = true
	srv.EnableDSN = true
	srv.ErrorLog = slog.NewLogLogger(s.opts.Log.Handler(), slog.LevelWarn)
	return srv
}

// session is one client's; go-smtp calls it from one goroutine at a time.
type session struct {
	sink *Sink
	conn *smtp.Conn
	from string
	to   []string
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.from = from
	return nil
}

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	s.to = append(s.to, to)
	return nil
}

func (s *session) Data(r io.Reader) error {
	data, err := io.ReadAll(r)
	if err != nil && !errors.Is(err, smtp.ErrDataTooLarge) {
		// What follows an interrupted message would be read as commands.
		_ = s.conn.Conn().Close()
	}
	if err != nil {
		return err
	}
	m := s.sink.box.add(Message{From: s.from, To: s.to, Received: s.sink.opts.Now(), Data: data})
	s.sink.opts.Log.Info("captured", "id", m.ID, "recipients", len(m.To), "size", len(m.Data))
	return nil
}

func (s *session) Reset() { s.from, s.to = "", nil }

func (s *session) Logout() error { return nil }
