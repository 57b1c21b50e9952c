package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/crypto/bcrypt"

	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

// validate checks what one key alone cannot tell.
func (c *Config) validate(r *report) {
	c.validatePaths(r)
	c.validateStore(r)
	if err := checkName(c.Hostname); err != nil {
		r.add("hostname", "%q %v", c.Hostname, err)
	}
	c.validateJurisdictions(r)
	c.validateTLS(r)
	c.validateListeners(r)
	c.validateCredentials(r)
	c.validateUpstreams(r)
	c.validateStreams(r)
	c.checkPurposes(r)
	c.validateSignUp(r)
	c.validatePublic(r)
	c.validateHooks(r)
	c.Admin.validate(c, r)
	c.Inbound.validate(c, r)
}

// validatePublic: whoever stands in front of the public listener and is not named makes all requests one network's.
func (c *Config) validatePublic(r *report) {
	u := &c.Unsubscribe
	if err := checkHostPort(u.Listen); err != nil {
		r.add("unsubscribe.listen", "%v", err)
	}
	checkWidth(r, "unsubscribe.trusted_proxies", u.Proxies, "and whoever is in it can say that a request comes from anywhere")
	if len(c.Forms) > 0 && strings.HasPrefix(u.PublicURL, "https:") && len(u.Proxies) == 0 {
		c.warn("forms: all sign-ups count as from one network, and none is kept: name the HTTPS server in front of %s in unsubscribe.trusted_proxies", u.Listen)
	}
}

// validatePaths: a config file has no working directory, so its paths begin at the root.
func (c *Config) validatePaths(r *report) {
	paths := [][2]string{
		{"data_dir", c.DataDir},
		{"id_key_file", c.IDKeyFile},
		{"tls.certificate", c.TLS.Certificate},
		{"unsubscribe.brand.logo_file", c.Unsubscribe.Brand.LogoFile},
	}
	for _, p := range append(paths, c.secretFiles()...) {
		if p[1] != "" && !filepath.IsAbs(p[1]) {
			r.add(p[0], "%q is a relative path: write it from the root", p[1])
		}
	}
}

// secretFiles are the files of secrets that are not of our own making, with the fields that name them.
func (c *Config) secretFiles() [][2]string {
	files := [][2]string{{"store_file", c.storeFile}, {"tls.key", c.TLS.Key}}
	for i, u := range c.Upstreams {
		files = append(files, [2]string{fmt.Sprintf("upstreams[%d].password_file", i), u.PasswordFile})
	}
	for _, h := range c.Hooks {
		files = append(files, h.paths()...)
	}
	return files
}

// SecretFiles are the paths of the secrets that the config names, its own keys aside.
func (c *Config) SecretFiles() []string {
	var paths []string
	for _, f := range c.secretFiles() {
		if f[1] != "" {
			paths = append(paths, f[1])
		}
	}
	return paths
}

func (c *Config) validateStore(r *report) {
	if err := checkStoreURL(c.Store); err != nil {
		r.add("store", "%q %v", RedactURL(c.Store), err)
	}
}

// checkStoreURL reports what keeps s from naming a kind of store and a place; whether one is there the store says.
func checkStoreURL(s string) error {
	scheme, rest, ok := strings.Cut(s, ":")
	schemes := []string{"sqlite", "redis", "rediss", "redis+sentinel", "redis+cluster", "rediss+sentinel", "rediss+cluster", "unix"}
	switch {
	case !ok:
		return errors.New("is no store URL: write sqlite:/path/consent.db or redis://host:6379/0")
	case !slices.Contains(schemes, scheme):
		return fmt.Errorf("has a scheme that is not known: %s", suggestion(scheme, schemes))
	case strings.Trim(rest, "/") == "":
		return errors.New("names no place: write sqlite:/path/consent.db or redis://host:6379/0")
	}
	return nil
}

// checkName reports what keeps s from being the host name in a greeting (RFC 5321 section 4.1.2, Domain).
func checkName(s string) error {
	odd := strings.Trim(s, ".-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
	if s == "" || len(s) > 253 || odd != "" || slices.Contains(strings.Split(s, "."), "") {
		return errors.New("is no host name: use letters, digits and hyphens between dots")
	}
	return nil
}

func (c *Config) validateTLS(r *report) {
	if (c.TLS.Certificate == "") != (c.TLS.Key == "") && !r.unread["tls.certificate"] && !r.unread["tls.key"] {
		r.add("tls", "needs both certificate and key: add the other one")
	}
}

func (c *Config) validateListeners(r *report) {
	seen := make(map[string]int)
	for i, l := range c.Listeners {
		field := fmt.Sprintf("listeners[%d]", i)
		c.validateListener(r, field, l)
		if first, twice := seen[l.Address]; twice {
			r.add(field+".address", "%s is taken by listeners[%d]: use another port", l.Address, first)
		}
		if _, port, _ := net.SplitHostPort(l.Address); port != "0" && port != "" {
			seen[l.Address] = i
		}
	}
}

func (c *Config) validateListener(r *report, field string, l Listener) {
	if c.validateListen(r, field, l) {
		validateOpenness(r, field, l)
	}
	if l.TLS != "" && l.TLS != TLSNone && c.TLS.Certificate == "" && !r.unread["tls.certificate"] {
		r.add(field+".tls", "%s needs a certificate: set tls.certificate and tls.key, or tls: none here", l.TLS)
	}
	if l.RequireAuth && len(c.Credentials) == 0 && !r.unread["credentials"] {
		r.add(field+".require_auth", "nobody could sign in: add credentials")
	}
	checkWidth(r, field+".networks", l.Networks, "and would make an open relay: name your own networks")
	checkWidth(r, field+".proxy_protocol", l.Proxies, "where anybody could claim any address: name your own proxies")
	c.checkStreamNames(r, field+".streams", l.Streams)
	checkSenders(r, field+".senders", l.Senders)
}

// validateListen reports whether the address can be listened on, so that it is known who reaches it.
func (c *Config) validateListen(r *report, field string, l Listener) bool {
	if l.Address == "" {
		if !r.unread[field+".address"] && !r.unread[field] {
			r.add(field, "has no address: write for example address: 127.0.0.1:2525")
		}
		return false
	}
	if err := checkHostPort(l.Address); err != nil {
		r.add(field+".address", "%v", err)
		return false
	}
	return true
}

// validateOpenness: what other machines reach needs somebody who decides which of them may relay.
func validateOpenness(r *report, field string, l Listener) {
	switch {
	case onLoopback(l.Address):
	case l.RequireAuth && l.TLS == TLSNone:
		r.add(field+".require_auth", "passwords would cross the network in the clear: use tls: starttls or implicit")
	case !l.RequireAuth && len(l.Networks) == 0 && !r.unread[field+".networks"] && !r.unread[field+".require_auth"]:
		r.add(field, "%s is open to other machines: say who may relay with networks (--network), or set require_auth", l.Address)
	}
}

func checkWidth(r *report, field string, networks []netip.Prefix, then string) {
	for i, n := range networks {
		if n.IsValid() && wide(n.Bits(), n.Addr().Is4()) {
			r.add(fmt.Sprintf("%s[%d]", field, i), "%s holds much of the internet, %s", n, then)
		}
	}
}

// wide reports whether a network is larger than any that is private: 10.0.0.0/8 and fc00::/7.
func wide(bits int, v4 bool) bool {
	if v4 {
		return bits < 8
	}
	return bits < 7
}

// maxCost is the bcrypt cost that a sign-in may take: 15 is two seconds of a core.
const maxCost = 14

func (c *Config) validateCredentials(r *report) {
	seen := make(map[string]int)
	for i, cr := range c.Credentials {
		field := fmt.Sprintf("credentials[%d]", i)
		first, twice := seen[cr.Username]
		switch {
		case cr.Username == "" && !r.unread[field]:
			r.add(field+".username", "is missing: name the client")
		case len(cr.Username) > 255:
			r.add(field+".username", "is longer than 255 bytes: shorten it")
		case twice:
			r.add(field+".username", "%s is taken by credentials[%d]: use another name", cr.Username, first)
		}
		seen[cr.Username] = i
		cost, err := bcrypt.Cost([]byte(cr.PasswordHash))
		switch {
		case err != nil && !r.unread[field]:
			r.add(field+".password_hash", "is no bcrypt hash: make one with consentgate password")
		case cost > maxCost:
			r.add(field+".password_hash", "has cost %d, which takes seconds to check: make one with consentgate password", cost)
		}
		c.checkStreamNames(r, field+".streams", cr.Streams)
		checkSenders(r, field+".senders", cr.Senders)
	}
}

func (c *Config) checkStreamNames(r *report, field string, names []string) {
	for i, name := range names {
		if c.stream(name) == nil {
			r.add(fmt.Sprintf("%s[%d]", field, i), "there is no stream %q: %s", name, suggestion(name, c.streamNames()))
		}
	}
}

func checkSenders(r *report, field string, patterns []string) {
	for i, p := range patterns {
		if err := checkPattern(p); err != nil {
			r.add(fmt.Sprintf("%s[%d]", field, i), "%v", err)
		}
	}
}

func (c *Config) validateUpstreams(r *report) {
	for i, u := range c.Upstreams {
		field := fmt.Sprintf("upstreams[%d]", i)
		known := c.validateTarget(r, field, u)
		if u.PasswordFile != "" && u.Username == "" {
			r.add(field+".username", "is missing beside password_file: name who signs in")
		}
		if known && u.Username != "" && !onLoopback(u.Address) && (u.TLS == upstream.None || u.TLS == upstream.Opportunistic) {
			r.add(field+".tls", "the password could cross the network in the clear: use starttls or implicit")
		}
	}
}

// validateTarget reports whether the address can be connected to, so that it is known what lies between.
func (c *Config) validateTarget(r *report, field string, u Upstream) bool {
	_, err := upstream.ParseURL(u.Address)
	switch {
	case u.Address == "" && (r.unread[field] || r.unread[field+".address"]):
	case u.Address == "":
		r.add(field, "has no address: write for example address: smtp.example.net:587")
	case strings.Contains(u.Address, "://"):
		r.add(field+".address", "%q is a URL: write host:port here, and tls and username beside it", u.Address)
	case err != nil:
		r.add(field+".address", "%v", err)
	case c.isOurs(u.Address):
		r.add(field+".address", "%s is this gate's own listener, so mail would go round and round: name the real mailer", u.Address)
		return true
	default:
		return true
	}
	return false
}

// isOurs reports whether address is certainly one of our listeners, without asking DNS.
func (c *Config) isOurs(address string) bool {
	return slices.ContainsFunc(c.Listeners, func(l Listener) bool { return sameSocket(l.Address, address) })
}

// sameSocket reports whether who connects to address finds what listens at listener.
func sameSocket(listener, address string) bool {
	at, atPort, err := net.SplitHostPort(listener)
	to, toPort, err2 := net.SplitHostPort(address)
	if err != nil || err2 != nil || atPort != toPort {
		return false
	}
	a, _ := netip.ParseAddr(at)
	b, _ := netip.ParseAddr(to)
	switch {
	case at == "", a.IsUnspecified():
		return isLoopback(to) || to == "" || b.IsUnspecified()
	case strings.EqualFold(at, "localhost"):
		return to == "127.0.0.1" || to == "::1" || strings.EqualFold(to, at)
	case strings.EqualFold(to, "localhost"):
		return at == "127.0.0.1" || at == "::1"
	}
	return strings.EqualFold(at, to) || a.IsValid() && a.Unmap() == b.Unmap()
}
