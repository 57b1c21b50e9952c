package stats

import (
	"strings"

	"github.com/consentgate/consentgate/gate"
)

// other is what a day's sums call the sources, purposes and streams past the first ones; see Sums.
const other = "other"

// A store's counters have names, such as
//
//	blocked/newsletter/no_consent/passive       a verdict: stream, reason, method
//	event/newsletter/granted/active/            an event: purpose, type, method, stream
//	source/blocked/passive_unconfirmed/passive/contest:summer-quiz
//	source/event/granted/passive/contest:summer-quiz
//
// Each is counted under two names: without the source, and by source. So a day has as many names as streams × reasons ×
// methods plus sources × reasons, not the product of all. Purposes and streams have no slash (gate.IsPurpose); a source
// may, and stands last.
const bySource = "source/"

// names returns the two names of c. What has no source, not even an unknown one, has the first only.
func names(c gate.Counter) (plain, source string) {
	switch c.What {
	case gate.CountEvent, gate.CountRepeated, gate.CountAwaiting:
		plain = join(string(c.What), c.Purpose, string(c.Event), string(c.Method), c.Stream)
		return plain, bySource + join(string(c.What), string(c.Event), string(c.Method), c.Source)
	case gate.CountPermitted, gate.CountBlocked, gate.CountBlockedLate, gate.CountDeferred, gate.CountWouldBlock:
		plain = join(string(c.What), c.Stream, string(c.Reason), string(c.Method))
		return plain, bySource + join(string(c.What), string(c.Reason), string(c.Method), c.Source)
	}
	return join(string(c.What), c.Stream), ""
}

func join(parts ...string) string { return strings.Join(parts, "/") }

// parse reads a name; sourced tells which of the two it is. What is no name of ours is not ok.
func parse(name string) (c gate.Counter, sourced, ok bool) {
	text, sourced := strings.CutPrefix(name, bySource)
	what, rest, _ := strings.Cut(text, "/")
	c.What = gate.Counted(what)
	var fields []*string
	var event, reason, method string
	switch c.What {
	case gate.CountEvent, gate.CountRepeated, gate.CountAwaiting:
		fields = []*string{&c.Purpose, &event, &method, &c.Stream}
		if sourced {
			fields = []*string{&event, &method, &c.Source}
		}
	case gate.CountPermitted, gate.CountBlocked, gate.CountBlockedLate, gate.CountDeferred, gate.CountWouldBlock:
		fields = []*string{&c.Stream, &reason, &method}
		if sourced {
			fields = []*string{&reason, &method, &c.Source}
		}
	default:
		c.Stream = rest
		return c, false, !sourced
	}
	parts := strings.SplitN(rest, "/", len(fields))
	if len(parts) != len(fields) {
		return gate.Counter{}, false, false
	}
	for i, f := range fields {
		*f = parts[i]
	}
	c.Event, c.Reason, c.Method = gate.EventType(event), gate.Reason(reason), gate.Method(method)
	return c, sourced, true
}
