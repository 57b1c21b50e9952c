package unsub_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/unsub"
)

func canary(t *testing.T, s *site, public string) string {
	t.Helper()
	links, err := unsub.NewLinks(s.tokens, public, "")
	if err != nil {
		t.Fatal(err)
	}
	return links.Canary()
}

func TestAPostToTheCanaryRecordsNothingAndNothingElseFindsIt(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	path := strings.TrimPrefix(canary(t, s, "https://u.example.com"), "https://u.example.com")
	if w := s.do("POST", path, urlencoded, oneClick); w.Code != http.StatusOK || len(w.Result().Cookies()) > 0 {
		t.Errorf("one-click: %d %s", w.Code, w.Body)
	}
	if p := person(t, s.store, gate.ID{}); len(p.Events) > 0 || s.withdrawals.Pending(gate.ID{}, gate.AllPurposes) {
		t.Errorf("the canary has a history: %+v", p.Events)
	}
	if n := s.journal.Behind(); n != 0 {
		t.Errorf("the journal holds %d octets of it", n)
	}
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", path, "", http.StatusNotFound},
		{"POST", path, button, http.StatusBadRequest},
		{"POST", path, "undo=*", http.StatusBadRequest},
		{"POST", strings.Replace(path, "/u/", "/p/", 1), "stop=*", http.StatusNotFound},
		{"POST", strings.Replace(path, "/u/", "/c/", 1), "confirm=yes", http.StatusNotFound},
		{"POST", path[:len(path)-1], oneClick, http.StatusNotFound},
	} {
		if w := s.do(c.method, c.path, urlencoded, c.body); w.Code != c.want {
			t.Errorf("%s %s with %q: %d, want %d", c.method, c.path, c.body, w.Code, c.want)
		}
	}
}

func TestTheCanaryTellsWhatMailProvidersWouldMeet(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	gone := make(chan struct{})
	t.Cleanup(func() { close(gone) })
	status := func(code int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
	}
	for name, c := range map[string]struct {
		front http.Handler
		tls   bool
		want  string // empty: all is well
	}{
		"the gate itself": {front: s},
		"a server in front of it": {front: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s.ServeHTTP(w, r)
		})},
		"a redirect": {
			front: http.RedirectHandler("https://www.example.com/?session=secret", http.StatusMovedPermanently),
			want:  "answers 301 Moved Permanently to https://www.example.com: mail providers follow no redirect (RFC 8058 section 3.1)",
		},
		"a redirect that keeps the method": {
			front: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "/en"+r.URL.Path, http.StatusPermanentRedirect)
			}),
			want: "answers 308 Permanent Redirect to another address: ",
		},
		"not found":        {front: status(http.StatusNotFound), want: "answers 404 Not Found instead of 200"},
		"forbidden":        {front: status(http.StatusForbidden), want: "answers 403 Forbidden instead of 200"},
		"gate not reached": {front: status(http.StatusBadGateway), want: "answers 502 Bad Gateway instead of 200"},
		"an empty answer":  {front: status(http.StatusOK), want: "another body"},
		"another page": {front: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write([]byte(strings.Repeat("welcome ", 10_000)))
		}), want: "another body"},
		"nothing for ever": {front: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-gone }), want: "no answer: "},
		"half an answer": {front: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "20")
			_, _ = w.Write([]byte("consentgate"))
		}), want: "the answer breaks off: "},
		"a certificate of nobody": {front: s, tls: true, want: "certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			front := httptest.NewServer(c.front)
			if c.tls {
				front.Close()
				front = httptest.NewTLSServer(c.front)
			}
			t.Cleanup(front.CloseClientConnections)
			patience := 20 * time.Second
			if name == "nothing for ever" {
				patience = 50 * time.Millisecond
			}
			link := canary(t, s, front.URL)
			err := unsub.TryCanary(t.Context(), http.Client{Timeout: patience}, link)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if err != nil && (strings.Contains(err.Error(), link) || strings.Contains(err.Error(), "secret")) {
				t.Errorf("the sentence holds an address: %v", err)
			}
		})
	}
}
