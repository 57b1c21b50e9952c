package inbound

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"sync/atomic"

	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// session is one client connection. Its goroutine owns every field but busy.
type session struct {
	door *Door
	set  *Settings // in force when it began
	conn *wire.Conn
	ip   netip.Addr
	log  *slog.Logger

	greeted bool         // EHLO, HELO or LHLO was heard
	tx      *transaction // nil between messages
	unknown int          // recipients that were nobody
	closing bool         // say what is queued, then close

	busy atomic.Bool // between MAIL and its end; the drain leaves those alone
}

func newSession(d *Door, nc net.Conn) *session {
	s := &session{door: d, set: d.settings.Load()}
	if ap, err := netip.ParseAddrPort(nc.RemoteAddr().String()); err == nil {
		s.ip = ap.Addr().Unmap()
	}
	s.conn = wire.NewConn(nc, s.set.Wire)
	s.log = d.opt.Log.With("listener", "inbound", "client", s.ip.String())
	return s
}

func (s *session) network() netip.Prefix { return networkOf(s.ip) }

// turnAway tells a client, before the greeting, why there is no place for it.
func (s *session) turnAway(why reply) {
	s.conn.Reply(why)
	_ = s.conn.Flush()
	_ = s.conn.Close()
}

// wakeIdle interrupts a session that waits between messages; it finds the door draining.
func (s *session) wakeIdle() {
	if !s.busy.Load() {
		s.conn.Interrupt()
	}
}

// abort closes the socket under a session that did not end in time.
func (s *session) abort() { _ = s.conn.NetConn().Close() }

func (s *session) serve(ctx context.Context) {
	defer func() { _ = s.conn.Close() }()
	defer s.survive()
	protocol := " ESMTP consentgate"
	if s.door.opt.LMTP {
		protocol = " LMTP consentgate"
	}
	s.conn.ReplyLines(220, []string{s.door.opt.Hostname + protocol})
	for !s.closing {
		if s.tx == nil && s.door.isDraining() {
			s.conn.Reply(draining())
			break
		}
		if !s.next(ctx) {
			break
		}
	}
	_ = s.conn.Flush()
}

// survive has a report that a parser cannot stand end its session, and not the gate that mail goes through. Only what the
// runtime says is logged of it: other words may be a stranger's.
func (s *session) survive() {
	fault := recover()
	if fault == nil {
		return
	}
	cause, _ := fault.(runtime.Error)
	s.log.Error("panic in a session", "err", cause, "stack", string(debug.Stack()))
}

// next takes one command and reports whether the session goes on.
func (s *session) next(ctx context.Context) bool {
	cmd, err := s.conn.Next()
	var syntax *wire.SyntaxError
	switch {
	case err == nil:
		s.command(ctx, cmd)
	case errors.As(err, &syntax):
		s.conn.Reply(syntax.Reply)
	case errors.Is(err, wire.ErrInterrupted):
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.conn.Reply(idleTooLong())
		return false
	default:
		return false
	}
	return true
}

// command runs one command and queues its reply.
func (s *session) command(ctx context.Context, cmd wire.Command) {
	switch cmd.Verb {
	case wire.EHLO, wire.HELO, wire.LHLO:
		s.hello(cmd)
	case wire.STARTTLS:
		s.startTLS(cmd.Arg) //nolint:contextcheck // the handshake is bounded by Options.Handshake
	case wire.MAIL:
		s.conn.Reply(s.mail(cmd.Arg))
	case wire.RCPT:
		s.conn.Reply(s.rcpt(cmd.Arg))
	case wire.DATA:
		s.data(ctx, cmd.Arg)
	default:
		s.conn.Reply(s.housekeeping(cmd))
	}
}

func (s *session) housekeeping(cmd wire.Command) reply {
	switch cmd.Verb {
	case wire.RSET:
		s.reset()
		return accepted()
	case wire.NOOP:
		return accepted()
	case wire.QUIT:
		s.closing = true
		return say(221, 2, 0, 0, "Goodbye")
	case wire.VRFY: // RFC 5321 section 3.5.3: neither confirms nor denies
		return say(252, 2, 5, 0, "Cannot verify, but will take the message")
	case wire.HELP:
		return say(214, 2, 0, 0, "Mail here unsubscribes")
	case wire.BDAT:
		// Its chunk follows without waiting for an answer (RFC 3030 section 2), and must not be read as commands.
		s.closing = true
		return notImplemented()
	case wire.EXPN, wire.AUTH:
		return notImplemented()
	}
	return unknownCommand()
}

// hello answers EHLO and HELO, or where the door speaks LMTP LHLO, which also end a transaction (RFC 5321
// section 4.1.4, RFC 2033 section 4.1).
func (s *session) hello(cmd wire.Command) {
	switch {
	case (cmd.Verb == wire.LHLO) != s.door.opt.LMTP:
		s.conn.Reply(unknownCommand())
		return
	case cmd.Arg == "":
		s.conn.Reply(syntaxError())
		return
	}
	s.reset()
	s.greeted = true
	lines := []string{s.door.opt.Hostname}
	if cmd.Verb != wire.HELO {
		lines = append(lines, s.extensions()...)
	}
	s.conn.ReplyLines(250, lines)
}

// extensions: mail that is only read can come in any encoding and from any address.
func (s *session) extensions() []string {
	out := []string{
		"PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME", "SMTPUTF8",
		"SIZE " + strconv.Itoa(MaxMessage), "LIMITS RCPTMAX=" + strconv.Itoa(maxRecipients),
	}
	if s.set.TLS != nil && !s.secure() {
		out = append(out, "STARTTLS")
	}
	return out
}

func (s *session) startTLS(arg string) {
	switch {
	case arg != "":
		s.conn.Reply(syntaxError())
		return
	case s.set.TLS == nil:
		s.conn.Reply(notImplemented())
		return
	case s.secure(), s.tx != nil:
		s.conn.Reply(badSequence())
		return
	}
	s.conn.Reply(say(220, 2, 0, 0, "Go ahead"))
	s.greeted = false // RFC 3207 section 4.2: what was said before TLS is forgotten
	if err := s.conn.StartTLS(s.set.TLS); err != nil {
		s.closing = true
		s.log.Info("tls handshake", "err", err)
		s.conn.Reply(tlsUnavailable())
	}
}

func (s *session) secure() bool {
	_, ok := s.conn.TLS()
	return ok
}

// reset ends the transaction.
func (s *session) reset() {
	s.tx = nil
	s.busy.Store(false)
}
