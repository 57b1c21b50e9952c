package config

import (
	"crypto/tls"
	"fmt"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

// Streams are the streams in the order of the file, with every default filled in.
func (c *Config) Streams() []*gate.Stream { return c.streams }

// Stream returns the stream of this name; an error names the nearest.
func (c *Config) Stream(name string) (*gate.Stream, error) {
	if s := c.stream(name); s != nil {
		return s, nil
	}
	return nil, fmt.Errorf("there is no stream %q: %s", name, suggestion(name, c.streamNames()))
}

func (c *Config) stream(name string) *gate.Stream {
	for _, s := range c.streams {
		if s.Name == name {
			return s
		}
	}
	return nil
}

func (c *Config) streamNames() []string {
	names := make([]string, len(c.streams))
	for i, s := range c.streams {
		names[i] = s.Name
	}
	return names
}

// report is a report that knows where the fields of c stand.
func (c *Config) report() *report { return &report{file: c.File, lines: c.lines} }

// CheckServe is Options.Serve for settings that were loaded without; what is missing is an *Error.
func (c *Config) CheckServe() error {
	r := c.report()
	c.checkServe(r)
	return r.err()
}

// checkServe reports what only serve needs and is missing: an upstream, and files that can be read.
func (c *Config) checkServe(r *report) {
	if len(c.Upstreams) == 0 && !r.unread["--upstream"] {
		r.add("upstreams", "name none, so nothing could be delivered: add one, or give --upstream")
	}
	c.targets(r)
	if c.TLS.Key == "" {
		return // a certificate without its key is reported already
	}
	if _, err := c.TLSConfig(); err != nil {
		r.add("tls", "%v", err)
	}
}

// Targets are the upstreams in order, passwords read.
func (c *Config) Targets() ([]upstream.Target, error) {
	r := c.report()
	out := c.targets(r)
	return out, r.err()
}

func (c *Config) targets(r *report) []upstream.Target {
	out := make([]upstream.Target, len(c.Upstreams))
	for i, u := range c.Upstreams {
		out[i] = u.Target
		if u.Username == "" {
			continue
		}
		var err error
		if out[i].Password, err = c.upstreamPassword(u); err != nil {
			r.add(fmt.Sprintf("upstreams[%d].password_file", i), "%v", err)
		}
	}
	return out
}

func (c *Config) upstreamPassword(u Upstream) (string, error) {
	switch {
	case u.PasswordFile != "":
		return readSecret(u.PasswordFile)
	case c.password != "":
		return c.password, nil
	}
	return "", fmt.Errorf("%s has no password: set password_file or CONSENTGATE_UPSTREAM_PASSWORD", u.Username)
}

// TLSConfig is the certificate of the SMTP listeners, nil where none is configured.
func (c *Config) TLSConfig() (*tls.Config, error) {
	if c.TLS.Certificate == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(c.TLS.Certificate, c.TLS.Key)
	if err != nil {
		return nil, fmt.Errorf("certificate %s and key %s cannot be used: %w", c.TLS.Certificate, c.TLS.Key, cause(err))
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}, nil
}
