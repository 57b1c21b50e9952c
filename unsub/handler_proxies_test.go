package unsub_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/consentgate/consentgate/unsub"
)

func TestARequestComesFromTheLastHopThatIsNotTrusted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		trusted, peer string
		hops          []string
		want          string
	}{
		"without a proxy":                     {"", "203.0.113.9:4711", nil, "203.0.113.9:4711"},
		"a header of somebody":                {"", "203.0.113.9:4711", []string{"198.51.100.1"}, "203.0.113.9"},
		"a header of a server not trusted":    {"", "127.0.0.1:4711", []string{"198.51.100.1"}, "127.0.0.1"},
		"a header of somebody beside proxies": {"10.0.0.0/8", "203.0.113.9:4711", []string{"198.51.100.1"}, "203.0.113.9"},
		"one proxy":                           {"127.0.0.0/8", "127.0.0.1:4711", []string{"198.51.100.1"}, "198.51.100.1"},
		"one proxy, and a header before it":   {"127.0.0.0/8", "127.0.0.1:4711", []string{"192.0.2.66, 198.51.100.1"}, "198.51.100.1"},
		"one proxy, and two headers":          {"127.0.0.0/8", "127.0.0.1:4711", []string{"192.0.2.66", "198.51.100.1"}, "198.51.100.1"},
		"one proxy, and a trusted one claimed": {
			"127.0.0.0/8 10.0.0.0/8", "127.0.0.1:4711", []string{"192.0.2.66, 198.51.100.1, 10.1.1.1"}, "198.51.100.1",
		},
		"nothing but proxies": {"127.0.0.0/8 10.0.0.0/8", "127.0.0.1:4711", []string{"10.0.0.1, 10.0.0.2"}, "10.0.0.1"},
		"a hop that is none":  {"127.0.0.0/8", "127.0.0.1:4711", []string{"198.51.100.1, unknown"}, "127.0.0.1"},
		"a hop with a port":   {"127.0.0.0/8", "127.0.0.1:4711", []string{"198.51.100.1:1234"}, "198.51.100.1"},
		"IPv6":                {"::1", "[::1]:4711", []string{"2001:db8::7"}, "2001:db8::7"},
		"IPv6 in brackets":    {"::1", "[::1]:4711", []string{"[2001:db8::7]:443"}, "2001:db8::7"},
		"IPv4 that is mapped": {"10.0.0.0/8", "[::ffff:10.0.0.1]:4711", []string{"::ffff:198.51.100.1"}, "198.51.100.1"},
		"an empty header":     {"127.0.0.0/8", "127.0.0.1:4711", []string{""}, "127.0.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var trusted []netip.Prefix
			for n := range strings.FieldsSeq(strings.ReplaceAll(c.trusted, "::1", "::1/128")) {
				trusted = append(trusted, netip.MustParsePrefix(n))
			}
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = c.peer
			for _, hop := range c.hops {
				r.Header.Add("X-Forwarded-For", hop)
			}
			seen := false
			next := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				seen = true
				got := netip.MustParseAddrPort(r.RemoteAddr)
				if want, _, _ := strings.Cut(c.want, ":4711"); got.Addr().String() != want {
					t.Errorf("from %s, want %s", got, want)
				}
				if h := r.Header.Values("X-Forwarded-For"); len(h) > 0 {
					t.Errorf("the header is still there: %q", h)
				}
			})
			unsub.BehindProxies(trusted, slog.New(slog.DiscardHandler), next).ServeHTTP(httptest.NewRecorder(), r)
			if !seen {
				t.Error("not served")
			}
		})
	}
}

func TestAProxyThatNobodyNamedIsLoggedOnce(t *testing.T) {
	t.Parallel()
	for peer, want := range map[string]int{"127.0.0.1:1": 1, "10.0.0.7:1": 1, "203.0.113.9:1": 0} {
		var log bytes.Buffer
		h := unsub.BehindProxies(nil, slog.New(slog.NewTextHandler(&log, nil)), http.NotFoundHandler())
		for range 3 {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.RemoteAddr = peer
			r.Header.Set("X-Forwarded-For", "198.51.100.1")
			h.ServeHTTP(httptest.NewRecorder(), r)
		}
		if n := strings.Count(log.String(), "unsubscribe.trusted_proxies"); n != want {
			t.Errorf("%s: %d lines, want %d:\n%s", peer, n, want, &log)
		}
	}
}

// Whoever invents hops is bounded like everybody else.
func TestForgedHopsGetNobodyMoreSignUps(t *testing.T) {
	t.Parallel()
	s := newCounter(t)
	h := unsub.BehindProxies([]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, slog.New(slog.DiscardHandler), s)
	post := func(i int) int {
		r := httptest.NewRequest(http.MethodPost, "/s/footer", strings.NewReader("email=x&consent=no"))
		r.Header.Set("Content-Type", urlencoded)
		r.RemoteAddr = "127.0.0.1:4711"
		r.Header.Add("X-Forwarded-For", netip.AddrFrom4([4]byte{203, 0, byte(i), 1}).String())
		r.Header.Add("X-Forwarded-For", "198.51.100.7")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	for i := range 61 {
		want := http.StatusUnprocessableEntity
		if i == 60 {
			want = http.StatusTooManyRequests
		}
		if got := post(i); got != want {
			t.Fatalf("sign-up %d: %d, want %d", i, got, want)
		}
	}
}
