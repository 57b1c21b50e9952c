package smtptest

import "strings"

// Verb is a moment of a session at which a Fault can strike.
type Verb string

// The moments, in the order of a session.
const (
	Connect  Verb = "connect"  // the connection is accepted; nothing was said, no TLS begun
	Greeting Verb = "greeting" // the first reply
	EHLO     Verb = "EHLO"
	HELO     Verb = "HELO"
	StartTLS Verb = "STARTTLS"
	Auth     Verb = "AUTH"
	Mail     Verb = "MAIL"
	Rcpt     Verb = "RCPT"
	Data     Verb = "DATA"
	Body     Verb = "body" // content has begun to come; Reply is sent at once and the connection closed
	Dot      Verb = "dot"  // the end of content has come
	Rset     Verb = "RSET"
	Quit     Verb = "QUIT"
)

type effect int

const (
	effectNone effect = iota
	effectReply
	effectHang
	effectClose
	effectGarbage
	effectSlow
)

// Fault is what the upstream does instead of its usual answer.
type Fault struct {
	effect effect
	text   string
	n      int // bytes at a time, of Slow
	times  int // 0: always
}

// Reply answers with text, of one or more lines parted by "\n". Its code decides how the session goes on: 2xx and 3xx
// as if the upstream had accepted, 421 ends the connection.
func Reply(text string) Fault { return Fault{effect: effectReply, text: text} }

// Hang never answers. At Body it also stops reading, so that the client's writes block; elsewhere what comes is
// read and ignored, so that the end of the connection is seen.
func Hang() Fault { return Fault{effect: effectHang} }

// Close ends the connection without an answer.
func Close() Fault { return Fault{effect: effectClose} }

// Garbage answers with what is no SMTP reply.
func Garbage() Fault { return Fault{effect: effectGarbage, text: "\x16\x03\x01 this is no reply"} }

// Slow gives the usual answer n bytes at a time, a millisecond apart. At Body it reads that slowly.
func Slow(n int) Fault { return Fault{effect: effectSlow, n: max(n, 1)} }

// Times limits a fault to the next n times; afterwards the upstream is well.
func (f Fault) Times(n int) Fault {
	f.times = n
	return f
}

// faultKey is a verb, or a verb with the address it is about.
type faultKey struct {
	verb    Verb
	address string // lower case, without brackets
}

// On sets the fault of a verb.
func (u *Upstream) On(v Verb, f Fault) { u.setFault(faultKey{verb: v}, f) }

// OnRcpt sets the fault of RCPT for one address, which counts before that of On(Rcpt, …).
func (u *Upstream) OnRcpt(address string, f Fault) {
	u.setFault(faultKey{Rcpt, strings.ToLower(address)}, f)
}

// Clear ends all faults. Connections that hang are closed.
func (u *Upstream) Clear() {
	u.mu.Lock()
	defer u.mu.Unlock()
	clear(u.faults)
	close(u.cleared)
	u.cleared = make(chan struct{})
}

func (u *Upstream) setFault(k faultKey, f Fault) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.faults[k] = f
}

// fault takes the fault due for the first key that has one.
func (u *Upstream) fault(keys ...faultKey) Fault {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, k := range keys {
		f, ok := u.faults[k]
		if !ok {
			continue
		}
		if f.times == 1 {
			delete(u.faults, k)
		} else if f.times > 1 {
			u.faults[k] = f.Times(f.times - 1)
		}
		return f
	}
	return Fault{}
}
