package app

import (
	"context"
	"fmt"
	"log/slog"
	"testing"

	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
	"github.com/consentgate/consentgate/unsub"
)

// withStream is a config of one marketing stream.
func withStream(t *testing.T, dir, listen, name string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("", fmt.Appendf(nil, `
data_dir: %q
listeners: [{address: %q}]
upstreams: [{address: "127.0.0.1:1"}]
default_stream: %[3]s
streams: {%[3]s: {kind: marketing, purpose: %[3]s}}
`, dir, listen, name), config.Options{Env: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// known are the purposes behind stream codes that the store remembers.
func known(t *testing.T, a *App, stream string) string {
	t.Helper()
	all, err := a.store.Streams(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return all[unsub.StreamCode(stream)]
}

func TestAReloadedStreamIsRememberedForItsTokensAndARefusedOneIsNot(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a, err := New(t.Context(), withStream(t, dir, "127.0.0.1:0", "weekly"), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, Reloads{}) }()
	smtptest.Eventually(t, "the first stream is remembered", func() bool { return known(t, a, "weekly") == "weekly" })
	if err := a.Reload(ctx, withStream(t, dir, "127.0.0.1:9", "refused")); err == nil {
		t.Error("another address was taken without a restart")
	}
	if flow, err := a.streams.Find(ctx, unsub.StreamCode("weekly")); err != nil || flow.Name != "weekly" {
		t.Errorf("after a reload that was refused: %+v, %v", flow, err)
	}
	if err := a.Reload(ctx, withStream(t, dir, "127.0.0.1:0", "monthly")); err != nil {
		t.Fatal(err)
	}
	smtptest.Eventually(t, "the reloaded stream is remembered", func() bool { return known(t, a, "monthly") == "monthly" })
	if got := known(t, a, "refused"); got != "" {
		t.Errorf("the refused stream is remembered, for %s", got)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
