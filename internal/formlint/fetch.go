package formlint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"
)

// Bounds of a fetch.
const (
	MaxPage      = 5 << 20 // octets of a page, unpacked
	maxTime      = 15 * time.Second
	maxRedirects = 5
	maxHeader    = 256 << 10
)

// Sentinels of Fetch and Read, wrapped with the address or the cause.
var (
	ErrPrivate  = errors.New("is not a public address")
	ErrTooLarge = errors.New("larger than 5 MiB")
	ErrNoPage   = errors.New("no page")
)

// Fetcher gets pages from the web. It asks addresses of the public internet only: what a name resolves to is looked at
// when the connection is made, for each redirect anew, so that no name and no redirect leads to a service nearby.
type Fetcher struct {
	AllowPrivate bool          // asks any address
	Resolver     *net.Resolver // nil: the system's

	allowed func(netip.AddrPort) bool // nil: public addresses
}

// Fetch gets a page by http or https, without cookies, sign-in or proxy. It takes at most 15 seconds and 5 redirects.
func (f Fetcher) Fetch(ctx context.Context, address string) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("%w: it is no URL", ErrNoPage) // which may hold a password
	}
	if err := checkURL(u); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, maxTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoPage, err)
	}
	req.Header.Set("Accept", "text/html, application/xhtml+xml")
	req.Header.Set("User-Agent", "consentgate-lint")
	client := f.client()
	defer client.CloseIdleConnections()
	resp, err := client.Do(req)
	if err != nil {
		return nil, cause(err)
	}
	defer resp.Body.Close()
	if err := checkAnswer(resp); err != nil {
		return nil, err
	}
	return Read(resp.Body)
}

// cause is an error of the client without the URL, which the reader has typed.
func cause(err error) error {
	if ue, ok := errors.AsType[*url.Error](err); ok {
		return ue.Err
	}
	return err
}

func (f Fetcher) client() *http.Client {
	dialer := &net.Dialer{Timeout: maxTime, Resolver: f.Resolver, ControlContext: f.control}
	return &http.Client{
		Transport: &http.Transport{ // without Proxy: a proxy would resolve names where nobody looks
			DialContext: dialer.DialContext, TLSHandshakeTimeout: maxTime, ResponseHeaderTimeout: maxTime,
			MaxResponseHeaderBytes: maxHeader, ForceAttemptHTTP2: true, DisableKeepAlives: true,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > maxRedirects {
				return fmt.Errorf("%w: more than %d redirects", ErrNoPage, maxRedirects)
			}
			return checkURL(req.URL)
		},
	}
}

// control looks at the address of a connection that is about to be made: names are resolved by then.
func (f Fetcher) control(_ context.Context, network, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%s %s: %w", network, address, ErrPrivate)
	}
	allowed := f.allowed
	if allowed == nil {
		allowed = func(to netip.AddrPort) bool { return public(to.Addr()) }
	}
	if !f.AllowPrivate && !allowed(to) {
		return fmt.Errorf("%s %w", to.Addr(), ErrPrivate)
	}
	return nil
}

func checkURL(u *url.URL) error {
	switch {
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		return fmt.Errorf("%w: want http://host/… or https://host/…", ErrNoPage)
	case u.User != nil:
		return fmt.Errorf("%w: the URL holds a name or password, which is not sent: leave it out", ErrNoPage)
	}
	return nil
}

func checkAnswer(resp *http.Response) error {
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%w: %s answers %s", ErrNoPage, resp.Request.URL.Host, resp.Status)
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")) // what it cannot read is "" and refused
	if kind != "text/html" && kind != "application/xhtml+xml" {
		return fmt.Errorf("%w: %s sends %q, want text/html", ErrNoPage, resp.Request.URL.Host, resp.Header.Get("Content-Type"))
	}
	return nil
}

// Read reads a page to its end. One larger than MaxPage is ErrTooLarge, and what is no text ErrNoPage: to find nothing in
// it would pass for there being nothing.
func Read(r io.Reader) ([]byte, error) {
	page, err := io.ReadAll(io.LimitReader(r, MaxPage+1))
	switch {
	case err != nil:
	case len(page) > MaxPage:
		err = ErrTooLarge
	case bytes.IndexByte(page, 0) >= 0 && !marked(page):
		err = fmt.Errorf("%w: it holds NUL bytes, as no HTML does", ErrNoPage)
	}
	return page, err
}

// public reports whether an address belongs to the internet at large: global unicast and none of the networks that
// IANA's special-purpose registries (RFC 6890) keep for other ends, nor one that wraps such an IPv4 address.
func public(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.Zone() != "" {
		return false
	}
	for _, n := range special() {
		if n.Contains(a) {
			return false
		}
	}
	return true
}

func special() []netip.Prefix {
	var out []netip.Prefix
	for _, s := range []string{
		"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24",
		"203.0.113.0/24", "240.0.0.0/4", "168.63.129.16/32", // the last: what Azure's machines ask about themselves
		"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
		"5f00::/16", "fec0::/10",
	} {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}
