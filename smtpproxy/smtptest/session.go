package smtptest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// session is one connection to an Upstream. Its methods report false when the connection is over.
type session struct {
	u      *Upstream
	number int
	conn   net.Conn
	r      *bufio.Reader
	w      *bufio.Writer
	pace   int // bytes a read, while a Body is slow

	secure   bool
	username string
	inMail   bool
	message  Message
}

func newSession(u *Upstream, c net.Conn, number int) *session {
	s := &session{u: u, number: number, conn: c}
	s.r, s.w = bufio.NewReaderSize(s, 64<<10), bufio.NewWriter(c)
	return s
}

// Read reads from the connection and records what came.
func (s *session) Read(p []byte) (int, error) {
	if s.pace > 0 && len(p) > s.pace {
		time.Sleep(time.Millisecond)
		p = p[:s.pace]
	}
	n, err := s.conn.Read(p)
	if n > 0 {
		s.u.note(func(r *record) { r.reads = append(r.reads, string(p[:n])) })
	}
	return n, err
}

func (s *session) serve() {
	defer func() { _ = s.w.Flush() }()
	if !s.pass(Connect) || s.u.implicit && !s.startTLS() {
		return
	}
	_, ok := s.answer(Greeting, "220 upstream.test ESMTP")
	for ok {
		var line string
		if line, ok = s.readLine(); ok {
			ok = s.command(line)
		}
	}
}

func (s *session) readLine() (string, bool) {
	if s.r.Buffered() == 0 && s.w.Flush() != nil {
		return "", false
	}
	line, err := s.r.ReadString('\n')
	if err != nil {
		return "", false
	}
	line = strings.TrimRight(line, "\r\n")
	s.u.note(func(r *record) { r.events = append(r.events, event{line: line}) })
	return line, true
}

func (s *session) command(line string) bool {
	verb, args, _ := strings.Cut(line, " ")
	switch strings.ToUpper(verb) {
	case "EHLO":
		_, ok := s.answer(EHLO, s.features())
		return ok
	case "HELO":
		_, ok := s.answer(HELO, "250 upstream.test")
		return ok
	case "STARTTLS":
		return s.upgrade()
	case "AUTH":
		return s.auth(args)
	case "MAIL":
		return s.mail(args)
	case "RCPT":
		return s.rcpt(args)
	case "DATA":
		return s.data()
	case "RSET":
		s.reset()
		_, ok := s.answer(Rset, "250 2.0.0 Ok")
		return ok
	case "NOOP":
		return s.write("250 2.0.0 Ok")
	case "QUIT":
		_, _ = s.answer(Quit, "221 2.0.0 Bye")
		return false
	}
	return s.write("500 5.5.2 Unknown command")
}

func (s *session) features() string {
	lines := append([]string{"upstream.test"}, s.u.capabilities...)
	spelled := func(keyword string) bool { return strings.EqualFold(keyword, "STARTTLS") }
	if s.u.authority != nil && !s.secure && !slices.ContainsFunc(lines, spelled) {
		lines = append(lines, "STARTTLS")
	}
	if s.u.username != "" {
		lines = append(lines, "AUTH "+s.u.mechanisms)
	}
	last := len(lines) - 1
	for i, l := range lines {
		lines[i] = "250-" + l
	}
	lines[last] = "250 " + lines[last][4:]
	return strings.Join(lines, "\n")
}

func (s *session) upgrade() bool {
	if s.u.authority == nil || s.secure {
		return s.write("502 5.5.1 Not here")
	}
	code, ok := s.answer(StartTLS, "220 2.0.0 Go ahead")
	if !ok || code != 220 {
		return ok
	}
	return s.w.Flush() == nil && s.startTLS()
}

// startTLS goes on in TLS; what the client sent ahead of it is dropped.
func (s *session) startTLS() bool {
	tc := tls.Server(s.conn, s.u.tlsConfig())
	if tc.HandshakeContext(context.Background()) != nil { // Stop closes the connection
		return false
	}
	s.conn, s.secure = tc, true
	s.r.Reset(s)
	s.w.Reset(tc)
	s.reset()
	return true
}

// auth understands PLAIN and LOGIN, with and without an initial response.
func (s *session) auth(args string) bool {
	mechanism, initial, _ := strings.Cut(args, " ")
	var username, password string
	var ok bool
	switch strings.ToUpper(mechanism) {
	case "PLAIN":
		var text string
		text, ok = s.challenge("", initial)
		if parts := strings.Split(text, "\x00"); len(parts) == 3 {
			username, password = parts[1], parts[2]
		}
	case "LOGIN":
		username, ok = s.challenge("Username:", initial)
		if ok {
			password, ok = s.challenge("Password:", "")
		}
	default:
		return s.write("504 5.5.4 Unknown mechanism")
	}
	if !ok {
		return false
	}
	reply := "535 5.7.8 Wrong user name or password"
	if username == s.u.username && password == s.u.password {
		reply = "235 2.7.0 Welcome"
	}
	code, ok := s.answer(Auth, reply)
	if code == 235 {
		s.username = username
	}
	return ok
}

// challenge returns the decoded response, asking for it where it has not come yet.
func (s *session) challenge(text, initial string) (string, bool) {
	if initial == "" {
		if !s.write("334 " + base64.StdEncoding.EncodeToString([]byte(text))) {
			return "", false
		}
		var ok bool
		if initial, ok = s.readLine(); !ok {
			return "", false
		}
	}
	response, _ := base64.StdEncoding.DecodeString(initial)
	return string(response), true
}

func (s *session) mail(args string) bool {
	arg, ok := cutPrefixFold(args, "FROM:")
	switch {
	case !ok:
		return s.write("501 5.5.4 Syntax")
	case s.u.username != "" && s.username == "":
		return s.write("530 5.7.0 Authentication required")
	case s.inMail:
		return s.write("503 5.5.1 Nested MAIL")
	}
	code, ok := s.answer(Mail, "250 2.1.0 Ok")
	if code/100 == 2 {
		s.inMail = true
		s.message = Message{Conn: s.number, TLS: s.secure, Username: s.username, MailArg: arg}
	}
	return ok
}

func (s *session) rcpt(args string) bool {
	arg, ok := cutPrefixFold(args, "TO:")
	switch {
	case !ok:
		return s.write("501 5.5.4 Syntax")
	case !s.inMail:
		return s.write("503 5.5.1 MAIL first")
	}
	address, _, _ := strings.Cut(strings.TrimPrefix(arg, "<"), ">")
	code, ok := s.answer(Rcpt, "250 2.1.5 Ok", faultKey{Rcpt, strings.ToLower(address)})
	if code/100 == 2 {
		s.message.RcptArgs = append(s.message.RcptArgs, arg)
	}
	return ok
}

func (s *session) data() bool {
	usual := "354 End data with <CR><LF>.<CR><LF>"
	if !s.inMail {
		usual = "503 5.5.1 MAIL first"
	} else if len(s.message.RcptArgs) == 0 {
		usual = "554 5.5.1 No valid recipients"
	}
	code, ok := s.answer(Data, usual)
	if !ok || code != 354 {
		return ok
	}
	return s.w.Flush() == nil && s.content()
}

// content reads up to the final dot and answers it.
func (s *session) content() bool {
	ok := s.readContent()
	s.pace = 0
	m := s.message
	m.Complete = ok
	s.note(m) // before the answer: who has it may look at once
	if !ok {
		return false
	}
	s.reset()
	_, ok = s.answer(Dot, "250 2.0.0 Ok: queued")
	return ok
}

// note records a transaction; whether it is accepted is known before the client knows.
func (s *session) note(m Message) {
	m.Accepted = m.Complete && s.u.accepts()
	s.u.note(func(r *record) {
		r.messages = append(r.messages, m)
		r.events = append(r.events, event{content: m.Data, ended: m.Complete})
	})
}

// accepts reports whether the next dot will be answered with 2xx.
func (u *Upstream) accepts() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch f := u.faults[faultKey{verb: Dot}]; f.effect {
	case effectNone, effectSlow:
		return true
	case effectReply:
		return strings.HasPrefix(f.text, "2")
	}
	return false
}

// readContent gathers content until a line that is "." between two CRLFs.
func (s *session) readContent() bool {
	if _, err := s.r.Peek(1); err != nil || !s.pass(Body) {
		return false
	}
	atCRLF := true
	for {
		part, err := s.r.ReadSlice('\n')
		if atCRLF && bytes.Equal(part, []byte(".\r\n")) {
			return true
		}
		if !s.u.unrecorded {
			s.message.Data = append(s.message.Data, part...)
		}
		atCRLF = bytes.HasSuffix(part, []byte("\r\n"))
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return false
		}
	}
}

func (s *session) reset() { s.inMail, s.message = false, Message{} }

// pass lets a fault strike where no reply is due.
func (s *session) pass(v Verb) bool {
	switch f := s.u.fault(faultKey{verb: v}); f.effect {
	case effectNone:
	case effectSlow:
		s.pace = f.n
	case effectHang:
		s.u.wait()
		return false
	case effectReply, effectGarbage:
		_ = s.write(f.text)
		return false
	case effectClose:
		return false
	}
	return true
}

// answer sends the usual reply, or what the fault of v (or one of the keys before it) says, and returns its code.
func (s *session) answer(v Verb, usual string, keys ...faultKey) (code int, ok bool) {
	f := s.u.fault(append(keys, faultKey{verb: v})...)
	text := usual
	switch f.effect {
	case effectNone:
	case effectReply, effectGarbage:
		text = f.text
	case effectSlow:
		return replyCode(text), s.writeSlowly(text, f.n)
	case effectHang:
		_ = s.w.Flush()
		_, _ = io.Copy(io.Discard, s.conn)
		return 0, false
	case effectClose:
		return 0, false
	}
	code = replyCode(text)
	return code, s.write(text) && code != 421
}

func (s *session) write(text string) bool {
	_, err := s.w.WriteString(onWire(text))
	return err == nil
}

func (s *session) writeSlowly(text string, n int) bool {
	return s.w.Flush() == nil && s.drip([]byte(onWire(text)), n)
}

func onWire(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") + "\r\n" }

func (s *session) drip(b []byte, n int) bool {
	for len(b) > 0 {
		k := min(n, len(b))
		if _, err := s.conn.Write(b[:k]); err != nil {
			return false
		}
		b = b[k:]
		time.Sleep(time.Millisecond)
	}
	return true
}

func replyCode(text string) int {
	n, _ := strconv.Atoi(text[:min(3, len(text))])
	return n
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
