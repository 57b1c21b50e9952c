package config

import (
	"cmp"
	"net/netip"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

// Overlay is what flags set over file and environment; a zero field was not given.
type Overlay struct {
	Store         string
	DataDir       string
	Mode          string
	Listen        []string // replaces the file's listeners
	Upstream      []string // host:port or URL; replaces the file's upstreams
	Transactional []string // reverse-path patterns of the stream transactional
	Networks      []string // of every listener
	OnBlock       string   // of every listener
	PublicURL     string
}

func (c *Config) overlay(r *report, o Overlay) {
	c.overlayStore(r, o.Store)
	if o.DataDir != "" {
		c.DataDir = absolute(o.DataDir)
	}
	flagged(r, "--mode", o.Mode, &c.Mode, func(s string) (gate.Mode, error) {
		return choose(s, Modes())
	})
	flagged(r, "--public-url", o.PublicURL, &c.Unsubscribe.PublicURL, parsePublicURL)
	c.overlayListeners(r, o)
	c.overlayUpstreams(r, o.Upstream)
}

// overlayStore shows what it refuses without the password in it.
func (c *Config) overlayStore(r *report, url string) {
	if url == "" {
		return
	}
	if err := checkStoreURL(url); err != nil {
		r.misread("--store", "%q %v", RedactURL(url), err)
		return
	}
	c.Store = url
}

// flagged reads a flag's text into dst; an empty text was not given.
func flagged[T any](r *report, name, s string, dst *T, conv func(string) (T, error)) {
	if s == "" {
		return
	}
	got, err := conv(s)
	if err != nil {
		r.misread(name, "%q %v", s, err)
		return
	}
	*dst = got
}

func (c *Config) overlayListeners(r *report, o Overlay) {
	if len(o.Listen) > 0 {
		c.Listeners = nil
	}
	for _, address := range o.Listen {
		if err := checkHostPort(address); err != nil {
			r.misread("--listen", "%v", err)
			continue
		}
		c.Listeners = append(c.Listeners, c.flagListener(address))
	}
	if len(c.Listeners) == 0 {
		c.Listeners = []Listener{{Address: defaultListener}}
	}
	networks := flagNetworks(r, o.Networks)
	var onBlock gate.OnBlock
	flagged(r, "--on-block", o.OnBlock, &onBlock, func(s string) (gate.OnBlock, error) { return choose(s, OnBlocks()) })
	for i := range c.Listeners {
		if len(networks) > 0 {
			c.Listeners[i].Networks = networks
		}
		c.Listeners[i].OnBlock = cmp.Or(onBlock, c.Listeners[i].OnBlock)
	}
}

// flagNetworks holds a zero one for each that cannot be read, so that no listener seems open for want of networks.
func flagNetworks(r *report, texts []string) []netip.Prefix {
	networks := make([]netip.Prefix, len(texts))
	for i, s := range texts {
		flagged(r, "--network", s, &networks[i], parseNetwork)
	}
	return networks
}

// flagListener is a listener of --listen. Off loopback it offers STARTTLS where a certificate is configured; a
// container network is often all there is, so without one it only warns.
func (c *Config) flagListener(address string) Listener {
	l := Listener{Address: address}
	if c.TLS.Certificate == "" && !onLoopback(address) {
		l.TLS = TLSNone
		c.warn("listener %s takes mail without TLS: set tls.certificate and tls.key in a config file", address)
	}
	return l
}

func (c *Config) overlayUpstreams(r *report, urls []string) {
	if len(urls) > 0 {
		c.Upstreams = nil
	}
	for _, s := range urls {
		t, err := upstream.ParseURL(s)
		if err != nil {
			r.misread("--upstream", "%v", err)
			continue
		}
		if t.TLS == upstream.Opportunistic {
			c.warn("upstream %s is reached without TLS where it offers none: write smtp+starttls:// or smtps:// to insist", t.Address)
		}
		c.Upstreams = append(c.Upstreams, Upstream{Target: t})
	}
}

// overlayTransactional adds patterns to the stream transactional, which it makes where there is none.
func (c *Config) overlayTransactional(r *report, patterns []string) {
	if len(patterns) == 0 {
		return
	}
	st := c.stream(transactional)
	if st == nil {
		st = &gate.Stream{Name: transactional, Kind: gate.KindTransactional}
		c.streams = append(c.streams, st)
	}
	for _, p := range patterns {
		if err := checkPattern(p); err != nil {
			r.misread("--transactional", "%v", err)
			continue
		}
		st.Match = append(st.Match, p)
	}
}
