package app

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/unsub"
)

// A public URL may have a path: links carry it, and the pages are served below it. A server in front that takes the
// path off finds them at the root.
func TestThePublicPagesAreServedWhereTheirLinksLead(t *testing.T) {
	t.Parallel()
	for _, public := range []string{"http://127.0.0.1", "http://127.0.0.1/mail/", "http://127.0.0.1/a%20b/c"} {
		t.Run(public, func(t *testing.T) {
			t.Parallel()
			a := withPublicURL(t, public)
			links, err := unsub.NewLinks(unsub.Tokens{Keys: a.keys}, a.cfg.Unsubscribe.PublicURL, "")
			if err != nil {
				t.Fatal(err)
			}
			link, err := url.Parse(links.URL(gate.ID{1}, "marketing"))
			if err != nil {
				t.Fatal(err)
			}
			path := publicPath(a.cfg)
			if !strings.HasPrefix(link.Path, path+"/u/") || !strings.HasSuffix(strings.TrimRight(public, "/"), link.Host+urlPath(path)) {
				t.Errorf("link %s does not carry the path of %s", link, public)
			}
			for target, want := range map[string]int{
				link.EscapedPath(): http.StatusOK,
				strings.TrimPrefix(link.EscapedPath(), urlPath(path)): http.StatusOK,
				urlPath(path) + "/style.css":                          http.StatusOK,
				urlPath(path) + "/u/x":                                http.StatusNotFound,
			} {
				if got := get(a.web.Handler, target); got != want {
					t.Errorf("GET %s: %d, want %d", target, got, want)
				}
			}
			if got := get(a.web.Handler, "/else/style.css"); got != http.StatusNotFound {
				t.Errorf("below another path: %d, want 404", got)
			}
		})
	}
}

func TestAPathOfThePublicURLIsNotChangedWithoutARestart(t *testing.T) {
	t.Parallel()
	a := withPublicURL(t, "http://127.0.0.1/mail")
	next := *a.cfg
	next.Unsubscribe.PublicURL = "http://127.0.0.1/post"
	if err := a.restartOnly(&next); err == nil || !strings.Contains(err.Error(), "unsubscribe.public_url") {
		t.Errorf("got %v", err)
	}
}

func urlPath(path string) string { return (&url.URL{Path: path}).EscapedPath() }

func get(h http.Handler, target string) int {
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	return w.Code
}

func withPublicURL(t *testing.T, public string) *App {
	t.Helper()
	cfg, err := config.Parse("", fmt.Appendf(nil, `
data_dir: %q
listeners: [{address: "127.0.0.1:0"}]
upstreams: [{address: "127.0.0.1:1"}]
unsubscribe: {listen: "127.0.0.1:0", public_url: %q}
`, t.TempDir(), public), config.Options{Env: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.Close)
	return a
}
