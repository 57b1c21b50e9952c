package config

import (
	"cmp"
	"os"
	"path/filepath"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

// defaults is a config before file, environment and flags.
func defaults() *Config {
	return &Config{
		Mode: gate.ModeEnforce, BareLines: "reject", StoreAddresses: "encrypted", StoreChecks: "warn",
		Jurisdictions: []string{"EU"},
		Log:           Log{Addresses: "masked", Entries: 1_000_000, retention: unsaid},
		Retention:     Retention{Blocks: unsaid},
		Replies:       Replies{Detail: "full"},
		Unsubscribe:   Unsubscribe{Listen: "127.0.0.1:8025", Connections: publicConnections, Existing: gate.ExistingKeep, OnSigned: gate.SignedLeave},
		Confirmation:  defaultConfirmation(),
		Inbound:       Inbound{Sessions: inboundSessions},
		Limits:        defaultLimits(),
		Timeouts:      defaultTimeouts(),
	}
}

// defaultStreams are the two that stand where no file names any.
func defaultStreams() []*gate.Stream {
	return []*gate.Stream{
		{Name: "marketing", Kind: gate.KindMarketing, Purpose: "marketing"},
		{Name: transactional, Kind: gate.KindTransactional},
	}
}

// defaultListener is where clients connect until config says otherwise.
const defaultListener = "127.0.0.1:2525"

// publicConnections is how many the public listener has at once.
const publicConnections = 2000

// transactional is the stream that the flag of this name adds patterns to.
const transactional = "transactional"

// complete fills what follows from other settings.
func (c *Config) complete(r *report, o Options) {
	if c.DataDir == "" {
		c.DataDir = o.dataDir()
	}
	if c.DataDir == "" {
		r.add("data_dir", "has no default without HOME: set data_dir or CONSENTGATE_DATA_DIR")
	}
	if c.Store == "" || c.Store == "sqlite:" {
		c.Store = "sqlite:" + filepath.Join(c.DataDir, "consent.db")
	}
	if c.Hostname == "" {
		c.Hostname = hostname()
	}
	if c.DefaultJurisdiction == "" {
		c.DefaultJurisdiction = firstOr(c.Jurisdictions, "EU")
	}
	c.Policies.complete(c.File)
	c.Retention.complete(r, c.Log.retention)
	for i := range c.Listeners {
		c.Listeners[i].complete()
	}
	for i := range c.Credentials {
		c.Credentials[i].OnBlock = clientPresets()[c.Credentials[i].Client]
	}
	for i := range c.Upstreams {
		c.Upstreams[i].complete()
	}
	for _, s := range c.streams {
		c.completeStream(s)
	}
	c.Admin.complete(c)
	c.Inbound.complete(c)
}

func (o Options) dataDir() string {
	if o.Root {
		return "/var/lib/consentgate"
	}
	if dir := o.Env("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "consentgate")
	}
	if home := o.Env("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "consentgate")
	}
	return ""
}

func hostname() string {
	name, err := os.Hostname()
	if err != nil || checkName(name) != nil {
		return "localhost"
	}
	return name
}

// firstOr is the preferred one of list, else its first.
func firstOr(list []string, preferred string) string {
	for _, s := range list {
		if s == preferred {
			return s
		}
	}
	if len(list) > 0 {
		return list[0]
	}
	return preferred
}

func (l *Listener) complete() {
	if l.TLS == "" && checkHostPort(l.Address) == nil {
		l.TLS = TLSStartTLS
		if onLoopback(l.Address) {
			l.TLS = TLSNone
		}
	}
	if l.OnBlock == "" {
		l.OnBlock = clientPresets()[l.Client]
	}
	if l.Protocol == "" {
		l.Protocol = SMTP
	}
}

func (u *Upstream) complete() {
	if u.TLS == "" {
		u.TLS = upstream.StartTLS
		if onLoopback(u.Address) {
			u.TLS = upstream.None
		}
	}
}

func (c *Config) completeStream(s *gate.Stream) {
	if s.Kind == "" {
		s.Kind = gate.KindMarketing
	}
	if s.Purpose == "" && (s.Kind == gate.KindMarketing || s.Kind == gate.KindService) {
		s.Purpose = s.Name
	}
	if s.Audience == "b2c" {
		s.Audience = ""
	}
	s.Existing = cmp.Or(s.Existing, c.Unsubscribe.Existing)
	s.OnSigned = cmp.Or(s.OnSigned, c.Unsubscribe.OnSigned)
	s.OnBlock = cmp.Or(s.OnBlock, gate.OnBlockReject)
	s.Mode = cmp.Or(s.Mode, c.Mode)
}
