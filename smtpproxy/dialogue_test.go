package smtpproxy_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

// worlds are the folders of testdata/dialogue: what is different in each.
func worlds() map[string]build {
	limits := func(change func(*smtpproxy.Limits)) build {
		return func(_ *world, o *smtpproxy.Options) { change(&o.Limits) }
	}
	return map[string]build{
		"plain":     plain,
		"storedown": func(w *world, _ *smtpproxy.Options) { w.records.set(true) },
		"upstreamdown": func(_ *world, o *smtpproxy.Options) {
			o.Upstream = upstream.New(upstream.Options{Targets: []upstream.Target{{Address: "127.0.0.1:1", TLS: upstream.None}}})
		},
		"upstreamgone": func(w *world, _ *smtpproxy.Options) { w.upstream.On(smtptest.Dot, smtptest.Close()) },
		"auth":         withCredential,
		"refusing":     func(w *world, _ *smtpproxy.Options) { refuse(w.upstream) },
		"lmtp":         func(w *world, o *smtpproxy.Options) { o.Listeners[0].LMTP = true; refuse(w.upstream) },
		"strict":       func(_ *world, o *smtpproxy.Options) { o.MinimalReplies, o.DefaultStream = true, "" },
		"demanding":    demanding,
		"starttls":     startTLSRequired,
		"stranger": func(w *world, o *smtpproxy.Options) {
			proxied(w, o)
			o.Listeners[0].Proxies = nil
		},
		"draining":    onPermit("active", func(w *world) { w.drain() }),
		"withdrawing": onPermit("double", func(w *world) { w.withdraw("double@example.net"); w.clock.add(time.Second) }),
		"elsewhere":   func(_ *world, o *smtpproxy.Options) { o.Ledger = taken{o.Ledger} },
		"noroom":      func(_ *world, o *smtpproxy.Options) { o.Limits.SpoolMem, o.SpoolDir = 1, "/nowhere/at/all" },
		"idle":        limits(func(l *smtpproxy.Limits) { l.Idle = 50 * time.Millisecond }),
		"guessing":    limits(func(l *smtpproxy.Limits) { l.Refused, l.RefusedDelay = 1, 0 }),
		"full":        limits(func(l *smtpproxy.Limits) { l.Sessions = 0 }),
		"network":     limits(func(l *smtpproxy.Limits) { l.NetworkSessions = 0 }),
		"guessed": func(w *world, o *smtpproxy.Options) {
			withCredential(w, o)
			o.Limits.AuthFails, o.Limits.AuthFailsHourly, o.After = 9, 1, passed
		},
		"crowded": func(w *world, o *smtpproxy.Options) {
			withCredential(w, o)
			o.Limits.SignIns = 0
		},
		"credential": func(w *world, o *smtpproxy.Options) {
			withCredential(w, o)
			o.Limits.CredentialSessions = 0
		},
	}
}

// demanding has no default stream, wants evidence, and refuses signed messages that its lines cannot stand on.
func demanding(_ *world, o *smtpproxy.Options) {
	o.DefaultStream = ""
	o.Streams = []*gate.Stream{
		{Name: "proven", Kind: gate.KindMarketing, Purpose: "news", Match: []string{"proven@example.com"}, Evidence: true},
		{
			Name: "promo", Kind: gate.KindMarketing, Purpose: "news", Match: []string{"promo@example.com"},
			Unsubscribe: []string{"https"}, OnSigned: gate.SignedRefuse,
		},
	}
}

func startTLSRequired(w *world, o *smtpproxy.Options) {
	withCredential(w, o)
	o.Listeners[0].TLS, o.Listeners[0].Config = smtpproxy.TLSStartTLS, smtptest.NewAuthority(w.tb).Server()
}

// onPermit lets something happen when a recipient has been permitted and not yet been answered.
func onPermit(who string, happen func(*world)) build {
	return func(w *world, o *smtpproxy.Options) {
		policy := o.Policy
		o.Policy = decider(func(now time.Time, s *gate.Stream, a gate.Address, l gate.Lookup) gate.Decision {
			d := policy.Decide(now, s, a, l)
			if d.Verdict == gate.Permit && strings.HasPrefix(a.String(), who+"@") {
				happen(w)
			}
			return d
		})
	}
}

// decider is a function as a smtpproxy.Decider.
type decider func(now time.Time, s *gate.Stream, a gate.Address, l gate.Lookup) gate.Decision

func (f decider) Decide(now time.Time, s *gate.Stream, a gate.Address, l gate.Lookup) gate.Decision {
	return f(now, s, a, l)
}

// taken is a ledger in which another gate has every lease.
type taken struct{ gate.Ledger }

func (taken) Enter(context.Context, string, string, time.Duration) ([]string, bool, error) {
	return nil, false, nil
}

// TestDialogues plays every file of testdata/dialogue; the folder says in which world.
func TestDialogues(t *testing.T) {
	t.Parallel()
	for name, change := range worlds() {
		files, err := filepath.Glob(filepath.Join("testdata", "dialogue", name, "*.smtp"))
		if err != nil || len(files) == 0 {
			t.Fatalf("no dialogues for %s: %v", name, err)
		}
		for _, file := range files {
			t.Run(name+"/"+filepath.Base(file), func(t *testing.T) {
				t.Parallel()
				w := start(t, change)
				smtptest.Run(t, w.addr, file, w.upstream)
			})
		}
	}
}

// heard are the replies that dialogues expect, without their signs and the backslashes of expressions.
func heard(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "dialogue", "*", "*.smtp"))
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, file := range files {
		if worlds()[filepath.Base(filepath.Dir(file))] == nil {
			t.Errorf("%s is in no world and never played", file)
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if sign, reply, _ := strings.Cut(line, " "); strings.HasPrefix(sign, "S") {
				out = append(out, strings.TrimPrefix(strings.ReplaceAll(strings.TrimSpace(reply), `\`, ""), "^"))
			}
		}
	}
	return out
}

// TestEveryReplyOfTheDocumentHasADialogue: each code that docs/replies.md names, and each reason with its code.
func TestEveryReplyOfTheDocumentHasADialogue(t *testing.T) {
	t.Parallel()
	doc, replies := replyDocument(t), heard(t)
	expects := func(code, text string) bool {
		return slices.ContainsFunc(replies, func(r string) bool { return strings.HasPrefix(r, code) && strings.Contains(r, text) })
	}
	code := regexp.MustCompile(`\b[2-5]\d\d [245]\.\d+\.\d+\b`)
	n := 0
	for _, c := range code.FindAllString(doc, -1) {
		n++
		if !expects(c, "") {
			t.Errorf("no dialogue hears %s", c)
		}
	}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| block[^|]*\\| ([^|]+) \\|").FindAllStringSubmatch(doc, -1) {
		n++
		for _, c := range code.FindAllString(row[2], -1) {
			if !expects(c, "("+row[1]+")") {
				t.Errorf("no dialogue hears %s (%s)", c, row[1])
			}
		}
	}
	if n < 50 {
		t.Errorf("%d codes and reasons found in the document: it reads otherwise than this test", n)
	}
}

// TestEveryReplyOfTheGatesOwnHasADialogue: by its words, since several share a code. The document has the code.
func TestEveryReplyOfTheGatesOwnHasADialogue(t *testing.T) {
	t.Parallel()
	doc, replies := replyDocument(t), heard(t)
	for _, own := range smtpproxy.OwnReplies() {
		code := fmt.Sprintf("%d %d.%d.%d", own.Code, own.EnhancedCode[0], own.EnhancedCode[1], own.EnhancedCode[2])
		if !slices.Contains(replies, code+" "+own.Message) {
			t.Errorf("no dialogue hears %q", code+" "+own.Message)
		}
		if !strings.Contains(doc, code) {
			t.Errorf("docs/replies.md does not name %s (%s)", code, own.Message)
		}
	}
}

func replyDocument(t *testing.T) string {
	t.Helper()
	doc, err := os.ReadFile("../docs/replies.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(doc)
}
