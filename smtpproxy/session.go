package smtpproxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// session is one client connection, from greeting to close. What serves it, its goroutine or a worker, owns every field
// but busy.
type session struct {
	srv    *Server
	port   int       // index of its listener
	set    *settings // in force; renewed between transactions
	ln     *rules    // of the listener, in set
	conn   *wire.Conn
	raw    syscall.RawConn // below conn, see present; nil where the connection has none
	id     string          // ULID: in Received, block entries and logs
	client string          // the client's IP address
	ip     netip.Addr
	log    *slog.Logger

	helo      string
	extended  bool // EHLO, not HELO
	cred      *credential
	outright  string // the stream that the sign-in named
	tx        *transaction
	refused   int
	authFails int
	closing   bool // say what is queued, then close

	done chan bool   // of what a worker does for it
	busy atomic.Bool // between MAIL and its end; the drain leaves those alone
}

func newSession(srv *Server, port int, nc net.Conn) *session {
	s := &session{srv: srv, port: port, id: srv.opt.NewID(), done: make(chan bool)}
	s.renew()
	if ap, err := netip.ParseAddrPort(nc.RemoteAddr().String()); err == nil {
		s.ip = ap.Addr().Unmap()
		s.client = s.ip.String()
	}
	if sc, ok := nc.(syscall.Conn); ok {
		s.raw, _ = sc.SyscallConn()
	}
	s.conn = wire.NewConn(s.ln.receive(nc, s.ip), s.wireOptions())
	s.log = slog.New(sessionLog{srv.log.Handler(), s.id})
	return s
}

func (s *session) wireOptions() wire.Options {
	lim := s.set.Limits
	o := wire.Options{
		Limits: lim.Wire, BareLines: s.set.BareLines, Buffers: &s.srv.buffers,
		Idle: lim.Idle, Progress: lim.Progress, MinRate: lim.MinRate, Write: lim.Write, Handshake: lim.Handshake,
	}
	o.Limits.Message = s.sizeLimit()
	return o
}

// renew takes over settings that were reloaded. A credential that is gone, or has another password, is signed out.
func (s *session) renew() {
	set := s.srv.settings.Load()
	if set == s.set {
		return
	}
	s.set, s.ln = set, set.listeners[s.port]
	if s.conn != nil {
		s.conn.Configure(s.wireOptions())
	}
	if s.cred == nil {
		return
	}
	if kept := set.credentials.byName[s.cred.Username]; kept != nil && kept.PasswordHash == s.cred.PasswordHash {
		s.cred = kept
		return
	}
	s.signOut()
}

// candidates are the streams that the session may choose from: its credential's, else its listener's.
func (s *session) candidates() []*gate.Stream {
	list := s.candidatesOf(s.cred)
	if s.outright != "" {
		return only(list, s.outright)
	}
	return list
}

func (s *session) candidatesOf(cred *credential) []*gate.Stream {
	if cred != nil && len(cred.Streams) > 0 {
		return cred.candidates
	}
	return s.ln.candidates
}

// turnAway tells a client, before the greeting, why there is no place for it. One that expects TLS could not read it.
func (s *session) turnAway(why error) {
	s.srv.opt.Count(gate.Counter{What: gate.CountTurnedAway})
	if s.ln.TLS == TLSImplicit {
		return
	}
	s.conn.Reply(s.reply(why))
	_ = s.conn.Flush()
}

// wakeIdle interrupts a session that waits between transactions; it finds the server draining.
func (s *session) wakeIdle() {
	if !s.busy.Load() {
		s.conn.Interrupt()
	}
}

// abort closes the socket under a session that did not end in time.
func (s *session) abort() { _ = s.conn.NetConn().Close() }

// serve runs the session to its end. All it does by itself is wait, see [workers].
func (s *session) serve(base context.Context) {
	for goesOn := s.srv.workers.run(base, s, (*session).begin); goesOn; {
		s.conn.Await()
		goesOn = s.srv.workers.run(base, s, (*session).converse)
	}
}

// begin greets, and reports like converse.
func (s *session) begin(base context.Context) (goesOn bool) {
	if !s.enter() {
		_ = s.conn.Close()
		return false
	}
	return s.conn.Rest() || s.converse(base)
}

// enter brings the session to its greeting, where there is a place for it.
func (s *session) enter() bool {
	if !s.meet() {
		return false
	}
	if !s.srv.networks.enter(networkOf(s.ip), s.set.Limits.NetworkSessions) {
		s.turnAway(tooManyOfNetwork)
		return false
	}
	if s.ln.TLS == TLSImplicit {
		if err := s.conn.StartTLS(s.ln.Config); err != nil {
			s.noteForged(err)
			s.leave()
			return false
		}
	}
	s.conn.ReplyLines(220, []string{s.srv.opt.Hostname + " ESMTP consentgate"})
	return true
}

func (s *session) leave() {
	s.signOut()
	s.srv.networks.leave(networkOf(s.ip))
}

// converse takes commands until the session is over or, between transactions, has to wait for the next of them.
func (s *session) converse(base context.Context) (goesOn bool) {
	for s.next(base) {
		if s.tx == nil && s.conn.Rest() {
			return true
		}
	}
	_ = s.conn.Flush()
	s.reset()
	s.leave()
	_ = s.conn.Close()
	return false
}

// next takes one command and reports whether the session goes on.
func (s *session) next(base context.Context) bool {
	if s.tx == nil && s.srv.isDraining() {
		s.conn.Reply(draining.reply())
		return false
	}
	cmd, err := s.conn.Next()
	if err != nil {
		return s.misread(err)
	}
	err = s.command(base, cmd)
	if errors.Is(err, errGone) {
		return false
	}
	if err != nil {
		s.conn.Reply(s.reply(err))
	}
	return !s.closing
}

// misread answers for a command that could not be read, and reports whether the session goes on.
func (s *session) misread(err error) bool {
	var syntax *wire.SyntaxError
	switch {
	case errors.As(err, &syntax):
		s.conn.Reply(syntax.Reply)
		return true
	case errors.Is(err, wire.ErrInterrupted):
		return true
	case errors.Is(err, errForged):
		s.noteForged(err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.conn.Reply(idleTooLong.reply())
	}
	return false
}

// noteForged says why a client was closed that claimed to be a proxy: it may be one that the settings do not know.
func (s *session) noteForged(err error) {
	if errors.Is(err, errForged) {
		s.log.Info("closed", "client", s.client, "err", errForged)
	}
}

// errGone: the client's side is beyond an answer. Wraps the cause.
var errGone = errors.New("session is over")

// command runs one command. It queues its own reply; an error is answered by next.
func (s *session) command(ctx context.Context, cmd wire.Command) error {
	if s.tx == nil {
		s.renew()
	}
	switch cmd.Verb {
	case wire.EHLO, wire.HELO, wire.LHLO:
		return s.hello(cmd)
	case wire.STARTTLS:
		return s.startTLS(cmd.Arg)
	case wire.AUTH:
		return s.auth(ctx, cmd.Arg)
	case wire.MAIL:
		return s.mail(ctx, cmd.Arg)
	case wire.RCPT:
		return s.rcpt(ctx, cmd)
	case wire.DATA:
		return s.data(ctx, cmd.Arg)
	}
	return s.housekeeping(cmd)
}

func (s *session) housekeeping(cmd wire.Command) error {
	switch cmd.Verb {
	case wire.RSET:
		s.reset()
		s.conn.Reply(say(250, 2, 0, 0, "OK"))
	case wire.NOOP:
		s.conn.Reply(say(250, 2, 0, 0, "OK"))
	case wire.QUIT:
		s.closing = true
		s.conn.Reply(say(221, 2, 0, 0, "Goodbye"))
	case wire.VRFY:
		// RFC 5321 section 3.5.3: neither confirms nor denies; the gate is no oracle.
		s.conn.Reply(say(252, 2, 5, 0, "Cannot verify, but will take the message"))
	case wire.HELP:
		s.conn.Reply(say(214, 2, 0, 0, "EHLO HELO STARTTLS AUTH MAIL RCPT DATA RSET NOOP QUIT VRFY"))
	case wire.EXPN:
		return notImplemented
	case wire.BDAT:
		// Its chunk follows without waiting for an answer (RFC 3030 section 2), and must not be read as commands.
		s.closing = true
		return notImplemented
	default:
		return unknownCommand
	}
	return nil
}

// hello answers EHLO and HELO, or LHLO where the listener speaks LMTP (RFC 2033 section 4.1), which also end a
// transaction (RFC 5321 section 4.1.4).
func (s *session) hello(cmd wire.Command) error {
	if (cmd.Verb == wire.LHLO) != s.ln.LMTP {
		return unknownCommand
	}
	if cmd.Arg == "" {
		return syntaxError
	}
	s.reset()
	s.helo, s.extended = cmd.Arg, cmd.Verb != wire.HELO
	if !s.extended {
		s.conn.ReplyLines(250, []string{s.srv.opt.Hostname})
		return nil
	}
	s.conn.ReplyLines(250, append([]string{s.srv.opt.Hostname}, s.extensions()...))
	return nil
}

// extensions are our own, and of the upstream's those that every upstream has.
func (s *session) extensions() []string {
	lim, up := s.set.Limits, s.set.Upstream.Caps()
	out := []string{
		"PIPELINING", "ENHANCEDSTATUSCODES",
		"SIZE " + strconv.FormatInt(s.sizeLimit(), 10),
		"LIMITS RCPTMAX=" + strconv.Itoa(lim.Recipients),
	}
	if s.ln.TLS == TLSStartTLS && !s.secure() {
		out = append(out, "STARTTLS")
	}
	if s.authOffered() && s.cred == nil {
		out = append(out, "AUTH PLAIN LOGIN")
	}
	if up.EightBitMIME {
		out = append(out, "8BITMIME")
	}
	if up.SMTPUTF8 {
		out = append(out, "SMTPUTF8")
	}
	if up.DSN {
		out = append(out, "DSN")
	}
	return out
}

// headroom is kept between the upstream's SIZE and ours for the lines that the gate adds.
const headroom = 8 << 10

func (s *session) sizeLimit() int64 {
	limit := s.set.Limits.Wire.Message
	if up := s.set.Upstream.Caps().Size; up > headroom && (limit == 0 || up-headroom < limit) {
		limit = up - headroom
	}
	return limit
}

func (s *session) startTLS(arg string) error {
	switch {
	case arg != "":
		return syntaxError
	case s.ln.TLS != TLSStartTLS:
		return notImplemented
	case s.secure(), s.tx != nil:
		return badSequence
	}
	s.conn.Reply(say(220, 2, 0, 0, "Go ahead"))
	if err := s.conn.StartTLS(s.ln.Config); err != nil {
		s.closing = true
		s.log.Info("tls handshake", "client", s.client, "err", err)
		if errors.Is(err, wire.ErrPlaintext) {
			return tlsUnavailable
		}
		return fmt.Errorf("%w: %w", errGone, err)
	}
	// RFC 3207 section 4.2: what was said before TLS is forgotten.
	s.helo, s.extended = "", false
	return nil
}

func (s *session) secure() bool {
	_, ok := s.conn.TLS()
	return ok
}

// reset ends the transaction.
func (s *session) reset() {
	if s.tx != nil && s.tx.stream.Kind == gate.KindConfirmation {
		for i := range s.tx.rcpts {
			s.unclaim(s.tx.rcpts[i].claim)
		}
	}
	s.tx = nil
	s.busy.Store(false)
}
