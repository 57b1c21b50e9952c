package smtpproxy_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"runtime/pprof"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

// shape is a way that a message takes through the gate.
type shape struct {
	name, stream, from string
	to                 []string
	lmtp               bool
	large              bool // more than is read before the upstream has answered
}

// victim is the recipient that the faults of RCPT strike.
const victim = "double"

func shapes() []shape {
	several := []string{"active", victim, "third"}
	return []shape{
		{name: "one recipient", stream: "news", from: "news@example.com", to: []string{victim}},
		{name: "several share a copy", stream: "news", from: "news@example.com", to: several},
		{name: "a copy each", stream: "promo", from: "promo@example.com", to: several},
		{name: "LMTP, several share a copy", stream: "news", from: "news@example.com", to: several, lmtp: true},
		{name: "LMTP, a copy each", stream: "promo", from: "promo@example.com", to: several, lmtp: true},
		{name: "LMTP, several share a large copy", stream: "news", from: "news@example.com", to: several, lmtp: true, large: true},
	}
}

// text is the message of the shape.
func (s shape) text() string {
	if s.large {
		return "Subject: hello\r\n\r\n" + strings.Repeat("some text\r\n", 10_000) + faultText
	}
	return faultText
}

// ending is how a transaction ends for the client, and what else there is to see.
type ending struct {
	reply   string // to the dot, with LMTP of every recipient; to DATA where early
	victim  string // with LMTP the victim's, where it has one of its own
	early   bool   // there is no 354
	served  served
	counted string // before "." and the stream's name
}

type served int

const (
	nobody served = iota
	others        // all but the victim
	everybody
)

// row is a verb's endings by fault.
type row map[string]ending

func faults() map[string]smtptest.Fault {
	return map[string]smtptest.Fault{
		"4xx": smtptest.Reply("451 4.3.0 not now"), "5xx": smtptest.Reply("554 5.3.0 never"), "421": smtptest.Reply("421 4.3.2 going down"),
		"hang": smtptest.Hang(), "close": smtptest.Close(), "garbage": smtptest.Garbage(), "slow": smtptest.Slow(7),
	}
}

// every is a row with one ending for all faults but the three given.
func every(e, later, never, slow ending) row {
	return row{"4xx": later, "5xx": never, "421": e, "hang": e, "close": e, "garbage": e, "slow": slow}
}

// faults are all, slow as far as a test can wait for it.
func (s shape) faults() map[string]smtptest.Fault {
	all := faults()
	if s.large {
		all["slow"] = smtptest.Slow(4 << 10)
	}
	return all
}

// endings is the matrix: what each fault at each verb comes to.
func endings(s shape) map[smtptest.Verb]row {
	var (
		sent        = ending{reply: "250", served: everybody}
		early       = ending{reply: "451 4.4.1 Upstream not available", early: true, counted: "deferred"}
		deferred    = ending{reply: "451 4.3.0 not now"}
		refused     = ending{reply: "554 5.3.0 never"}
		unavailable = ending{reply: "451 4.4.1 Upstream not available"}
		unknown     = ending{reply: "451 4.4.2 Upstream gave no answer", counted: "unknown"}
	)
	step, dot := every(unavailable, deferred, refused, sent), every(unknown, deferred, refused, sent)
	dot["421"] = unavailable
	body := maps.Clone(dot)
	if s.large { // the dot may have left before the end is seen, or not
		for _, fault := range []string{"hang", "close", "garbage"} {
			body[fault] = ending{reply: "451 4.4."}
		}
	}
	return map[smtptest.Verb]row{
		smtptest.Connect: every(early, early, early, sent), smtptest.Greeting: every(early, early, early, sent),
		smtptest.EHLO: every(early, early, sent, sent), // refused for good: HELO
		smtptest.Mail: step, smtptest.Rcpt: rcptEndings(s, step), smtptest.Data: step, smtptest.Body: body, smtptest.Dot: dot,
	}
}

// rcptEndings: one of several recipients has the fault.
func rcptEndings(s shape, alone row) row {
	partly := ending{reply: "451 4.4.2 Delivered to 2 of 3 recipients", served: others, counted: "partly_delivered"}
	told := ending{reply: "250", served: others, counted: "notices"}
	own := func(reply string) ending { return ending{reply: "250", victim: reply, served: others} }
	split := s.stream == "promo"
	switch {
	case len(s.to) == 1:
		return alone
	case s.lmtp && split:
		return every(own("451 4.4.1"), own("451 4.3.0 not now"), own("554 5.3.0 never"), alone["slow"])
	case s.lmtp:
		return every(alone["421"], own("451 4.3.0 not now"), own("554 5.3.0 never"), alone["slow"])
	case split:
		return every(partly, partly, told, alone["slow"])
	}
	return every(alone["421"], partly, told, alone["slow"])
}

// TestFaults: every fault at every verb, for every way through the gate. What the client hears is told by the table;
// no message is ever truncated, what has to wait is sent by the retry and nothing twice, and nothing is left behind.
// It counts goroutines and descriptors, so no other test runs beside it.
func TestFaults(t *testing.T) { //nolint:paralleltest // see above
	for _, s := range shapes() {
		w, set := running(t, bigMessages, func(_ *world, o *smtpproxy.Options) { o.Listeners[0].LMTP = s.lmtp })
		for verb, row := range endings(s) {
			for name, fault := range s.faults() {
				t.Run(fmt.Sprintf("%s/%s/%s", s.name, verb, name), func(t *testing.T) {
					w.upstream.CloseConnections()
					checkLeaks(t, w)
					c := cell{t: t, w: w, set: set, shape: s, want: row[name]}
					c.run(verb, fault)
				})
			}
		}
	}
}

// checkLeaks fails the test if goroutines, descriptors or upstream connections are left at its end.
func checkLeaks(t *testing.T, w *world) {
	t.Helper()
	smtptest.Eventually(t, "no upstream connection is open", func() bool { return w.upstream.Open() == 0 })
	before, descriptors := smtptest.Goroutines(), openDescriptors(t)
	t.Cleanup(func() {
		defer func() {
			if t.Failed() {
				_ = pprof.Lookup("goroutine").WriteTo(t.Output(), 1) // who is left
			}
		}()
		smtptest.Eventually(t, "no upstream connection is left", func() bool { return w.upstream.Open() == 0 })
		smtptest.Eventually(t, "no goroutine is left", func() bool { return smtptest.Goroutines() <= before })
		smtptest.Eventually(t, "no descriptor is left", func() bool { return openDescriptors(t) <= descriptors })
	})
}

func openDescriptors(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatalf("descriptors cannot be counted: %v", err)
	}
	return len(entries)
}

// cell is one square of the matrix.
type cell struct {
	t     *testing.T
	w     *world
	set   *smtpproxy.Settings
	shape shape
	want  ending
}

func (c cell) run(verb smtptest.Verb, fault smtptest.Fault) {
	c.t.Helper()
	c.w.upstream.Forget()
	pool := c.through(verb, fault == smtptest.Hang())
	if verb == smtptest.Rcpt {
		c.w.upstream.OnRcpt(victim+"@example.net", fault)
	} else {
		c.w.upstream.On(verb, fault)
	}
	if opens(verb) {
		c.w.upstream.CloseConnections() // those that the probe left
	}
	counter := c.counter()
	before := c.w.counted.of(counter)
	c.send(c.want)
	c.checkServed(c.want.served, 1)
	if counter != "" && c.w.counted.of(counter) == before {
		c.t.Errorf("%s was not counted", counter)
	}
	c.w.upstream.Clear()
	_ = pool.Close()
	c.retry()
}

func opens(v smtptest.Verb) bool {
	return v == smtptest.Connect || v == smtptest.Greeting || v == smtptest.EHLO
}

// through puts a new pool in force; it is impatient where the verb is to hang.
func (c cell) through(verb smtptest.Verb, hangs bool) *upstream.Pool {
	c.t.Helper()
	o := upstream.Options{Targets: []upstream.Target{{Address: c.w.upstream.Addr(), TLS: upstream.None}}, Hello: "gate.example"}
	const impatient = 200 * time.Millisecond
	switch {
	case !hangs:
	case opens(verb):
		o.Dial = impatient
	case verb == smtptest.Body, verb == smtptest.Dot:
		o.Dot = impatient
	default:
		o.Reply = impatient
	}
	p := upstream.New(o)
	c.t.Cleanup(func() { _ = p.Close() })
	if err := p.Probe(c.t.Context()); err != nil {
		c.t.Fatal(err)
	}
	c.set.Upstream = p
	if err := c.w.server.Reload(*c.set); err != nil {
		c.t.Fatal(err)
	}
	return p
}

// counter is the one that has to go up.
func (c cell) counter() string {
	switch c.want.counted {
	case "":
		return ""
	case "deferred":
		return "deferred." + c.shape.stream + ".upstream_unavailable"
	}
	return c.want.counted + "." + c.shape.stream
}

const faultText = "Subject: hello\r\n\r\nfirst line\r\n..dot\r\nlast line\r\n"

// send plays the transaction and holds its replies against the ending; then the session goes on.
func (c cell) send(e ending) {
	c.t.Helper()
	hello := "EHLO"
	if c.shape.lmtp {
		hello = "LHLO"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "S: 220\nC: %s client.example\nS* 250\nC: MAIL FROM:<%s>\nS: 250\n", hello, c.shape.from)
	for _, r := range c.shape.to {
		fmt.Fprintf(&b, "C: RCPT TO:<%s@example.net>\nS: 250\n", r)
	}
	b.WriteString("C: DATA\n")
	if e.early {
		fmt.Fprintf(&b, "S: %s\n", e.reply)
	} else {
		fmt.Fprintf(&b, "S: 354\nC< %s.\\r\\n\n%s", escape(c.shape.text()), c.replies(e))
	}
	b.WriteString("C: NOOP\nS: 250\nC: QUIT\nS: 221\nS.\n")
	if err := smtptest.Play(c.w.addr, c.t.Name(), b.String(), nil); err != nil {
		c.t.Fatal(err)
	}
}

// replies are those to the dot: one, or with LMTP one for each recipient.
func (c cell) replies(e ending) string {
	if !c.shape.lmtp {
		return "S: " + e.reply + "\n"
	}
	var b strings.Builder
	for _, r := range c.shape.to {
		reply := e.reply
		if r == victim && e.victim != "" {
			reply = e.victim
		}
		b.WriteString("S: " + reply + "\n")
	}
	return b.String()
}

// checkServed: exactly those have the message n times, and every message that was ended is whole.
func (c cell) checkServed(who served, n int) {
	c.t.Helper()
	got := c.accepted()
	for _, r := range c.shape.to {
		want := n
		if who == nobody || who == others && r == victim {
			want = 0
		}
		if got[r] != want {
			c.t.Errorf("%s was served %d times, want %d", r, got[r], want)
		}
	}
}

// accepted counts by recipient the messages that the upstream took, and looks at every one that was ended.
func (c cell) accepted() map[string]int {
	c.t.Helper()
	n := map[string]int{}
	for _, m := range c.w.upstream.Messages() {
		if strings.HasPrefix(m.MailArg, "<>") {
			continue // a notice of ours
		}
		if m.Complete && !bytes.HasSuffix(m.Data, []byte(c.shape.text())) {
			c.t.Errorf("a truncated message was ended upstream: %q", m.Data)
		}
		for _, r := range m.RcptArgs {
			if name, _, _ := strings.Cut(strings.TrimPrefix(r, "<"), "@"); m.Accepted {
				n[name]++
			}
		}
	}
	return n
}

// retry: the same message once more, to an upstream that is well. Who has it already is left out.
func (c cell) retry() {
	c.t.Helper()
	if strings.HasPrefix(c.want.reply, "554") || c.want.reply == "250" && !c.shape.lmtp {
		return
	}
	before := c.accepted()
	pool := c.through(smtptest.Quit, false)
	c.send(ending{reply: "250"})
	_ = pool.Close()
	after := c.accepted()
	for _, r := range c.shape.to {
		if !c.shape.lmtp && after[r] != 1 {
			c.t.Errorf("%s has the message %d times after the retry, want once", r, after[r])
		}
		if c.shape.lmtp && after[r] != before[r]+1 {
			c.t.Errorf("%s: %d messages, then %d; LMTP repeats what the client repeats", r, before[r], after[r])
		}
	}
}
