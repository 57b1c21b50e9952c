package store

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/consentgate/consentgate/store/redisstore"
)

// target is what a URL names.
type target struct {
	sqlite bool
	path   string             // of the SQLite file
	redis  redisstore.Options // where it is no SQLite file
}

// Ports where a URL names none.
const (
	redisPort    = "6379"
	sentinelPort = "26379"
)

var errForms = errors.New("use redis://host:port/db, rediss://, redis+sentinel://host,host/master/db, " +
	"redis+cluster://host,host, unix:/path or sqlite:path")

// parse reads a store URL. Its errors name the part that is wrong and what to write instead.
func parse(text string, o Options) (target, error) {
	if text == "" {
		text = "sqlite:"
	}
	scheme, rest, found := strings.Cut(text, ":")
	if !found {
		return target{}, fmt.Errorf("store: no scheme: %w", errForms)
	}
	switch scheme {
	case "sqlite":
		return parseSQLite(rest, o)
	case "unix":
		return wrapped(parseUnix(rest))
	}
	plain, secure := strings.CutPrefix(scheme, "rediss")
	if !secure {
		var ok bool
		if plain, ok = strings.CutPrefix(scheme, "redis"); !ok {
			return target{}, fmt.Errorf("store: unknown scheme %q: %w", scheme, errForms)
		}
	}
	t, err := parseServers(plain, rest)
	if err == nil && secure {
		t.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	return wrapped(t, err)
}

func wrapped(o redisstore.Options, err error) (target, error) {
	if err != nil {
		return target{}, fmt.Errorf("store: %w", err)
	}
	return target{redis: o}, nil
}

// parseSQLite reads what follows "sqlite:"; slashes before an absolute path are taken as people write them.
func parseSQLite(rest string, o Options) (target, error) {
	if abs, ok := strings.CutPrefix(rest, "//"); ok {
		if !strings.HasPrefix(abs, "/") {
			return target{}, errors.New("store: sqlite takes a path and no host: write sqlite:path or sqlite:///absolute/path")
		}
		rest = abs
	}
	if rest == "" {
		if o.DataDir == "" {
			return target{}, errors.New("store: sqlite: has no path and there is no data_dir: write sqlite:path")
		}
		rest = filepath.Join(o.DataDir, DefaultFile)
	}
	return target{sqlite: true, path: rest}, nil
}

// parseUnix reads what follows "unix:".
func parseUnix(rest string) (redisstore.Options, error) {
	o := redisstore.Options{Network: "unix"}
	if authority, ok := strings.CutPrefix(rest, "//"); ok {
		var err error
		if authority, err = credentials(&o, authority); err != nil {
			return o, err
		}
		rest = authority
	}
	path, query, _ := strings.Cut(rest, "?")
	if !strings.HasPrefix(path, "/") {
		return o, errors.New("the unix socket's path is not absolute: write unix:/path/to/socket")
	}
	if query != "" {
		db, ok := strings.CutPrefix(query, "db=")
		if !ok {
			return o, errors.New("the only parameter is db: write unix:/path/to/socket?db=1")
		}
		if err := database(&o, db); err != nil {
			return o, err
		}
	}
	o.Addrs = []string{path}
	return o, nil
}

// parseServers reads what follows "redis", "redis+sentinel" or "redis+cluster" and the colon.
func parseServers(kind, rest string) (redisstore.Options, error) {
	var o redisstore.Options
	rest, ok := strings.CutPrefix(rest, "//")
	if !ok {
		return o, errors.New("two slashes are missing after the scheme: write redis://host:port/db")
	}
	rest, err := credentials(&o, rest)
	if err != nil {
		return o, err
	}
	if strings.ContainsAny(rest, "?#") {
		return o, errors.New("parameters are not known: write redis://username:password@host:port/db")
	}
	hosts, path, _ := strings.Cut(rest, "/")
	switch kind {
	case "":
		return single(o, hosts, path)
	case "+sentinel":
		return sentinel(o, hosts, path)
	case "+cluster":
		return cluster(o, hosts, path)
	}
	return o, fmt.Errorf("unknown scheme %q: %w", "redis"+kind, errForms)
}

func single(o redisstore.Options, hosts, path string) (redisstore.Options, error) {
	if strings.Contains(hosts, ",") {
		return o, errors.New("redis:// takes one host: write redis+cluster:// or redis+sentinel:// for several")
	}
	if err := addresses(&o, hosts, redisPort); err != nil {
		return o, err
	}
	return o, database(&o, path)
}

func sentinel(o redisstore.Options, hosts, path string) (redisstore.Options, error) {
	if err := addresses(&o, hosts, sentinelPort); err != nil {
		return o, err
	}
	master, db, _ := strings.Cut(path, "/")
	if master == "" {
		return o, errors.New("the master's name is missing: write redis+sentinel://host,host,host/master/db")
	}
	o.Master = master
	return o, database(&o, db)
}

func cluster(o redisstore.Options, hosts, path string) (redisstore.Options, error) {
	if err := addresses(&o, hosts, redisPort); err != nil {
		return o, err
	}
	o.Cluster = true
	if path != "" && path != "0" {
		return o, errors.New("a Cluster has database 0 only: leave the database out")
	}
	return o, nil
}

// credentials takes "username:password@" off the front of a URL's authority. The password may be percent-encoded,
// and must be where it holds an at sign's neighbours / ? #.
func credentials(o *redisstore.Options, authority string) (rest string, err error) {
	head, _, _ := strings.Cut(authority, "/")
	at := strings.LastIndexByte(head, '@')
	if at < 0 {
		if strings.Contains(authority, "@") {
			return "", errors.New("the password holds a slash: write it as %2F")
		}
		return authority, nil
	}
	username, password, _ := strings.Cut(authority[:at], ":")
	if o.Username, err = url.PathUnescape(username); err != nil {
		return "", errors.New("the username is not percent-encoded: write % as %25")
	}
	if o.Password, err = url.PathUnescape(password); err != nil {
		return "", errors.New("the password is not percent-encoded: write % as %25")
	}
	return authority[at+1:], nil
}

// addresses reads "host[:port],…". What cannot be read is not repeated in the error: it may be a password that lost
// its host.
func addresses(o *redisstore.Options, hosts, port string) error {
	for h := range strings.SplitSeq(hosts, ",") {
		addr, err := address(h, port)
		if err != nil {
			return err
		}
		o.Addrs = append(o.Addrs, addr)
	}
	return nil
}

func address(text, port string) (string, error) {
	if text == "" {
		return "", errors.New("a host is missing: write host or host:port")
	}
	host, p, err := net.SplitHostPort(text)
	if err != nil { // no port, or an IPv6 address
		host, p = strings.Trim(text, "[]"), port
		if strings.Contains(host, ":") && net.ParseIP(host) == nil {
			return "", errors.New("a host and port cannot be read: write host:port")
		}
	}
	if n, err := strconv.ParseUint(p, 10, 16); err != nil || n == 0 {
		return "", errors.New("a port is no number from 1 to 65535: write host:port")
	}
	if host == "" {
		return "", errors.New("the host before a port is missing: write host:port")
	}
	return net.JoinHostPort(host, p), nil
}

// database reads the number of a database; empty is 0.
func database(o *redisstore.Options, text string) (err error) {
	if text == "" {
		return nil
	}
	if o.DB, err = strconv.Atoi(text); err != nil || o.DB < 0 {
		return errors.New("the database is no number: write redis://host:port/0")
	}
	return nil
}
