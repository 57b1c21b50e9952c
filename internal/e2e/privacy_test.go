package e2e_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/consentgate/consentgate/internal/app"
	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/internal/testredis"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
)

// The person whose address is looked for, as it is written; its canonical form is in lower case.
const (
	markerLocal = "Planted-Zq7x"
	marker      = markerLocal + "@example.com"
)

// needles are the forms in which the local part would give the person away: verbatim and canonical, in hex, and in
// base64 at each of the three offsets that it may have in what was encoded.
func needles() map[string]string {
	found := make(map[string]string)
	for name, text := range map[string]string{"verbatim": markerLocal, "canonical": strings.ToLower(markerLocal)} {
		found[name], found[name+" in hex"] = text, hex.EncodeToString([]byte(text))
		for shift := range 3 {
			code := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + text))
			inner := code[4*((shift+2)/3) : len(code)-2] // what depends on the text alone
			found[fmt.Sprint(name, " in base64 at ", shift)] = inner
			found[fmt.Sprint(name, " in base64url at ", shift)] = strings.NewReplacer("+", "-", "/", "_").Replace(inner)
		}
	}
	return found
}

func TestTheNeedlesAreFoundInWhatTheyAreMadeFor(t *testing.T) {
	t.Parallel()
	for _, prefix := range []string{"", "a", "ab", "abc", "abcd"} {
		text := []byte(prefix + strings.ToLower(marker))
		for _, encoded := range []string{
			string(text), base64.StdEncoding.EncodeToString(text), base64.RawURLEncoding.EncodeToString(text), hex.EncodeToString(text),
		} {
			if len(leaks([]byte(encoded))) == 0 {
				t.Errorf("%s is not found", encoded)
			}
		}
	}
}

// leaks names the forms of the marker that data holds.
func leaks(data []byte) (forms []string) {
	for form, needle := range needles() {
		if bytes.Contains(data, []byte(needle)) {
			forms = append(forms, form)
		}
	}
	return forms
}

// watchedGate is a gate in this process, whose log is read at debug level, with the command line beside it.
type watchedGate struct {
	*gateway
	log      *lines
	config   string
	web      string
	admin    string
	upstream *smtptest.Upstream
	stop     func() // harmless where it was stopped
}

func startWatched(t *testing.T, store, addresses string) *watchedGate {
	t.Helper()
	g := &watchedGate{gateway: &gateway{t: t, dir: t.TempDir(), store: store}, log: &lines{}, upstream: smtptest.Start(t)}
	g.web = freeAddr(t)
	g.config = configFile(t, fmt.Sprintf(`
data_dir: %s
store: %s
store_addresses: %s
default_stream: news
listeners: [{address: "127.0.0.1:0"}]
upstreams: [{address: "%s"}]
log: {permits: true}
streams:
  news: {kind: marketing, purpose: newsletter, unsubscribe: [https]}
  quiet: {kind: marketing, purpose: newsletter, on_block: discard, match: {mail_from: [quiet@example.com]}}
unsubscribe: {listen: "%s", public_url: "http://%[5]s", brand: {name: Example Shop}}
confirmation: {from: hello@example.com}
forms: {footer: {purpose: newsletter, wording: nl}}
admin: {listen: "127.0.0.1:0", metrics: open}
`, g.dir, store, addresses, g.upstream.Addr(), g.web))
	g.start()
	return g
}

// start runs the gate in this process until stop.
func (g *watchedGate) start() {
	t := g.t
	t.Helper()
	cfg, err := config.Load(config.Options{Path: g.config, Env: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(g.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	a, err := app.New(t.Context(), cfg, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, app.Reloads{}) }()
	g.stop = sync.OnceFunc(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		a.Close()
	})
	t.Cleanup(g.stop)
	g.addr, g.admin = a.SMTPAddrs()[0].String(), a.AdminAddr().String()
}

// command runs a command with the gate's settings; it has to succeed.
func (g *watchedGate) command(args ...string) string {
	g.t.Helper()
	return g.must(append(args, "--config", g.config)...)
}

// send sends a message to the person and returns the reply that decided.
func (g *watchedGate) send(from string) string {
	g.t.Helper()
	o := smtplib(g.t, g.addr, envelope{From: from, To: []string{marker, "unknown-" + marker}, Data: []byte(plain)})
	return fmt.Sprint(o.replied, o.Refused)
}

// signUp says yes or no for somebody by a form.
func (g *watchedGate) signUp(said, address string) {
	g.t.Helper()
	r, err := http.PostForm("http://"+g.web+"/s/footer", url.Values{"email": {address}, "consent": {said}})
	if err != nil {
		g.t.Fatal(err)
	}
	_ = r.Body.Close()
	if r.StatusCode != http.StatusAccepted {
		g.t.Fatalf("form: %s", r.Status)
	}
}

// live does everything with the person that leaves something behind.
func (g *watchedGate) live() {
	t := g.t
	t.Helper()
	rows := "email,method,source\n" + marker + ",passive,contest:quiz\n" + marker + ",nonsense,contest:quiz\n" + markerLocal + ",active,form:x\n"
	file := filepath.Join(t.TempDir(), "people.csv")
	if err := os.WriteFile(file, []byte(rows), 0o600); err != nil {
		t.Fatal(err)
	}
	g.run("import", file, "--purpose", "newsletter", "--at", "2026-01-01T00:00:00Z", "--attest", "says the test", "--config", g.config) // two rows are refused
	g.command("consent", "grant", marker, "--purpose", "newsletter", "--method", "active", "--source", "form:footer", "--default-state", "unticked")
	g.upstream.OnRcpt(marker, smtptest.Reply("451 4.2.0 <"+marker+">: try "+strings.ToLower(marker)+" later").Times(1))
	g.send(sender) // put off by the upstream, which names the address
	g.upstream.OnRcpt(marker, smtptest.Reply("550 5.1.1 <"+marker+"> is unknown here").Times(1))
	g.send(sender) // refused for good
	if reply := g.send(sender); !strings.Contains(reply, "{250") {
		t.Fatalf("the mail that is permitted: %s", reply)
	}
	link := unsubscribeLink(t, g.upstream.Messages()[0].Data)
	post(t, link)
	if reply := g.send(sender); !strings.Contains(reply, "(withdrawn)") {
		t.Fatalf("the mail that is blocked: %s", reply)
	}
	if reply := g.send("quiet@example.com"); !strings.Contains(reply, "{250") {
		t.Fatalf("the mail that is discarded: %s", reply)
	}
	if history := g.command("consent", "history", marker); !strings.Contains(history, "passive") || !strings.Contains(history, "withdrawn") {
		t.Fatalf("history:\n%s", history)
	}
	g.command("consent", "evidence", marker, "--out", filepath.Join(t.TempDir(), "evidence.json"))
	g.command("blocked", "--recipient", marker)
	page := strings.TrimSpace(g.command("link", marker))
	read(t, page)
	submit(t, link, "undo", "newsletter")
	g.send(sender)
	g.signUp("yes", "sign-up-"+marker)
	before := len(g.upstream.Messages())
	g.signUp("no", marker) // a consent stands, so the mailbox is told how to stop it
	waitFor(t, 20*time.Second, "the message to stop", func() bool { return len(g.upstream.Messages()) > before })
	g.command("suppress", "add", marker, "--purpose", "partners")
	waitFor(t, 20*time.Second, "the block entries to reach the store", func() bool {
		return strings.Count(g.command("blocked", "--format", "json"), "\n") >= 3
	})
}

func TestAddressesAreNowhereToBeFound(t *testing.T) {
	t.Parallel()
	for _, addresses := range []string{"encrypted", "none"} {
		t.Run("redis, store_addresses "+addresses, func(t *testing.T) {
			t.Parallel()
			server := testredis.Start(t)
			g := startWatched(t, server.URL, addresses)
			g.live()
			g.wantClean("Redis", redisBytes(t, server))
			g.wantCleanAround()
		})
		t.Run("sqlite, store_addresses "+addresses, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "consent.db")
			g := startWatched(t, "sqlite:"+path, addresses)
			g.live()
			g.wantCleanFiles(filepath.Dir(path))
			g.wantCleanAround()
		})
	}
}

// The search itself is proven where addresses are stored as they are.
func TestAddressesAreFoundWhereTheyAreStoredPlain(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	g := startWatched(t, server.URL, "plain")
	g.live()
	if len(leaks(redisBytes(t, server))) == 0 {
		t.Error("a plain address is not found in Redis")
	}
	path := filepath.Join(t.TempDir(), "consent.db")
	g = startWatched(t, "sqlite:"+path, "plain")
	g.live()
	if len(leaks(g.files(filepath.Dir(path)))) == 0 {
		t.Error("a plain address is not found in the SQLite files")
	}
}

// A gate that starts again, or sees its store fail over, applies the withdrawals of its journal again.
func TestAnErasureIsNotUndoneByTheJournalOfAGateThatStartsAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "consent.db")
	g := startWatched(t, "sqlite:"+path, "encrypted")
	g.command("consent", "grant", marker, "--purpose", "newsletter", "--method", "active", "--source", "form:footer", "--default-state", "unticked")
	g.send(sender)
	post(t, unsubscribeLink(t, g.upstream.Messages()[0].Data))
	history := g.command("consent", "history", marker, "--json")
	ref := regexp.MustCompile(`"ref":"(token [^"]+)"`).FindStringSubmatch(history)
	traces := []string{"Go-http-client", "one-click"} // what the withdrawal tells of the person
	for _, trace := range traces {
		if !strings.Contains(history, trace) {
			t.Fatalf("the withdrawal does not hold %q:\n%s", trace, history)
		}
	}
	if ref == nil {
		t.Fatalf("the withdrawal names no token:\n%s", history)
	}
	g.command("consent", "erase", marker, "--yes")
	g.stop()
	g.start()
	waitFor(t, 20*time.Second, "the journal to be applied again", func() bool {
		return strings.Count(g.command("consent", "history", marker), "withdrawn") == 2
	})
	if reply := g.send(sender); !strings.Contains(reply, "(withdrawn)") {
		t.Errorf("the refusal does not stand: %s", reply)
	}
	g.stop()
	for _, trace := range append(traces, ref[1]) {
		if bytes.Contains(g.files(filepath.Dir(path)), []byte(trace)) {
			t.Errorf("the store holds %q again", trace)
		}
	}
	for _, trace := range traces {
		if bytes.Contains(g.files(filepath.Join(g.dir, "journal")), []byte(trace)) {
			t.Errorf("the journal holds %q", trace)
		}
	}
}

func (g *watchedGate) wantClean(where string, data []byte) {
	g.t.Helper()
	if len(data) == 0 {
		g.t.Errorf("%s: nothing was searched", where)
	}
	for _, form := range leaks(data) {
		g.t.Errorf("%s holds the address, %s", where, form)
	}
}

// wantCleanAround searches what every gate has: its data directory, its log, its metrics.
func (g *watchedGate) wantCleanAround() {
	g.t.Helper()
	g.wantCleanFiles(g.dir)
	g.wantClean("the log", []byte(g.log.String()))
	g.wantClean("/metrics", read(g.t, "http://"+g.admin+"/metrics"))
}

func (g *watchedGate) wantCleanFiles(dir string) {
	g.t.Helper()
	g.wantClean(filepath.Base(dir), g.files(dir))
}

// files is what all files below dir hold, a write-ahead log and journals among them.
func (g *watchedGate) files(dir string) (all []byte) {
	g.t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		all = append(append(all, path...), data...)
		return err
	})
	if err != nil {
		g.t.Fatal(err)
	}
	return all
}

// redisBytes is every key with its value as a client reads it, and as DUMP writes it.
func redisBytes(t *testing.T, server *testredis.Server) []byte {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: server.Addr})
	defer c.Close()
	var all strings.Builder
	keys := c.Scan(t.Context(), 0, "*", 1000).Iterator()
	for keys.Next(t.Context()) {
		key := keys.Val()
		fmt.Fprintln(&all, key, redisValue(t, c, key), c.Dump(t.Context(), key).Val())
	}
	if err := keys.Err(); err != nil {
		t.Fatal(err)
	}
	return []byte(all.String())
}

func redisValue(t *testing.T, c *redis.Client, key string) any {
	t.Helper()
	ctx := t.Context()
	switch kind := c.Type(ctx, key).Val(); kind {
	case "string":
		return c.Get(ctx, key).Val()
	case "hash":
		return c.HGetAll(ctx, key).Val()
	case "list":
		return c.LRange(ctx, key, 0, -1).Val()
	case "set":
		return c.SMembers(ctx, key).Val()
	case "zset":
		return c.ZRange(ctx, key, 0, -1).Val()
	case "stream":
		return c.XRange(ctx, key, "-", "+").Val()
	case "none": // its time to live is over
		return nil
	default:
		t.Fatalf("%s is a %s, which this test does not know", key, kind)
		return nil
	}
}
