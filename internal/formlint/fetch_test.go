package formlint_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/consentgate/consentgate/internal/formlint"
)

// site serves a page at /, redirects at /to?URL, and counts what it is asked.
type site struct {
	*httptest.Server
	asked chan string
}

func newSite(t *testing.T) site {
	t.Helper()
	s := site{asked: make(chan string, 100)}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.asked <- r.URL.Path
		switch r.URL.Path {
		case "/to":
			http.Redirect(w, r, r.URL.Query().Get("url"), http.StatusFound)
		case "/round":
			http.Redirect(w, r, "/round", http.StatusFound)
		case "/large":
			w.Header().Set("Content-Type", "text/html")
			for range formlint.MaxPage>>10 + 1 {
				fmt.Fprint(w, strings.Repeat(" ", 1<<10))
			}
		case "/picture":
			w.Header().Set("Content-Type", "image/png")
		case "/gone":
			http.Error(w, "gone", http.StatusGone)
		default:
			fmt.Fprint(w, "<!doctype html><form>")
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s site) address(t *testing.T) netip.AddrPort {
	t.Helper()
	a, err := netip.ParseAddrPort(s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAPageIsFetchedWithinItsBounds(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	f := formlint.Fetcher{AllowPrivate: true}
	for path, want := range map[string]error{
		"/":                               nil,
		"/to?url=/":                       nil,
		"/to?url=/to%3Furl=/to%253Furl=/": nil,
		"/round":                          formlint.ErrNoPage,
		"/large":                          formlint.ErrTooLarge,
		"/picture":                        formlint.ErrNoPage,
		"/gone":                           formlint.ErrNoPage,
		"/to?url=file:///etc/passwd":      formlint.ErrNoPage,
		"/to?url=gopher://127.0.0.1/":     formlint.ErrNoPage,
		"/to?url=" + url.QueryEscape("http://me:secret@127.0.0.1/"): formlint.ErrNoPage,
	} {
		page, err := f.Fetch(t.Context(), s.URL+path)
		if !errors.Is(err, want) || want == nil && !strings.Contains(string(page), "<form>") {
			t.Errorf("%s: %q, %v; want %v", path, page[:min(len(page), 40)], err, want)
		}
	}
	for _, address := range []string{"ftp://example.com/", "http://", "example.com", "http://a:b@127.0.0.1/", "http://%zz/"} {
		if _, err := f.Fetch(t.Context(), address); !errors.Is(err, formlint.ErrNoPage) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestNoAddressNearbyIsAsked(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	port := s.address(t).Port()
	f := formlint.Fetcher{Resolver: resolver(t)}
	for _, host := range []string{
		"127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "[::]", "2130706433", "0x7f.1", "127.1",
		"public.example", "metadata.example",
	} {
		if page, err := f.Fetch(t.Context(), fmt.Sprintf("http://%s:%d/", host, port)); err == nil {
			t.Errorf("%s was asked: %q", host, page)
		}
	}
	if _, err := f.Fetch(t.Context(), s.URL); !errors.Is(err, formlint.ErrPrivate) {
		t.Errorf("got %v, want that it is private", err)
	}
	if _, err := f.Fetch(t.Context(), fmt.Sprintf("http://public.example:%d/", port)); !errors.Is(err, formlint.ErrPrivate) {
		t.Errorf("a name that resolves to loopback: %v, want that it is private", err)
	}
	if len(s.asked) > 0 {
		t.Errorf("the server nearby was asked %s", <-s.asked)
	}
}

func TestARedirectLeadsToNoAddressNearby(t *testing.T) {
	t.Parallel()
	out, in := newSite(t), newSite(t)
	f := formlint.Allow(formlint.Fetcher{Resolver: resolver(t)}, out.address(t))
	for _, to := range []string{in.URL, fmt.Sprintf("http://public.example:%d/", in.address(t).Port())} {
		_, err := f.Fetch(t.Context(), out.URL+"/to?url="+url.QueryEscape(to))
		if !errors.Is(err, formlint.ErrPrivate) {
			t.Errorf("redirect to %s: %v, want that it is private", to, err)
		}
	}
	if len(out.asked) != 2 || len(in.asked) != 0 {
		t.Errorf("the first server was asked %d times, want 2; the one nearby %d times", len(out.asked), len(in.asked))
	}
}

func TestOnlyAddressesOfThePublicInternetArePublic(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "2606:4700::1111": true, "172.32.0.1": true,
		"127.0.0.1": false, "127.255.255.254": false, "10.0.0.1": false, "172.16.0.1": false, "192.168.1.1": false,
		"169.254.169.254": false, "169.254.1.1": false, "100.64.0.1": false, "100.100.100.200": false, "0.0.0.0": false, "0.1.2.3": false,
		"192.0.0.192": false, "198.18.0.1": false, "203.0.113.5": false, "224.0.0.1": false, "240.0.0.1": false, "255.255.255.255": false,
		"168.63.129.16": false, "::1": false, "::": false, "fe80::1": false, "fe80::1%eth0": false, "fd00:ec2::254": false, "ff02::1": false,
		"::ffff:10.0.0.1": false, "::ffff:8.8.8.8": true, "::7f00:1": false, "64:ff9b::7f00:1": false, "2002:7f00:1::": false,
		"2001:db8::1": false, "fec0::1": false,
	} {
		if got := formlint.Public(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: public %v, want %v", text, got, want)
		}
	}
}

// resolver asks a name server of the test's, which says that every name is 127.0.0.1, but for metadata.example.
func resolver(t *testing.T) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := server.ReadFrom(b)
			if err != nil {
				return
			}
			if reply, err := answer(b[:n]); err == nil {
				_, _ = server.WriteTo(reply, from)
			}
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

func answer(query []byte) ([]byte, error) {
	var m dnsmessage.Message
	if err := m.Unpack(query); err != nil {
		return nil, err
	}
	m.Response = true
	m.Additionals = nil
	for _, q := range m.Questions {
		if q.Type == dnsmessage.TypeA {
			a := dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}}
			if strings.HasPrefix(q.Name.String(), "metadata.") {
				a.A = [4]byte{169, 254, 169, 254}
			}
			m.Answers = append(m.Answers, dnsmessage.Resource{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Type: q.Type, Class: q.Class, TTL: 1}, Body: &a,
			})
		}
	}
	return m.Pack()
}
