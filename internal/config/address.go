package config

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"

	"github.com/consentgate/consentgate/unsub"
)

// SelfTests reports whether the gate tries its own public URL. Nothing stands between it and a loopback host, which is
// the only one that has plain http.
func (u Unsubscribe) SelfTests() bool {
	plain := strings.HasPrefix(strings.ToLower(u.PublicURL), "http:")
	return u.PublicURL != "" && (u.SelfTest == "on" || u.SelfTest == "" && !plain)
}

// parsePublicURL takes what unsub can make links of, without a slash at its end.
func parsePublicURL(s string) (string, error) {
	if _, err := unsub.NewLinks(unsub.Tokens{}, s, ""); err != nil {
		return "", fmt.Errorf("is no public URL: %w", cmp.Or(errors.Unwrap(err), err))
	}
	return strings.TrimRight(s, "/"), nil
}

// isLoopback reports whether host is this machine only.
func isLoopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// onLoopback reports whether host:port is reachable from this machine only.
func onLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && isLoopback(host)
}

// checkHostPort reports what keeps address from being a host:port to bind or dial; port 0 lets the system choose.
func checkHostPort(address string) error {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf("%q is not host:port: write for example 127.0.0.1:2525", address)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("port %q is not a number from 0 to 65535", port)
	}
	return nil
}

// RedactURL returns a store URL without the password in it.
func RedactURL(s string) string {
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return s
	}
	at := strings.LastIndexByte(rest, '@') // a password may hold what ends a host elsewhere
	if at < 0 {
		return s
	}
	name, _, secret := strings.Cut(rest[:at], ":")
	if secret {
		name += ":" + redacted
	}
	return scheme + "://" + name + rest[at:]
}

// redacted stands for a secret in what is printed.
const redacted = "xxxxx"
