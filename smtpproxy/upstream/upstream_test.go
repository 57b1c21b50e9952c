package upstream_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/smtpproxy/smtptest"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

// envelope has one recipient for each name.
func envelope(names ...string) upstream.Envelope {
	e := upstream.Envelope{Mail: "<a@b.example>"}
	for _, n := range names {
		e.Rcpts = append(e.Rcpts, "<"+n+"@example.com>")
	}
	return e
}

// newPool is a pool on fake upstreams with short times; set changes its options.
func newPool(t testing.TB, set func(*upstream.Options), upstreams ...*smtptest.Upstream) *upstream.Pool {
	t.Helper()
	o := upstream.Options{
		Hello: "gate.example",
		Dial:  10 * time.Second, Reply: 10 * time.Second, Dot: 10 * time.Second, Write: 10 * time.Second,
	}
	for _, u := range upstreams {
		o.Targets = append(o.Targets, upstream.Target{Address: u.Addr(), TLS: upstream.None})
	}
	if set != nil {
		set(&o)
	}
	p := upstream.New(o)
	t.Cleanup(func() { _ = p.Close() })
	return p
}

func get(t testing.TB, p *upstream.Pool) *upstream.Lease {
	t.Helper()
	l, err := p.Get(t.Context(), upstream.Need{})
	if err != nil {
		t.Fatalf("Get: %v", err)
	}
	t.Cleanup(l.Abort)
	return l
}

// await asks for the envelope and wants content to follow.
func await(t testing.TB, l *upstream.Lease, e upstream.Envelope) {
	t.Helper()
	l.Envelope(e)
	a, err := l.Await()
	if err != nil || !a.Go() {
		t.Fatalf("Await: %+v, %v; want a 354", a, err)
	}
}

func write(t testing.TB, l *upstream.Lease, content string) {
	t.Helper()
	if n, err := l.Write([]byte(content)); n != len(content) || err != nil {
		t.Fatalf("Write: %d, %v", n, err)
	}
}

func accepted(t testing.TB, l *upstream.Lease) {
	t.Helper()
	if r, err := l.Result(); err != nil || !r.Positive() {
		t.Fatalf("Result: %v, %v; want 2xx", r, err)
	}
}

// send carries one message over the pool, as a session does.
func send(ctx context.Context, p *upstream.Pool, content string) (upstream.Reply, error) {
	l, err := p.Get(ctx, upstream.Need{})
	if err != nil {
		return upstream.Reply{}, err
	}
	defer l.Release()
	l.Envelope(envelope("x"))
	a, err := l.Await()
	if err != nil {
		return upstream.Reply{}, err
	}
	if !a.Go() {
		return refusal(a), nil
	}
	if _, err := l.Write([]byte(content)); err != nil {
		return upstream.Reply{}, err
	}
	l.Dot()
	return l.Result()
}

// refusal is the first reply that is one.
func refusal(a upstream.Answer) upstream.Reply {
	for _, r := range append(append([]upstream.Reply{a.Mail}, a.Rcpts...), a.Data) {
		if !r.Positive() {
			return r
		}
	}
	return a.Data
}

func mustSend(t testing.TB, p *upstream.Pool) {
	t.Helper()
	if r, err := send(t.Context(), p, "hello\r\n"); err != nil || !r.Positive() {
		t.Fatalf("send: %v, %v; want 2xx", r, err)
	}
}

// class names what an error means for the message.
func class(err error) string {
	switch {
	case err == nil:
		return "reply"
	case errors.Is(err, upstream.ErrUnknown):
		return "unknown"
	case errors.Is(err, upstream.ErrUnavailable):
		return "unavailable"
	}
	return "unclassed: " + err.Error()
}

// verbs is the upstream's transcript reduced to the first word of each command.
func verbs(u *smtptest.Upstream) string {
	var words []string
	for _, line := range u.Lines() {
		word, _, _ := strings.Cut(line, " ")
		words = append(words, word)
	}
	return strings.Join(words, " ")
}
