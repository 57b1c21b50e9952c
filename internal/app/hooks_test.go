package app

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/config"
)

// hooked parses settings with a hook for Postmark, whose secret is in a file.
func hooked(t *testing.T, dir, key string) *config.Config {
	t.Helper()
	file := filepath.Join(dir, "secret")
	if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Parse("", fmt.Appendf(nil, `
data_dir: %q
listeners: [{address: "127.0.0.1:0"}]
upstreams: [{address: "127.0.0.1:1"}]
unsubscribe: {listen: "127.0.0.1:0", public_url: "http://127.0.0.1/mail"}
default_stream: news
streams: {news: {kind: marketing, purpose: news}}
hooks: {postmark: {header: X-Gate-Key, secret_file: %q, purposes: {broadcast: news}}}
`, dir, file), config.Options{Env: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// secret is long enough to be one.
func secret(name string) string { return "a secret of a webhook " + name }

// A provider's unsubscription withdraws, through the journal, and is in force for the next message.
func TestWhatAProviderReportsIsInForce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, err := New(t.Context(), hooked(t, dir, secret("one")), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	agree(t, a, "ann@example.com")
	post := func(key string) int {
		r := httptest.NewRequest(http.MethodPost, "/mail/hooks/postmark", strings.NewReader(`{"RecordType":"SubscriptionChange",
			"MessageStream":"broadcast","ChangedAt":"2026-11-19T10:53:34Z","Recipient":"Ann@Example.com","Origin":"Recipient",
			"SuppressSending":true,"SuppressionReason":"ManualSuppression"}`))
		r.Header.Set("X-Gate-Key", key)
		w := httptest.NewRecorder()
		a.web.Handler.ServeHTTP(w, r)
		return w.Code
	}
	if got := [3]int{post(secret("two")), post(secret("one")), post(secret("one"))}; got != [3]int{401, 200, 200} {
		t.Errorf("answered %v, want 401 for a wrong secret, then 200", got)
	}
	addr, err := gate.ParseAddress("ann@example.com")
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.store.Person(t.Context(), a.keys.ID(addr))
	if err != nil {
		t.Fatal(err)
	}
	if c := p.Record.For("news"); len(p.Events) != 2 || c.Refused.IsZero() {
		t.Errorf("%d events, consent %+v, want one withdrawal", len(p.Events), c)
	}
	if err := a.Reload(t.Context(), hooked(t, dir, secret("two"))); err != nil {
		t.Fatal(err)
	}
	if got := [2]int{post(secret("one")), post(secret("two"))}; got != [2]int{401, 200} {
		t.Errorf("after a reload %v, want the new secret", got)
	}
	next := hooked(t, dir, secret("three"))
	if err := os.Remove(filepath.Join(dir, "secret")); err != nil {
		t.Fatal(err)
	}
	if err := a.Reload(t.Context(), next); err == nil || !strings.Contains(err.Error(), "hooks.postmark.secret_file") {
		t.Errorf("reloaded without the secret: %v", err)
	}
}
