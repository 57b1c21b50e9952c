package upstream_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/smtpproxy/smtptest"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

func TestKeptConnectionIsUsedAgain(t *testing.T) {
	t.Parallel()
	u := smtptest.Start(t)
	p := newPool(t, nil, u)
	for range 5 {
		mustSend(t, p)
	}
	if u.Total() != 1 || len(u.Messages()) != 5 {
		t.Errorf("%d connections for %d messages, want 1 for 5", u.Total(), len(u.Messages()))
	}
	if got := verbs(u); strings.Contains(got, "RSET") || strings.Contains(got, "NOOP") || strings.Count(got, "EHLO") != 1 {
		t.Errorf("the upstream got %s, want nothing between the messages", got)
	}
}

func TestConnectionsAreSpentAfterMaxMessages(t *testing.T) {
	t.Parallel()
	for name, set := range map[string]struct {
		options      func(*upstream.Options)
		capabilities []string
	}{
		"by configuration":         {func(o *upstream.Options) { o.MaxMessages = 2 }, []string{"PIPELINING"}},
		"by the upstream's LIMITS": {nil, []string{"PIPELINING", "LIMITS MAILMAX=2"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := smtptest.Start(t, smtptest.Capabilities(set.capabilities...))
			p := newPool(t, set.options, u)
			for range 4 {
				mustSend(t, p)
			}
			l := get(t, p)
			await(t, l, envelope("x"))
			for range 3 {
				l.Dot()
				l.Envelope(envelope("x"))
				accepted(t, l)
				if a, err := l.Await(); err != nil || !a.Go() {
					t.Fatalf("Await: %+v, %v", a, err)
				}
			}
			l.Dot()
			accepted(t, l)
			var conns []int
			for _, m := range u.Messages() {
				conns = append(conns, m.Conn)
			}
			if diff := cmp.Diff([]int{1, 1, 2, 2, 3, 3, 4, 4}, conns); diff != "" {
				t.Errorf("connections of the messages (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFailoverInOrder(t *testing.T) {
	t.Parallel()
	first, second := smtptest.Start(t), smtptest.Start(t)
	var log strings.Builder
	now := time.Now()
	p := newPool(t, func(o *upstream.Options) {
		o.Logger = slog.New(slog.NewTextHandler(&log, nil))
		o.Now = func() time.Time { return now }
	}, first, second)
	mustSend(t, p)
	if len(first.Messages()) != 1 {
		t.Fatal("the first target was not used")
	}

	first.On(smtptest.Greeting, smtptest.Reply("554 5.3.2 closed"))
	first.CloseConnections()
	smtptest.Eventually(t, "connections are closed", func() bool { return first.Open() == 0 })
	dials := first.Total()
	for range 3 {
		mustSend(t, p)
	}
	if got := len(second.Messages()); got != 3 {
		t.Errorf("%d messages at the second target, want 3", got)
	}
	if got := first.Total() - dials; got != 1 {
		t.Errorf("the failed target was dialled %d times, want once while it rests", got)
	}
	if !strings.Contains(log.String(), first.Addr()) || !strings.Contains(log.String(), "554") {
		t.Errorf("log %q, want the target and the cause", log.String())
	}

	first.Clear()
	now = now.Add(time.Minute)
	mustSend(t, p)
	if got := len(first.Messages()); got != 2 {
		t.Errorf("%d messages at the first target, want it back in use after its rest", got)
	}
}

func TestAllTargetsDownIsUnavailable(t *testing.T) {
	t.Parallel()
	first, second := smtptest.Start(t), smtptest.Start(t)
	p := newPool(t, nil, first, second)
	first.Stop()
	second.Stop()
	_, err := p.Get(t.Context(), upstream.Need{})
	if class(err) != "unavailable" || !strings.Contains(err.Error(), first.Addr()) || !strings.Contains(err.Error(), second.Addr()) {
		t.Errorf("got %v, want ErrUnavailable with both targets", err)
	}
	second.Restart()
	mustSend(t, p)
	if err := upstream.New(upstream.Options{}).Probe(t.Context()); err != nil {
		t.Errorf("a pool without targets: %v", err)
	}
	if _, err := upstream.New(upstream.Options{}).Get(t.Context(), upstream.Need{}); class(err) != "unavailable" {
		t.Errorf("a pool without targets: %v", err)
	}
}

func TestCapsAreWhatEveryTargetHas(t *testing.T) {
	t.Parallel()
	first := smtptest.Start(t, smtptest.Capabilities("size 2000", "8bitmime", "SmtpUtf8", "dsn", "limits rcptmax=100 MAILMAX=7"))
	second := smtptest.Start(t, smtptest.Capabilities("SIZE 1000", "8BITMIME", "DSN", "LIMITS RCPTMAX=50"))
	third := smtptest.Start(t, smtptest.Capabilities("SIZE", "8BITMIME", "SMTPUTF8", "DSN", "LIMITS RCPTMAX=x"))
	p := newPool(t, nil, first, second, third)
	if got := p.Caps(); got != (upstream.Caps{}) {
		t.Errorf("before the probe: %+v, want nothing", got)
	}
	third.On(smtptest.Greeting, smtptest.Reply("421 4.3.2 later").Times(1))
	if err := p.Probe(t.Context()); err == nil || !strings.Contains(err.Error(), third.Addr()) || strings.Contains(err.Error(), first.Addr()) {
		t.Errorf("Probe: %v, want the third target only", err)
	}
	if got := p.Caps(); got != (upstream.Caps{}) {
		t.Errorf("one target unknown: %+v, want nothing", got)
	}
	if err := p.Probe(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := upstream.Caps{Known: true, EightBitMIME: true, DSN: true, Size: 1000, RcptMax: 50}
	if diff := cmp.Diff(want, p.Caps()); diff != "" {
		t.Errorf("caps (-want +got):\n%s", diff)
	}
	l := get(t, p)
	if got := l.Caps(); !got.SMTPUTF8 || got.Size != 2000 || l.RcptMax() != 100 {
		t.Errorf("lease of the first target: %+v", got)
	}
}

func TestHeloOnlyUpstreamHasNoCapabilities(t *testing.T) {
	t.Parallel()
	u := smtptest.Start(t)
	u.On(smtptest.EHLO, smtptest.Reply("502 5.5.1 what?"))
	p := newPool(t, nil, u)
	mustSend(t, p)
	if got := p.Caps(); got != (upstream.Caps{Known: true}) {
		t.Errorf("caps %+v, want none, known", got)
	}
}

func TestGetSkipsTargetsThatLackWhatIsNeeded(t *testing.T) {
	t.Parallel()
	small := smtptest.Start(t, smtptest.Capabilities("PIPELINING", "SIZE 1000"))
	able := smtptest.Start(t, smtptest.Capabilities("PIPELINING", "SIZE 9000", "8BITMIME", "SMTPUTF8", "DSN"))
	for name, need := range map[string]upstream.Need{
		"8BITMIME": {EightBitMIME: true}, "SMTPUTF8": {SMTPUTF8: true}, "DSN": {DSN: true}, "size": {Size: 1001},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPool(t, nil, small, able)
			for range 2 { // the first target unknown, then known
				l, err := p.Get(t.Context(), need)
				if err != nil {
					t.Fatal(err)
				}
				if l.Caps().Size != 9000 {
					t.Errorf("lease of a target with %+v", l.Caps())
				}
				l.Release()
			}
			need.Size = 9001
			if _, err := p.Get(t.Context(), need); class(err) != "unavailable" {
				t.Errorf("got %v, want ErrUnavailable where no target will do", err)
			}
		})
	}
}

func TestMaxOpenMakesGetWait(t *testing.T) {
	t.Parallel()
	u := smtptest.Start(t)
	p := newPool(t, func(o *upstream.Options) { o.MaxOpen = 2 }, u)
	var senders sync.WaitGroup
	for range 16 {
		senders.Go(func() {
			for range 5 {
				if r, err := send(t.Context(), p, "hello\r\n"); err != nil || !r.Positive() {
					t.Errorf("send: %v, %v", r, err)
				}
			}
		})
	}
	senders.Wait()
	if u.Total() > 2 || len(u.Messages()) != 80 {
		t.Errorf("%d connections for %d messages, want at most 2 for 80", u.Total(), len(u.Messages()))
	}
	get(t, p)
	get(t, p)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := p.Get(ctx, upstream.Need{}); class(err) != "unavailable" || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want ErrUnavailable when the time is over", err)
	}
}

func TestIdleConnectionsAreBounded(t *testing.T) {
	t.Parallel()
	u := smtptest.Start(t)
	p := newPool(t, func(o *upstream.Options) { o.MaxIdle = 2 }, u)
	var leases []*upstream.Lease
	for range 5 {
		leases = append(leases, get(t, p))
	}
	for _, l := range leases {
		l.Release()
	}
	smtptest.Eventually(t, "two connections are left", func() bool { return u.Open() == 2 })
	if got := strings.Count(verbs(u), "QUIT"); got != 3 {
		t.Errorf("%d QUITs, want 3", got)
	}
}

func TestIdleConnectionsEndWithoutTraffic(t *testing.T) {
	t.Parallel()
	u := smtptest.Start(t)
	p := newPool(t, func(o *upstream.Options) { o.IdleTimeout = 20 * time.Millisecond }, u)
	mustSend(t, p)
	smtptest.Eventually(t, "the idle connection is closed", func() bool { return u.Open() == 0 })
	if got := verbs(u); !strings.HasSuffix(got, "QUIT") {
		t.Errorf("the upstream got %s, want QUIT last", got)
	}
}

func TestOldConnectionIsNotUsed(t *testing.T) {
	t.Parallel()
	u := smtptest.Start(t)
	now := time.Now()
	p := newPool(t, func(o *upstream.Options) { o.Now = func() time.Time { return now } }, u)
	mustSend(t, p)
	now = now.Add(time.Minute)
	mustSend(t, p)
	if u.Total() != 2 {
		t.Errorf("%d connections, want 2", u.Total())
	}
}

func TestCloseEndsIdleConnectionsAndGet(t *testing.T) {
	t.Parallel()
	u := smtptest.Start(t)
	p := newPool(t, func(o *upstream.Options) { o.MaxOpen = 1 }, u)
	l := get(t, p)
	waiting := make(chan error)
	go func() {
		_, err := p.Get(t.Context(), upstream.Need{})
		waiting <- err
	}()
	_ = p.Close()
	_ = p.Close()
	if err := <-waiting; class(err) != "unavailable" {
		t.Errorf("Get that waited: %v, want ErrUnavailable", err)
	}
	await(t, l, envelope("x"))
	l.Dot()
	accepted(t, l)
	l.Release()
	smtptest.Eventually(t, "the leased connection ends at its release", func() bool { return u.Open() == 0 })
	if _, err := p.Get(t.Context(), upstream.Need{}); class(err) != "unavailable" {
		t.Errorf("Get after Close: %v, want ErrUnavailable", err)
	}
}

func TestEndOfContextClosesTheConnection(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		verb smtptest.Verb
		want string
	}{
		"while dialling":                 {smtptest.Greeting, "unavailable"},
		"while the envelope is answered": {smtptest.Rcpt, "unavailable"},
		"after the dot":                  {smtptest.Dot, "unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := smtptest.Start(t)
			u.On(tc.verb, smtptest.Hang())
			p := newPool(t, nil, u)
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if _, err := send(ctx, p, "hello\r\n"); class(err) != tc.want {
				t.Errorf("got %v, want %s", err, tc.want)
			}
			smtptest.Eventually(t, "the connection is closed", func() bool { return u.Open() == 0 })
			u.Clear()
			mustSend(t, p)
		})
	}
}

func TestContextThatEndsDuringTheLeaseKeepsItOutOfThePool(t *testing.T) {
	t.Parallel()
	u := smtptest.Start(t)
	p := newPool(t, nil, u)
	ctx, cancel := context.WithCancel(t.Context())
	l, err := p.Get(ctx, upstream.Need{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	l.Release()
	smtptest.Eventually(t, "the connection is closed", func() bool { return u.Open() == 0 })
	mustSend(t, p)
}
