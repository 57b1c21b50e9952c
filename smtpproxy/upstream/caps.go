package upstream

import (
	"slices"
	"strconv"
	"strings"
)

// Caps is what an upstream said it can do, as far as it matters to a message.
type Caps struct {
	Known                       bool  // an EHLO or HELO was answered
	EightBitMIME, SMTPUTF8, DSN bool  // RFC 6152, RFC 6531, RFC 3461
	Size                        int64 // RFC 1870, bytes; 0: no limit, or none declared
	RcptMax                     int   // RFC 9422, recipients of one transaction; 0: none declared
}

// Need is what one message asks of an upstream.
type Need struct {
	EightBitMIME, SMTPUTF8, DSN bool
	Size                        int64 // bytes, 0 where not known
}

// meets reports whether a message with this need can be sent.
func (c Caps) meets(n Need) bool {
	return (c.EightBitMIME || !n.EightBitMIME) &&
		(c.SMTPUTF8 || !n.SMTPUTF8) &&
		(c.DSN || !n.DSN) &&
		(c.Size == 0 || n.Size <= c.Size)
}

// both is what c and d have in common.
func (c Caps) both(d Caps) Caps {
	if !c.Known || !d.Known {
		return Caps{}
	}
	return Caps{
		Known:        true,
		EightBitMIME: c.EightBitMIME && d.EightBitMIME,
		SMTPUTF8:     c.SMTPUTF8 && d.SMTPUTF8,
		DSN:          c.DSN && d.DSN,
		Size:         lesser(c.Size, d.Size),
		RcptMax:      lesser(c.RcptMax, d.RcptMax),
	}
}

// lesser is the smaller of two limits, where 0 is no limit.
func lesser[T int | int64](a, b T) T {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// features is all that an EHLO reply tells: Caps, and what only the client itself makes use of.
type features struct {
	Caps
	pipelining, startTLS bool
	mechanisms           []string // of AUTH, upper case
	mailMax              int      // transactions of one connection; 0: none declared
}

// parseFeatures reads the text of an EHLO reply: a greeting line, then one keyword a line (RFC 5321 section 4.1.1.1).
// Keywords count in any case; Exchange and others write them as they like.
func parseFeatures(text string) features {
	f := features{Caps: Caps{Known: true}}
	lines := strings.Split(text, "\n")
	for _, line := range lines[1:] {
		words := strings.Fields(strings.ToUpper(line))
		if len(words) > 0 {
			f.add(words[0], words[1:])
		}
	}
	return f
}

func (f *features) add(keyword string, params []string) {
	switch keyword {
	case "8BITMIME":
		f.EightBitMIME = true
	case "SMTPUTF8":
		f.SMTPUTF8 = true
	case "DSN":
		f.DSN = true
	case "PIPELINING":
		f.pipelining = true
	case "STARTTLS":
		f.startTLS = true
	case "SIZE":
		f.Size = parseLimit(slices.Concat(params, []string{""})[0])
	case "LIMITS":
		f.addLimits(params)
	case "AUTH":
		f.mechanisms = append(f.mechanisms, params...)
	default:
		// "AUTH=PLAIN LOGIN" is how servers older than RFC 2554 say it.
		if first, ok := strings.CutPrefix(keyword, "AUTH="); ok {
			f.mechanisms = append(append(f.mechanisms, first), params...)
		}
	}
}

func (f *features) addLimits(params []string) {
	for _, p := range params {
		name, value, _ := strings.Cut(p, "=")
		switch name {
		case "RCPTMAX":
			f.RcptMax = int(min(parseLimit(value), 1<<30))
		case "MAILMAX":
			f.mailMax = int(min(parseLimit(value), 1<<30))
		}
	}
}

// parseLimit reads a number; what is none, or out of range, is no limit.
func parseLimit(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}
