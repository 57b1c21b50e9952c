package upstream

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// TLSMode says how a connection to a target is encrypted.
type TLSMode string

// The modes. All but None verify the target's certificate.
const (
	None          TLSMode = "none"
	StartTLS      TLSMode = "starttls"      // STARTTLS or nothing (RFC 3207)
	Implicit      TLSMode = "implicit"      // TLS from the first byte (RFC 8314)
	Opportunistic TLSMode = "opportunistic" // STARTTLS where offered; a warning in the log where not
)

// Target is one upstream.
type Target struct {
	Address string // host:port
	TLS     TLSMode
	// Config is used for TLS; nil means the system's roots. Where it names no server, the host of Address is
	// verified. TLS 1.2 is the least in any case.
	Config *tls.Config
	// Username and Password log in with AUTH PLAIN or LOGIN; without a Username there is no AUTH.
	Username, Password string
}

// ParseURL reads the text form of a target: "host:port", "smtp+starttls://name@host:587", "smtps://name@host" or
// "smtp://host:25". Plain "host:port" means None on a loopback host and Opportunistic elsewhere. A password is not
// part of it. The error is one sentence that says what to write instead and never repeats a password.
func ParseURL(s string) (Target, error) {
	if !strings.Contains(s, "://") {
		return parsePlain(s)
	}
	u, err := url.Parse(s)
	if err != nil {
		return Target{}, errors.New("upstream URL cannot be read: write host:port or smtps://name@host")
	}
	mode, port, err := parseScheme(u.Scheme)
	if err != nil {
		return Target{}, err
	}
	if err := checkParts(u); err != nil {
		return Target{}, err
	}
	if p := u.Port(); p != "" {
		port = p
	}
	t := Target{TLS: mode, Username: u.User.Username()}
	if t.Address, err = joinAddress(u.Hostname(), port); err != nil {
		return Target{}, err
	}
	if t.Username != "" && mode == None && !isLoopback(u.Hostname()) {
		return Target{}, errors.New("upstream user name would be sent in the clear: use smtp+starttls:// or smtps://")
	}
	return t, nil
}

func parsePlain(s string) (Target, error) {
	if strings.Contains(s, "@") {
		return Target{}, errors.New("upstream with a user name needs a scheme: write smtp+starttls://name@host:587 or smtps://name@host")
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil {
		return Target{}, fmt.Errorf("upstream %q is not host:port: write for example 127.0.0.1:25 or smtps://name@host", s)
	}
	address, err := joinAddress(host, port)
	if err != nil {
		return Target{}, err
	}
	if isLoopback(host) {
		return Target{Address: address, TLS: None}, nil
	}
	return Target{Address: address, TLS: Opportunistic}, nil
}

func parseScheme(scheme string) (mode TLSMode, port string, err error) {
	switch scheme {
	case "smtp":
		return None, "25", nil
	case "smtp+starttls":
		return StartTLS, "587", nil
	case "smtps":
		return Implicit, "465", nil
	}
	return "", "", fmt.Errorf("upstream scheme %q is unknown: use smtp, smtp+starttls or smtps", scheme)
}

func checkParts(u *url.URL) error {
	if _, has := u.User.Password(); has {
		return errors.New("upstream URL holds a password: put it into CONSENTGATE_UPSTREAM_PASSWORD or password_file")
	}
	if strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
		return errors.New("upstream URL ends after the port: remove the path, query or fragment")
	}
	return nil
}

func joinAddress(host, port string) (string, error) {
	if host == "" {
		return "", errors.New("upstream names no host: write host:port or smtps://name@host")
	}
	if strings.ContainsAny(host, " \t\r\n\x00") {
		return "", fmt.Errorf("upstream host %q holds blanks or control characters: remove them", host)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", fmt.Errorf("upstream port %q is not a number from 1 to 65535", port)
	}
	return net.JoinHostPort(host, port), nil
}

func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// tlsConfig completes t.Config: a server name to verify, and TLS 1.2 or later.
func (t Target) tlsConfig() *tls.Config {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if t.Config != nil {
		c = t.Config.Clone()
		c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	}
	if c.ServerName == "" {
		c.ServerName, _, _ = net.SplitHostPort(t.Address)
	}
	return c
}
