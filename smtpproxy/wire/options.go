package wire

import (
	"cmp"
	"time"
)

// BarePolicy says what becomes of a CR or LF that is not half of a CRLF (RFC 5321 section 2.3.8 forbids both).
type BarePolicy int

const (
	// Reject refuses the message (ErrBareLine) and the command line (500 5.5.2).
	Reject BarePolicy = iota
	// Normalise turns a bare LF into CRLF and drops a bare CR; a line that thereby begins with a dot is stuffed.
	Normalise
)

// Limits bound what a client may make the server hold. Zero is the default named beside the field.
type Limits struct {
	Line     int   // octets of a command line with its CRLF: 4096 (RFC 5321 section 4.5.3.1.4 asks for 512 and more)
	AuthLine int   // octets of a line of an AUTH exchange with its CRLF: 12288 (RFC 4954 section 4)
	Header   int   // octets of a message header: 256 KiB
	Fields   int   // fields of a message header: 1000
	Message  int64 // octets of a message as RFC 1870 counts them; 0 is no limit
}

// Options of a Conn. The zero value is usable: zero fields take the defaults named beside them.
type Options struct {
	Limits   Limits
	Idle     time.Duration // for a whole command line to arrive, a quarter more at most: 5 min (RFC 5321 section 4.5.3.2.7)
	Progress time.Duration // for the next octets of a message to arrive: 3 min
	// MinRate is the slowest a message may arrive, in octets a second: 500; negative is no minimum. Every MinRate
	// octets buy a second of waiting, up to Progress, so that short stalls do no harm. Only time spent waiting for
	// the client counts.
	MinRate   int
	Write     time.Duration // for replies to leave: 1 min
	Handshake time.Duration // for a TLS handshake: 30 s
	BareLines BarePolicy
	Buffers   *Buffers         // shared by the connections of a server; nil: the connection has its own
	Now       func() time.Time // time.Now
}

func (l Limits) withDefaults() Limits {
	l.Line = cmp.Or(l.Line, 4096)
	l.AuthLine = cmp.Or(l.AuthLine, 12288)
	l.Header = cmp.Or(l.Header, 256<<10)
	l.Fields = cmp.Or(l.Fields, 1000)
	return l
}

func (o Options) withDefaults() Options {
	o.Limits = o.Limits.withDefaults()
	o.Idle = cmp.Or(o.Idle, 5*time.Minute)
	o.Progress = cmp.Or(o.Progress, 3*time.Minute)
	o.MinRate = cmp.Or(o.MinRate, 500)
	o.Write = cmp.Or(o.Write, time.Minute)
	o.Handshake = cmp.Or(o.Handshake, 30*time.Second)
	if o.Buffers == nil {
		o.Buffers = new(Buffers)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}
