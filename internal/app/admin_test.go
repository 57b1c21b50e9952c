package app

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/admin"
	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
)

// served is a running program with a private listener and a token of each role.
type served struct {
	*App
	url    string
	tokens map[admin.Role]string
	config func(names ...string) *config.Config // with only the tokens of these names
	stop   func()
}

// serve starts a program whose upstream answers. extra is more of the admin section.
func serve(t *testing.T, extra string) *served {
	t.Helper()
	up := smtptest.Start(t)
	s := &served{tokens: make(map[admin.Role]string)}
	entries := make(map[string]string)
	for role, name := range map[admin.Role]string{admin.RoleIngest: "shop", admin.RoleViewer: "viewer", admin.RoleOperator: "ops", admin.RoleDPO: "dpo"} {
		token, hash, err := admin.NewToken(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		s.tokens[role] = token
		entries[name] = fmt.Sprintf("    - {name: %s, hash: %q, role: %s}\n", name, hash, role)
	}
	dir := t.TempDir()
	s.config = func(names ...string) *config.Config {
		text := fmt.Sprintf(`data_dir: %q
listeners: [{address: "127.0.0.1:0"}]
upstreams: [{address: %q}]
default_stream: newsletter
streams: {newsletter: {kind: marketing}}
unsubscribe: {listen: "127.0.0.1:0", public_url: "https://u.example.com", brand: {name: Example Shop}}
confirmation: {from: hello@example.com}
%sadmin:
  listen: "127.0.0.1:0"
  tokens:
`, dir, up.Addr(), extra)
		for _, n := range names {
			text += entries[n]
		}
		return parsed(t, text)
	}
	s.start(t, s.config("shop", "viewer", "ops", "dpo"))
	return s
}

func parsed(t *testing.T, text string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("", []byte(text), config.Options{Env: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func (s *served) start(t *testing.T, cfg *config.Config) {
	t.Helper()
	var err error
	if s.App, err = New(t.Context(), cfg, slog.New(slog.DiscardHandler)); err != nil {
		t.Fatal(err)
	}
	s.url = "http://" + s.AdminAddr().String()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx, Reloads{}) }()
	s.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		s.Close()
	}
}

// get is the status and body of a request with the token of a role.
func (s *served) get(t *testing.T, client *http.Client, path string, role admin.Role) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.tokens[role])
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// example is a request of docs/api.md and the answer that stands below it.
type example struct{ command, answer string }

func examples(t *testing.T) []example {
	t.Helper()
	text, err := os.ReadFile("../../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	var out []example
	for _, m := range regexp.MustCompile("(?s)```sh\n(.*?)```\n```json\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
		out = append(out, example{m[1], m[2]})
	}
	if commands := strings.Count(string(text), "```sh\n"); len(out) != commands || commands < 10 {
		t.Fatalf("%d examples of %d have an answer", len(out), commands)
	}
	return out
}

// Each example of the document is run, in order, and answers what the document says; "…" stands for anything.
func TestTheExamplesOfTheAPIAnswerWhatTheDocumentSays(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Fatal("curl is missing: run script/bootstrap")
	}
	s := serve(t, "")
	defer s.stop()
	smtptest.Eventually(t, "the upstream is known", s.upstreamUp)
	if err := s.store.AppendBlocks(t.Context(), someBlocks(s.App)); err != nil {
		t.Fatal(err)
	}
	for _, e := range examples(t) {
		cmd := exec.CommandContext(t.Context(), "sh", "-eu", "-c", e.command)
		cmd.Env = append(os.Environ(), "ADMIN="+s.url, "SHOP="+s.tokens[admin.RoleIngest],
			"VIEWER="+s.tokens[admin.RoleViewer], "DPO="+s.tokens[admin.RoleDPO])
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("%s%v: %s", e.command, err, out)
			continue
		}
		var want, got any
		if err := json.Unmarshal([]byte(e.answer), &want); err != nil {
			t.Fatalf("%s: %v", e.answer, err)
		}
		if err := json.Unmarshal(out, &got); err != nil {
			t.Errorf("%s: %v in %s", e.command, err, out)
		}
		if diff := cmp.Diff(want, elided(want, got)); diff != "" {
			t.Errorf("%s answers (-document +gate):\n%s", e.command, diff)
		}
	}
}

// elided is got with "…" where want has it: for a whole value, or for the end of a text.
func elided(want, got any) any {
	switch w := want.(type) {
	case string:
		begin, cut := strings.CutSuffix(w, "…")
		if text, ok := got.(string); cut && (begin == "" || ok && strings.HasPrefix(text, begin)) {
			return w
		}
	case []any:
		if g, ok := got.([]any); ok {
			for i := range min(len(w), len(g)) {
				g[i] = elided(w[i], g[i])
			}
		}
	case map[string]any:
		if g, ok := got.(map[string]any); ok {
			for name, v := range w {
				if _, ok := g[name]; ok {
					g[name] = elided(v, g[name])
				}
			}
		}
	}
	return got
}

func someBlocks(a *App) []gate.BlockEntry {
	bob, err := gate.ParseAddress("bob@example.com")
	if err != nil {
		panic(err)
	}
	entries := make([]gate.BlockEntry, 2)
	for i := range entries {
		entries[i] = gate.BlockEntry{
			ID: fmt.Sprint("01J", i), Time: time.Date(2026, 11, 2+i, 8, 0, 0, 0, time.UTC), Phase: "rcpt", Session: "s1", Client: "192.0.2.1",
			Credential: "crm", MailFrom: "news@example.com", Recipient: bob.Masked(), RecipientID: a.keys.ID(bob), Stream: "newsletter",
			Purpose: "newsletter", Verdict: gate.Block, Reason: gate.ReasonWithdrawn, Rule: "refusal", Jurisdiction: "EU",
			Citation: "GDPR art. 7(3)", Hint: "x", PolicyVersion: "1", Reply: "550 5.7.1 Recipient blocked",
		}
	}
	return entries
}

func TestEveryOperationOfTheAPIHasAnExample(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	defer s.stop()
	_, text := s.get(t, http.DefaultClient, "/openapi.json", "")
	var doc struct {
		Paths map[string]map[string]any
	}
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		t.Fatal(err)
	}
	var commands strings.Builder
	for _, e := range examples(t) {
		commands.WriteString(e.command)
	}
	for path := range doc.Paths {
		begin, _, _ := strings.Cut(path, "{")
		if !regexp.MustCompile(regexp.QuoteMeta("$ADMIN"+begin) + `["?$]`).MatchString(commands.String()) {
			t.Errorf("docs/api.md has no example of %s", path)
		}
	}
}

func TestTokensChangeWithAReloadAndTheListenerDoesNot(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	defer s.stop()
	if status, body := s.get(t, http.DefaultClient, "/api/v1/blocks", admin.RoleOperator); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	if err := s.Reload(t.Context(), s.config("viewer")); err != nil {
		t.Fatal(err)
	}
	if status, body := s.get(t, http.DefaultClient, "/api/v1/blocks", admin.RoleOperator); status != http.StatusUnauthorized {
		t.Errorf("a token that was taken out: %d %s", status, body)
	}
	if status, body := s.get(t, http.DefaultClient, "/api/v1/blocks", admin.RoleViewer); status != http.StatusOK {
		t.Errorf("a token that stayed: %d %s", status, body)
	}
	cfg := s.config("viewer")
	cfg.Admin.Listen = "127.0.0.1:9"
	if err := s.Reload(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "admin.listen") {
		t.Errorf("another address: %v", err)
	}
}

func TestRevealingAndErasingAreNotedBeforeTheyAreDone(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	defer s.stop()
	id := gate.ID{1, 2, 3}
	if status, body := s.get(t, http.DefaultClient, "/api/v1/records/"+id.String()+"?reveal=true", admin.RoleDPO); status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	for act, err := range s.store.Acts(t.Context(), 1) {
		if err != nil || act.Actor != "token:dpo" || act.Role != "dpo" || act.Name != "consent.reveal" || act.Subject != id {
			t.Errorf("noted %+v, %v", act, err)
		}
		return
	}
	t.Error("nothing is noted")
}

func TestTheAdminListenerSpeaksTLSWhereItIsToldTo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	files := config.TLS{Certificate: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	writePair(t, files, 1, time.Now())
	s := serve(t, fmt.Sprintf("tls: {certificate: %q, key: %q}\n", files.Certificate, files.Key))
	s.stop()
	cfg := s.config("viewer")
	cfg.Admin.TLS = config.TLSImplicit
	s.start(t, cfg)
	defer s.stop()
	s.url = strings.Replace(s.url, "http:", "https:", 1)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}} // whose it is, is not the question here
	defer client.CloseIdleConnections()
	if status, body := s.get(t, client, "/healthz", ""); status != http.StatusOK {
		t.Errorf("%d %s", status, body)
	}
	s.url = strings.Replace(s.url, "https:", "http:", 1)
	if status, body := s.get(t, http.DefaultClient, "/healthz", ""); status != http.StatusBadRequest {
		t.Errorf("without TLS: %d %s", status, body)
	}
}
