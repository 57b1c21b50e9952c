package config

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
)

// publicURLMax keeps "<URL/u/TOKEN>" with a token of 50 characters within the 120 octets that List-Unsubscribe may
// take unfolded.
const publicURLMax = 120 - len("</u/>") - 50

func parsePublicURL(s string) (string, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return "", errors.New("is no URL: write for example https://u.example.com")
	case u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())):
		return "", errors.New("must begin with https://: mail providers only use that (http is for a loopback host)")
	case u.User != nil || u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return "", errors.New("must end after the path: remove the user name, query or fragment")
	}
	s = strings.TrimRight(s, "/")
	if len(s) > publicURLMax {
		return "", fmt.Errorf("is too long for a header line: use at most %d characters", publicURLMax)
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || r == '<' || r == '>' || r == ',' }) {
		return "", errors.New("holds a character that cannot stand in a header: use ASCII, the host in its xn-- form")
	}
	return s, nil
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
