package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/seal"
	"github.com/consentgate/consentgate/internal/testredis"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
	"github.com/consentgate/consentgate/store"
	"github.com/consentgate/consentgate/unsub"
)

// chaos is how much of it there is; `make chaos` asks for more.
type chaos struct {
	posts, kills int
	seed         uint64
	*rand.Rand
}

func someChaos(t *testing.T) chaos {
	t.Helper()
	number := func(name string, otherwise uint64) uint64 {
		n, err := strconv.ParseUint(os.Getenv(name), 10, 64)
		if err != nil {
			return otherwise
		}
		return n
	}
	c := chaos{
		posts: int(number("CHAOS_POSTS", 1_500)), kills: int(number("CHAOS_KILLS", 3)), //nolint:gosec // small numbers
		seed: number("CHAOS_SEED", uint64(time.Now().UnixNano())), //nolint:gosec // any number will do
	}
	c.Rand = rand.New(rand.NewPCG(c.seed, c.seed)) //nolint:gosec // it has to be repeatable
	t.Logf("CHAOS_SEED=%d: %d POSTs, %d times kill -9", c.seed, c.posts, c.kills)
	return c
}

// What was answered 200 or 202 is in force, whenever the gate was killed and wherever the store was then.
func TestChaosEveryAcknowledgedWithdrawalIsInForceAfterKillsAndAStoreThatComesAndGoes(t *testing.T) {
	t.Parallel()
	c, redis := someChaos(t), testredis.Start(t)
	web := quietAddr(t)
	args := []string{"--config", configFile(t, `
default_stream: news
listeners: [{address: "127.0.0.1:0"}]
upstreams: [{address: "`+smtptest.Start(t).Addr()+`"}]
streams: {news: {kind: marketing, purpose: newsletter, unsubscribe: [https]}}
unsubscribe: {listen: "`+web+`", public_url: "http://`+web+`"}
limits: {refused_recipients: 1000000, refused_per_hour: 1000000, refused_delay: 0s}
`)}
	g := startGate(t, redis.URL, args...)
	p := agreed(t, g, web, c.posts)
	p.start()
	flapping := flap(redis, rand.New(rand.NewPCG(c.seed, 1))) //nolint:gosec // it has to be repeatable
	for k := range c.kills {
		at := int64((k*c.posts + c.IntN(c.posts)) / c.kills)
		waitFor(t, 5*time.Minute, fmt.Sprintf("POST %d", at), func() bool { return p.done.Load() >= at })
		g.kill()
		g.start(args...)
	}
	p.posting.Wait()
	flapping()
	g.kill()
	g.start(args...)
	t.Logf("200: %d, 202: %d, without an answer or with 503: %d", p.codes[http.StatusOK], p.codes[http.StatusAccepted], p.codes[0]+p.codes[http.StatusServiceUnavailable])
	if p.codes[http.StatusOK] == 0 || p.codes[http.StatusAccepted] == 0 {
		t.Error("the store was never there, or never away, during a POST")
	}
	p.wantInForce(g)
	p.wantStored(redis)
	for range 5 {
		i := c.IntN(len(p.links))
		if out, code := g.run(append([]string{"check", p.address(i), "--stream", "news"}, args...)...); code != 3 || !strings.Contains(out, "withdrawn") {
			t.Errorf("check of %s exits %d", p.address(i), code)
		}
	}
}

// kill ends the gate as a power cut or the kernel does.
func (g *gateway) kill() {
	g.t.Helper()
	_ = g.cmd.Process.Kill()
	if err := <-g.ended; err == nil {
		g.t.Error("a killed gate ended well")
	}
}

// quietAddr returns an address with a port that the system gives to nobody who connects: who asks while nobody listens
// there could be given that very port, and talk to itself.
func quietAddr(t *testing.T) string {
	t.Helper()
	for range 100 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(20_000+rand.IntN(10_000))) //nolint:gosec // any port
		if l, err := net.Listen("tcp", addr); err == nil {
			_ = l.Close()
			return addr
		}
	}
	t.Fatal("found no free port")
	return ""
}

// flap stops, freezes and brings back the store until the func that it returns is called, which leaves it running.
func flap(redis *testredis.Server, r *rand.Rand) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var flapping sync.WaitGroup
	pause := func(least, most int) {
		select {
		case <-ctx.Done():
		case <-time.After(time.Duration(least+r.IntN(most-least)) * time.Millisecond):
		}
	}
	flapping.Go(func() {
		for ctx.Err() == nil {
			down, up := redis.Freeze, redis.Thaw
			if r.IntN(2) == 0 {
				down, up = redis.Stop, redis.Start
			}
			down()
			pause(50, 400)
			up()
			pause(20, 400)
		}
	})
	return func() { cancel(); flapping.Wait() }
}

// people agreed to the newsletter and are about to withdraw; a tenth of as many more are not.
type people struct {
	t       *testing.T
	ids     []gate.ID
	links   []string // of those who withdraw, who come first
	done    atomic.Int64
	posting sync.WaitGroup

	mu    sync.Mutex
	codes map[int]int // answers; 0 is none
}

func agreed(t *testing.T, g *gateway, web string, n int) *people {
	t.Helper()
	keys, err := seal.Open(g.dir, seal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	links, err := unsub.NewLinks(unsub.Tokens{Keys: keys}, "http://"+web, "")
	if err != nil {
		t.Fatal(err)
	}
	p := &people{t: t, codes: make(map[int]int)}
	var events bytes.Buffer
	lines := json.NewEncoder(&events)
	for i := range n + n/10 {
		a, err := gate.ParseAddress(p.address(i))
		if err != nil {
			t.Fatal(err)
		}
		p.ids = append(p.ids, keys.ID(a))
		if i < n {
			p.links = append(p.links, links.URL(keys.ID(a), "news"))
		}
		_ = lines.Encode(map[string]any{ // a buffer takes everything
			"id": "g" + strconv.Itoa(i), "recipient": p.address(i), "purpose": "newsletter", "type": "granted", "method": "active",
			"default_state": "unticked", "time": time.Now().Add(-time.Hour).UTC(), "source": map[string]string{"kind": "form"},
		})
	}
	file := filepath.Join(t.TempDir(), "events.jsonl")
	if err := os.WriteFile(file, events.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	g.must("consent", "apply", file)
	return p
}

func (p *people) address(i int) string { return fmt.Sprintf("ann%d@example.com", i) }

// start has everybody withdraw, some at a time, and again until they hear that it counts, as mail providers do. It takes
// long enough for the store to come and go.
func (p *people) start() {
	client := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	next := make(chan string)
	p.posting.Go(func() {
		defer close(next)
		for _, link := range p.links {
			next <- link
		}
	})
	for range 16 {
		p.posting.Go(func() {
			for link := range next {
				for !p.withdraw(client, link) {
					time.Sleep(20 * time.Millisecond)
				}
				p.done.Add(1)
				time.Sleep(10 * time.Millisecond)
			}
		})
	}
}

func (p *people) withdraw(client *http.Client, link string) bool {
	code := 0
	r, err := client.Post(link, "application/x-www-form-urlencoded", strings.NewReader("List-Unsubscribe=One-Click"))
	if err == nil {
		_, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
		code = r.StatusCode
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.codes[code]++
	return code == http.StatusOK || code == http.StatusAccepted
}

// wantInForce asks the gate by SMTP, which sends nothing to those who withdrew, and to all others.
func (p *people) wantInForce(g *gateway) {
	p.t.Helper()
	const batch = 500
	var dialogue strings.Builder
	dialogue.WriteString("S: 220\nC: EHLO client.example\nS* 250\n")
	for i := range p.ids {
		if i%batch == 0 {
			dialogue.WriteString("C: RSET\nS: 250\nC: MAIL FROM:<news@example.com>\nS: 250\n")
		}
		want := "S: 250"
		if i < len(p.links) {
			want = "S: 550 5.7.1 Recipient blocked by consent policy (withdrawn)"
		}
		fmt.Fprintf(&dialogue, "C: RCPT TO:<%s>\n%s\n", p.address(i), want)
	}
	smtptest.Dial(p.t, g.addr, nil).Play(dialogue.String())
}

// wantStored asks the store, once the journal was replayed.
func (p *people) wantStored(redis *testredis.Server) {
	p.t.Helper()
	s, err := store.Open(p.t.Context(), redis.URL, store.Options{})
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	missing := 0
	waitFor(p.t, 30*time.Second, "every withdrawal in the store", func() bool {
		missing = 0
		for i, l := range s.Records(p.t.Context(), p.ids) {
			if withdrawn := l.Record.For("newsletter").State == gate.StateWithdrawn; l.Err != nil || withdrawn != (i < len(p.links)) {
				missing++
			}
		}
		return missing == 0
	})
}
