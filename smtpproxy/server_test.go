package smtpproxy_test

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	"golang.org/x/crypto/bcrypt"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/policies"
	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

// world is a gate between a test and a fake upstream, with its store and what it recorded in reach.
type world struct {
	tb       testing.TB
	server   *smtpproxy.Server
	addr     string
	store    *gatetest.Store
	records  *faultyReader
	upstream *smtptest.Upstream
	blocks   *blockLog
	clock    *clock
	counted  *tallies
	pools    []*upstream.Pool
	drain    context.CancelFunc
	done     chan error
	heard    [1 << 10]byte // what its sockets read into, one after another
}

// build changes a gate's options before it starts.
type build func(*world, *smtpproxy.Options)

func start(tb testing.TB, changes ...build) *world {
	tb.Helper()
	up := smtptest.Start(tb, smtptest.Capabilities("PIPELINING", "8BITMIME", "SMTPUTF8", "DSN", "ENHANCEDSTATUSCODES"))
	w := &world{
		tb: tb, store: gatetest.NewStore(), upstream: up, blocks: &blockLog{},
		clock:   &clock{now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)},
		counted: &tallies{n: map[string]int{}},
	}
	w.records = &faultyReader{Reader: w.store}
	opt := w.options(w.pool())
	for _, change := range changes {
		change(w, &opt)
	}
	w.populate(opt.Keys)
	srv, err := smtpproxy.New(tb.Context(), opt)
	if err != nil {
		tb.Fatal(err)
	}
	w.server = srv
	w.addr = srv.Addrs()[0].String()
	w.serve(srv)
	return w
}

// pool connects to the world's upstream and has asked what it can do.
func (w *world) pool() *upstream.Pool {
	w.tb.Helper()
	p := upstream.New(upstream.Options{
		Targets: []upstream.Target{{Address: w.upstream.Addr(), TLS: upstream.None}}, Hello: "gate.example",
		Dial: 2 * time.Second, Reply: 2 * time.Second, Dot: 2 * time.Second,
	})
	if err := p.Probe(w.tb.Context()); err != nil {
		w.tb.Fatal(err)
	}
	w.pools = append(w.pools, p)
	return p
}

func (w *world) serve(srv *smtpproxy.Server) {
	ctx, cancel := context.WithCancel(context.Background())
	w.drain, w.done = cancel, make(chan error, 1)
	go func() { w.done <- srv.Serve(ctx, 2*time.Second) }()
	w.tb.Cleanup(func() {
		cancel()
		if err := <-w.done; err != nil {
			w.tb.Errorf("serve: %v", err)
		}
		for _, p := range w.pools {
			_ = p.Close()
		}
		smtptest.Eventually(w.tb, "no upstream connection left", func() bool { return w.upstream.Open() == 0 })
	})
}

func (w *world) options(pool *upstream.Pool) smtpproxy.Options {
	lim := smtpproxy.DefaultLimits()
	lim.Recipients, lim.Hops, lim.Wire.Message = 5, 3, 900
	packs, err := policies.Load()
	if err != nil {
		w.tb.Fatal(err)
	}
	policy, err := gate.NewPolicy(packs, []string{"EU", "FR", "DE"}, "EU")
	if err != nil {
		w.tb.Fatal(err)
	}
	return smtpproxy.Options{
		Settings: smtpproxy.Settings{
			Listeners: []smtpproxy.Listener{{Address: "127.0.0.1:0", TLS: smtpproxy.TLSNone}},
			Mode:      gate.ModeEnforce,
			Streams:   streams(), DefaultStream: "news", Limits: lim,
			Policy: policy, Upstream: pool, Links: links{},
			Mask: func(a gate.Address, _ gate.ID) string { return a.Masked() },
		},
		Hostname: "gate.example", SpoolDir: w.tb.TempDir(),
		Records: w.records, Requests: w.store, Keys: keys{}, Ledger: w.store, PartlyDelivered: w.partlyDelivered, Blocks: w.blocks, Count: w.counted.add,
		Now: w.clock.read, NewID: func() string { return ulid.Make().String() },
		Log: slog.New(slog.DiscardHandler),
	}
}

// partlyDelivered looks at the store each time, so that tests need not wait for it.
func (w *world) partlyDelivered() bool {
	open, err := w.store.Open(context.Background()) // also asked inside a fuzz target
	return open || err != nil
}

func streams() []*gate.Stream {
	return []*gate.Stream{
		{Name: "receipts", Kind: gate.KindTransactional, Purpose: "orders", Match: []string{"*@shop.example.com"}},
		{Name: "promo", Kind: gate.KindMarketing, Purpose: "news", Match: []string{"promo@example.com"}, Unsubscribe: []string{"https"}},
		{Name: "deals", Kind: gate.KindMarketing, Purpose: "news", Match: []string{"deals@example.com"}, OnBlock: gate.OnBlockDiscard},
		{Name: "watch", Kind: gate.KindMarketing, Purpose: "news", Match: []string{"watch@example.com"}, Mode: gate.ModeObserve, Unsubscribe: []string{"https"}},
		{Name: "confirm", Kind: gate.KindConfirmation, Purpose: "news", Match: []string{"confirm@example.com"}},
		{Name: "optin", Kind: gate.KindConfirmation, Purpose: "news", Match: []string{"optin@example.com"}, ByMail: true},
		{Name: "news", Kind: gate.KindMarketing, Purpose: "news"},
	}
}

// populate records one person for each state that the dialogues speak of.
func (w *world) populate(k gate.Sealer) {
	w.tb.Helper()
	day := 24 * time.Hour
	ago := func(d time.Duration) time.Time { return w.clock.read().Add(-d) }
	form := gate.Source{Kind: "form", ID: "footer"}
	granted := func(who string, m gate.Method, at time.Time) gate.Event {
		e := gate.Event{Recipient: who + "@example.net", Purpose: "news", Type: gate.Granted, Method: m, Time: at, Source: form}
		switch m {
		case gate.MethodPassive:
			e.DefaultState, e.Source = gate.DefaultTicked, gate.Source{Kind: "contest", ID: "summer-quiz"}
		case gate.MethodDouble:
			e.DefaultState, e.Evidence.ConfirmedAt = gate.DefaultUnticked, at
		default:
			e.DefaultState = gate.DefaultUnticked
		}
		return e
	}
	about := func(who string, t gate.EventType) gate.Event {
		return gate.Event{Recipient: who + "@example.net", Purpose: "news", Type: t, Time: ago(day)}
	}
	german, french := granted("single-de", gate.MethodActive, ago(day)), granted("expired", gate.MethodActive, ago(4*365*day))
	german.Jurisdiction, french.Jurisdiction = "DE", "FR"
	bounced, suppressed := about("bounced", gate.Bounced), about("suppressed", gate.Suppressed)
	bounced.Purpose, suppressed.Purpose = gate.AllPurposes, gate.AllPurposes
	events := []gate.Event{
		granted("active", gate.MethodActive, ago(day)), granted("double", gate.MethodDouble, ago(day)),
		granted("third", gate.MethodDouble, ago(day)), granted("passive", gate.MethodPassive, ago(day)),
		granted("withdrawn", gate.MethodActive, ago(2*day)), about("withdrawn", gate.Withdrawn),
		granted("complained", gate.MethodActive, ago(2*day)), about("complained", gate.Complained),
		granted("invalidated", gate.MethodActive, ago(2*day)), about("invalidated", gate.Invalidated),
		about("pending", gate.ConfirmationRequested),
		granted("bounced", gate.MethodActive, ago(2*day)), bounced,
		granted("suppressed", gate.MethodActive, ago(2*day)), suppressed,
		german, french,
	}
	for i := range events {
		events[i].ID = ulid.Make().String()
		events[i].Actor = "test"
	}
	for _, o := range (gate.Intake{Store: w.store, Keys: k}).Apply(context.Background(), w.clock.read(), events, false) {
		if o.Err != nil {
			w.tb.Fatalf("%s %s: %v", o.Event.Type, o.Event.Recipient, o.Err)
		}
	}
}

// grant and withdraw act on one person while the gate runs.
func (w *world) withdraw(who string) {
	w.tb.Helper()
	e := gate.Event{
		ID: ulid.Make().String(), Recipient: who, Purpose: "news", Type: gate.Withdrawn, Time: w.clock.read(),
		Source: gate.Source{Kind: "unsubscribe"}, Actor: "person",
	}
	for _, o := range (gate.Intake{Store: w.store, Keys: keys{}}).Apply(context.Background(), w.clock.read(), []gate.Event{e}, true) {
		if o.Err != nil {
			w.tb.Fatal(o.Err)
		}
	}
}

// keys makes an id of the address itself: tests read it.
type keys struct{}

func (keys) ID(a gate.Address) (id gate.ID) { copy(id[:], a.Canonical()); return id }

func (keys) Seal(a gate.Address) (string, error) { return "sealed:" + a.Canonical(), nil }

// links makes URLs that name their recipient.
type links struct{}

func (links) AppendHeader(b []byte, id gate.ID, _ *gate.Stream) []byte {
	name, _, _ := strings.Cut(string(id[:]), "@")
	b = append(b, "List-Unsubscribe: <https://u.example.com/u/"+name+">\r\n"...)
	return append(b, "List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"...)
}

// faultyReader is a store that can be out of reach.
type faultyReader struct {
	gate.Reader
	mu   sync.Mutex
	down bool
	n    int
}

func (r *faultyReader) set(down bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.down = down
}

func (r *faultyReader) calls() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.n
}

func (r *faultyReader) Records(ctx context.Context, ids []gate.ID) []gate.Lookup {
	r.mu.Lock()
	r.n++
	down := r.down
	r.mu.Unlock()
	if !down {
		return r.Reader.Records(ctx, ids)
	}
	out := make([]gate.Lookup, len(ids))
	for i := range out {
		out[i].Err = errors.Join(gate.ErrUnavailable, errors.New("redis: dial tcp 10.0.0.5:6379: connection refused"))
	}
	return out
}

// blockLog keeps entries, and can be a full disk.
type blockLog struct {
	mu      sync.Mutex
	full    bool
	entries []gate.BlockEntry
	durable []bool
}

func (b *blockLog) fill(full bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.full = full
}

func (b *blockLog) Record(entries []gate.BlockEntry, durable bool) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.full {
		return errors.New("write /var/lib/consentgate/blocks: no space left on device")
	}
	for _, e := range entries {
		b.entries, b.durable = append(b.entries, e), append(b.durable, durable)
	}
	return nil
}

func (b *blockLog) all() []gate.BlockEntry {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]gate.BlockEntry(nil), b.entries...)
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type tallies struct {
	mu sync.Mutex
	n  map[string]int
}

// add counts under what, what.stream and what.stream.reason, as far as they are named.
func (t *tallies) add(c gate.Counter) {
	t.mu.Lock()
	defer t.mu.Unlock()
	name := ""
	for _, part := range []string{string(c.What), c.Stream, string(c.Reason)} {
		if part != "" {
			name = strings.TrimPrefix(name+"."+part, ".")
			t.n[name]++
		}
	}
}

func (t *tallies) of(name string) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.n[name]
}

func withCredential(w *world, o *smtpproxy.Options) {
	hash, err := bcrypt.GenerateFromPassword([]byte("secret"), bcrypt.MinCost)
	if err != nil {
		w.tb.Fatal(err)
	}
	o.Listeners[0].RequireAuth = true
	o.Credentials = []smtpproxy.Credential{{
		Username: "crm", PasswordHash: string(hash), Streams: []string{"promo", "news"}, Senders: []string{"*@example.com"},
	}}
}

// refuse makes an upstream that has a refusal for each recipient that a dialogue names.
func refuse(u *smtptest.Upstream) {
	u.OnRcpt("r550@example.net", smtptest.Reply("550 5.1.1 no such mailbox here"))
	u.OnRcpt("r450@example.net", smtptest.Reply("450 4.2.0 greylisted"))
	u.OnRcpt("r421@example.net", smtptest.Reply("421 4.3.2 going away"))
	u.OnRcpt("r503@example.net", smtptest.Reply("503 5.5.1 what"))
}
