// Package metrics tells Prometheus what the gate counts, in its text format, version 0.0.4. Every label has a closed
// set of values and every series is there from the start, so that a rate is never missing its first step; nothing here
// names a recipient.
//
// It counts nothing itself: totals come from internal/stats, gauges and the few figures of the process are read when they
// are asked for. Only internal/app imports it.
package metrics

import (
	"bytes"
	"cmp"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// Gauge is a value at the time of a scrape.
type Gauge struct {
	Name, Help string // the name without consentgate_
	Label      string // name="value", or empty
	Value      float64
}

// Options is what Metrics reads. Totals are by what, stream, reason and event type, and only grow.
type Options struct {
	Totals  func() map[gate.Counter]int64
	Streams func() []string // the streams that are configured
	Gauges  func() []Gauge  // those of one name stand together
}

// Metrics is the http.Handler of /metrics.
type Metrics struct {
	o Options

	mu     sync.Mutex
	delays histogram
}

// New makes the handler.
func New(o Options) *Metrics {
	return &Metrics{o: o, delays: histogram{counts: make([]int64, len(bounds()))}}
}

// Withdrawn hears how long after a person's act the withdrawal stood in the store.
func (m *Metrics) Withdrawn(d time.Duration) {
	m.mu.Lock()
	m.delays.observe(d.Seconds())
	m.mu.Unlock()
}

// ServeHTTP answers a scrape.
func (m *Metrics) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	_, _ = w.Write(m.text()) // the reader may have left
}

func (m *Metrics) text() []byte {
	var b bytes.Buffer
	t := m.read()
	for _, f := range families() {
		f.write(&b, t)
	}
	m.mu.Lock()
	m.delays.write(&b, prefix+"withdrawal_seconds", "From a person's withdrawal until it stood in the store.")
	m.mu.Unlock()
	gauges(&b, prefix, m.o.Gauges())
	gauges(&b, "", process())
	return b.Bytes()
}

func gauges(b *bytes.Buffer, prefix string, all []Gauge) {
	last := ""
	for _, g := range all {
		if g.Name != last {
			head(b, prefix+g.Name, "gauge", g.Help)
		}
		last = g.Name
		sample(b, prefix+g.Name, g.Label, g.Value)
	}
}

// totals are what is counted, and the streams that have series.
type totals struct {
	n       map[gate.Counter]int64
	streams []string
}

// read takes the totals once; streams that a reload removed keep their series, since a counter does not vanish.
func (m *Metrics) read() totals {
	t := totals{n: m.o.Totals(), streams: m.o.Streams()}
	for c := range t.n {
		if c.Event == "" && !perProcess(c.What) && !slices.Contains(t.streams, c.Stream) {
			t.streams = append(t.streams, c.Stream)
		}
	}
	slices.Sort(t.streams)
	return t
}

func perProcess(what gate.Counted) bool {
	switch what {
	case gate.CountSessions, gate.CountTurnedAway, gate.CountUnknownToken, gate.CountForbidden,
		gate.CountForged, gate.CountUnreadable,
		gate.CountConfirmSent, gate.CountConfirmFailed, gate.CountConfirmCapped:
		return true
	}
	return slices.Contains(inbound(), what)
}

// family is the series of one name.
type family struct {
	name, help string
	series     func(t totals, each func(labels string, n int64))
}

func (f family) write(b *bytes.Buffer, t totals) {
	head(b, prefix+f.name, "counter", f.help)
	f.series(t, func(labels string, n int64) { sample(b, prefix+f.name, labels, float64(n)) })
}

// families are all counters. One entry here is one line of docs/stats.md.
func families() []family {
	return []family{
		{"verdicts_total", "Verdicts about recipients; would_block is mode observe.", verdicts},
		{"events_total", "Consent events that the store took.", events},
		{"deliveries_total", "What became of permitted recipients upstream.", perStream("outcome",
			gate.CountAccepted, gate.CountRefused, gate.CountPutOff, gate.CountUndecided)},
		{"messages_total", "What happened to messages.", perStream("what", gate.CountPartly, gate.CountNotices,
			gate.CountWithoutStore, gate.CountWithoutLedger, gate.CountLedgerFailed, gate.CountUnheard,
			gate.CountSpoolFull, gate.CountListKept, gate.CountListSigned)},
		{"sessions_total", "SMTP sessions that found a place.", alone(gate.CountSessions)},
		{"turned_away_total", "SMTP clients that found none, or too many of their own.", alone(gate.CountTurnedAway)},
		{
			"requests_refused_total", "Requests to the private listener that were refused.",
			oneEach("why", "", gate.CountUnknownToken, gate.CountForbidden),
		},
		{"inbound_total", "Recipients at the inbound listener, by what became of them.", oneEach("what", "inbound_", inbound()...)},
		{
			"hooks_refused_total", "Webhooks that their provider did not make, and webhooks or reports that cannot be read.",
			oneEach("why", "hook_", gate.CountForged, gate.CountUnreadable),
		},
		{
			"confirmation_mails_total", "Messages of the gate's own that ask to confirm or offer to stop, by what became of them.",
			oneEach("what", "confirmation_", gate.CountConfirmSent, gate.CountConfirmFailed, gate.CountConfirmCapped),
		},
	}
}

// oneEach has a series for each of the things counted, whose names lose the prefix.
func oneEach(label, prefix string, what ...gate.Counted) func(t totals, each func(string, int64)) {
	return func(t totals, each func(string, int64)) {
		for _, w := range what {
			each(labels(label, strings.TrimPrefix(string(w), prefix)), t.sum(w, ""))
		}
	}
}

func inbound() []gate.Counted {
	return []gate.Counted{
		gate.CountInboundUnsubscribed, gate.CountInboundComplained, gate.CountInboundAutomatic, gate.CountInboundIgnored,
		gate.CountInboundUnmatched, gate.CountInboundPutOff, gate.CountInboundUnknown,
	}
}

func verdicts(t totals, each func(string, int64)) {
	for _, stream := range t.streams {
		of := func(what gate.Counted, r gate.Reason) int64 {
			return t.n[gate.Counter{What: what, Stream: stream, Reason: r}]
		}
		each(verdict(stream, "permit", ""), of(gate.CountPermitted, ""))
		for _, r := range gate.Reasons() {
			if r.Defers() {
				each(verdict(stream, "defer", r), of(gate.CountDeferred, r))
				continue
			}
			each(verdict(stream, "block", r), of(gate.CountBlocked, r)+of(gate.CountBlockedLate, r))
			each(verdict(stream, "would_block", r), of(gate.CountWouldBlock, r))
		}
	}
}

func verdict(stream, verdict string, r gate.Reason) string {
	return labels("stream", stream, "verdict", verdict, "reason", string(r))
}

func events(t totals, each func(string, int64)) {
	sums := make(map[gate.EventType]int64)
	for c, n := range t.n {
		if c.What == gate.CountEvent || c.What == gate.CountRepeated {
			sums[c.Event] += n
		}
	}
	for _, e := range gate.EventTypes() {
		each(labels("type", string(e)), sums[e])
	}
}

func perStream(label string, whats ...gate.Counted) func(totals, func(string, int64)) {
	return func(t totals, each func(string, int64)) {
		for _, stream := range t.streams {
			for _, what := range whats {
				each(labels("stream", stream, label, string(what)), t.sum(what, stream))
			}
		}
	}
}

func alone(what gate.Counted) func(totals, func(string, int64)) {
	return func(t totals, each func(string, int64)) { each("", t.sum(what, "")) }
}

func (t totals) sum(what gate.Counted, stream string) int64 {
	return t.n[gate.Counter{What: what, Stream: stream}]
}

// labels writes pairs of name and value; an empty value is shown as none.
func labels(pairs ...string) string {
	var b bytes.Buffer
	for i := 0; i+1 < len(pairs); i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(pairs[i] + `="` + escape(cmp.Or(pairs[i+1], "none")) + `"`)
	}
	return b.String()
}
