package inbound_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/internal/journal"
	"github.com/consentgate/consentgate/internal/seal"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
	"github.com/consentgate/consentgate/smtpproxy/wire"
	"github.com/consentgate/consentgate/unsub"
	"github.com/consentgate/consentgate/unsub/inbound"
)

// world is a door over a store in which ann@example.com gets the newsletter.
type world struct {
	t           testing.TB
	store       *gatetest.Store
	withdrawals *unsub.Withdrawals
	keys        *seal.Keys
	tokens      unsub.Tokens
	links       *unsub.Links
	ann         gate.ID
	opt         inbound.Options
	door        *inbound.Door
	addr        string
	stop        context.CancelFunc // begins the drain
	ended       chan error
	counted     tallies
	log         lines
}

func start(t testing.TB, changes ...func(*inbound.Options)) *world {
	t.Helper()
	w := &world{t: t, store: gatetest.NewStore(), counted: tallies{n: map[gate.Counted]int{}}}
	w.openKeys()
	w.openJournal()
	w.grant()
	streams, err := unsub.NewStreams(w.store, []*gate.Stream{{Name: "weekly", Purpose: "newsletter"}})
	w.must(err)
	o := inbound.Options{
		Address: "127.0.0.1:0", Hostname: "gate.example", Tokens: w.tokens, Streams: streams, Refusals: w.withdrawals,
		Count: w.counted.add, Now: time.Now, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
		Settings: inbound.Settings{
			Domain: "u.example.com", Complaints: "fbl@u.example.com", Links: w.links, Sessions: 20,
			Wire: wire.Options{BareLines: wire.Normalise},
		},
	}
	for _, change := range changes {
		change(&o)
	}
	w.opt = o
	w.door, err = inbound.New(t.Context(), o)
	w.must(err)
	w.addr = w.door.Addr().String()
	w.serve()
	return w
}

func (w *world) openKeys() {
	w.t.Helper()
	var err error
	w.keys, err = seal.Open(w.t.TempDir(), seal.Options{MayCreate: true})
	w.must(err)
	ann, err := gate.ParseAddress("ann@example.com")
	w.must(err)
	w.tokens, w.ann = unsub.Tokens{Keys: w.keys}, w.keys.ID(ann)
	w.links, err = unsub.NewLinks(w.tokens, "https://u.example.com", "u.example.com")
	w.must(err)
}

func (w *world) openJournal() {
	w.t.Helper()
	j, err := journal.Open(w.t.TempDir(), journal.Options{
		Retention: unsub.Retention, Backoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond,
	})
	w.must(err)
	w.t.Cleanup(func() { w.must(j.Close()) })
	w.withdrawals, err = unsub.NewWithdrawals(unsub.WithdrawalsOptions{Journal: j, Store: w.store, Records: w.store})
	w.must(err)
}

func (w *world) grant() {
	w.t.Helper()
	a := w.store.Apply(w.t.Context(), []gate.Change{{ID: w.ann, Event: gate.Event{
		ID: "g", Type: gate.Granted, Method: gate.MethodActive, Purpose: "newsletter", Time: time.Now().Add(-time.Hour),
		DefaultState: gate.DefaultUnticked, Source: gate.Source{Kind: "form"},
	}}})
	w.must(a[0].Err)
}

func (w *world) serve() {
	ctx, cancel := context.WithCancel(context.Background())
	w.stop, w.ended = cancel, make(chan error, 1)
	go func() { w.ended <- w.door.Serve(ctx, 10*time.Second) }()
	w.t.Cleanup(func() {
		cancel()
		w.must(<-w.ended)
	})
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// fill puts what only a test knows into a dialogue or a sample.
func (w *world) fill(text string) string {
	token := w.tokens.MakeLocalPart(w.ann, "weekly", unsub.TokenUnsubscribe)
	if strings.Contains(text, "{base64}") {
		returned := w.fill("List-Unsubscribe: <{https}>\r\n\r\nThe news.\r\n")
		text = strings.ReplaceAll(text, "{base64}", base64.StdEncoding.EncodeToString([]byte(returned)))
	}
	for i, c := range []byte(token) { // one letter is another
		if c != 'a' {
			text = strings.ReplaceAll(text, "{forged}", token[:i]+"a"+token[i+1:])
			break
		}
	}
	return strings.NewReplacer(
		"{token}", token, "{TOKEN}", strings.ToUpper(token),
		"{preferences}", w.tokens.MakeLocalPart(w.ann, "", unsub.TokenPreferences),
		"{https}", w.links.URL(w.ann, "weekly"), "{mailto}", w.links.Mailto(w.ann, "weekly"),
	).Replace(text)
}

func (w *world) play(name, text string) {
	w.t.Helper()
	w.must(smtptest.Play(w.addr, name, w.fill(text), nil))
}

// deliver sends one message and wants the reply to begin so.
func (w *world) deliver(from, to, message, want string) {
	w.t.Helper()
	var b strings.Builder
	b.WriteString("S: 220\nC: EHLO mail.example\nS* 250\nC: MAIL FROM:<" + from + ">\nS: 250\nC: RCPT TO:<" + to + ">\nS: 250\nC: DATA\nS: 354\n")
	for line := range strings.Lines(w.fill(message)) {
		b.WriteString("C: " + strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r") + "\n")
	}
	w.play("deliver", b.String()+"C: .\nS: "+want+"\nC: QUIT\nS: 221\n")
}

func (w *world) events() []gate.Event {
	w.t.Helper()
	p, err := w.store.Person(w.t.Context(), w.ann)
	w.must(err)
	return p.Events[1:]
}

func (w *world) wantEvents(want ...gate.EventType) {
	w.t.Helper()
	got := w.events()
	same := len(got) == len(want)
	for i := 0; same && i < len(got); i++ {
		same = got[i].Type == want[i]
	}
	if !same {
		w.t.Fatalf("events %+v, want %v", got, want)
	}
}

func (w *world) wantCounted(what gate.Counted, want int) {
	w.t.Helper()
	if got := w.counted.of(what); got != want {
		w.t.Errorf("%s counted %d times, want %d", what, got, want)
	}
}

func TestEveryDialogueHolds(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"smtp", "lmtp"} {
		files, err := filepath.Glob("testdata/dialogue/" + protocol + "/*.smtp")
		if err != nil || len(files) == 0 {
			t.Fatalf("no dialogues of %s: %v", protocol, err)
		}
		for _, file := range files {
			t.Run(protocol+"/"+filepath.Base(file), func(t *testing.T) {
				t.Parallel()
				w := start(t, func(o *inbound.Options) { o.LMTP = protocol == "lmtp" })
				text, err := os.ReadFile(file)
				w.must(err)
				w.play(file, string(text))
			})
		}
	}
}

func TestAMailToATokenWithdrawsFromThePurposeOfItsStream(t *testing.T) {
	t.Parallel()
	w := start(t)
	for range 2 { // a repetition is no second event
		w.deliver("ann@example.com", "{token}@u.example.com", "From: ann@example.com\nSubject: unsubscribe\n\n", "250 2.0.0 OK")
	}
	w.wantEvents(gate.Withdrawn)
	e := w.events()[0]
	if e.Purpose != "newsletter" || e.Source != (gate.Source{Kind: "unsubscribe", ID: "weekly"}) || e.Note != "mailto" ||
		e.Evidence.Ref != unsub.Ref(w.tokens.Make(w.ann, "weekly", unsub.TokenUnsubscribe)) {
		t.Errorf("event %+v", e)
	}
	w.wantCounted(gate.CountInboundUnsubscribed, 2)
}

func TestWhatAMachineSentUnsubscribesNobody(t *testing.T) {
	t.Parallel()
	w := start(t)
	for name, c := range map[string]struct{ from, header string }{
		"a bounce":              {"", "Subject: Undelivered"},
		"a vacation notice":     {"ann@example.com", "Auto-Submitted: auto-replied (vacation)"},
		"a generated mail":      {"ann@example.com", "AUTO-SUBMITTED:\n auto-generated; owner-email=ann"},
		"an old vacation":       {"ann@example.com", "Precedence: bulk"},
		"an older one":          {"ann@example.com", "Precedence: auto_reply"},
		"a responder":           {"ann@example.com", "X-Autoreply: yes"},
		"a read receipt":        {"ann@example.com", "Content-Type: multipart/report;\n report-type=disposition-notification; boundary=x"},
		"a notice without type": {"ann@example.com", "Content-Type: Multipart/Report"},
	} {
		w.deliver(c.from, "{token}@u.example.com", "From: ann@example.com\n"+c.header+"\n\nI am away.\n", "250 2.0.0 OK")
		if n := len(w.events()); n != 0 {
			t.Errorf("%s: %d events, want none", name, n)
		}
	}
	w.wantCounted(gate.CountInboundAutomatic, 8)
}

func TestWhatAPersonSentUnsubscribesWhateverItSays(t *testing.T) {
	t.Parallel()
	for name, message := range map[string]string{
		"nothing":                  "",
		"a body alone":             "\nplease stop\n",
		"a header that is none":    "please stop\n",
		"said not to be automatic": "Auto-Submitted: no\nSubject: x\n\n",
		"no answer wanted":         "X-Auto-Response-Suppress: All\n\n",
		"lines of any length":      "Subject: x\n\n" + strings.Repeat("x", 5000) + "\n",
		"dots":                     "Subject: x\n\n..\n..x\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t)
			w.deliver("ann@example.com", "{token}@u.example.com", message, "250 2.0.0 OK")
			w.wantEvents(gate.Withdrawn)
		})
	}
}

// lines collects a log.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

type tallies struct {
	mu sync.Mutex
	n  map[gate.Counted]int
}

func (c *tallies) add(n gate.Counter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n[n.What]++
}

func (c *tallies) of(what gate.Counted) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[what]
}
