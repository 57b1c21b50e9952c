package app

import (
	"context"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/policies"
	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
	"github.com/consentgate/consentgate/smtpproxy/wire"
)

func (a *App) openSMTP(ctx context.Context) error {
	set, err := a.settings(a.cfg, a.pool)
	if err != nil {
		return err
	}
	a.ledger = newOpenLedger(a.store)
	a.smtp, err = smtpproxy.New(ctx, smtpproxy.Options{
		Settings: set, Hostname: a.cfg.Hostname, Instance: a.keys.Fingerprint(), SpoolDir: a.cfg.DataDir,
		Records: a.store, Requests: a.store, Keys: a.keys, Ledger: a.ledger, PartlyDelivered: a.ledger.partlyDelivered,
		Blocks: a.blocks, Count: a.counts.Add, Pending: a.withdrawals.Pending,
		Now: time.Now, NewID: func() string { return ulid.Make().String() }, Log: a.log,
	})
	return err
}

// settings are the config's as sessions know them.
func (a *App) settings(cfg *config.Config, pool *upstream.Pool) (smtpproxy.Settings, error) {
	policy, err := Policy(cfg)
	if err != nil {
		return smtpproxy.Settings{}, err
	}
	links, err := a.links(cfg)
	if err != nil {
		return smtpproxy.Settings{}, err
	}
	listeners, err := listeners(cfg)
	if err != nil {
		return smtpproxy.Settings{}, err
	}
	return smtpproxy.Settings{
		Mode: cfg.Mode, Listeners: listeners, Credentials: credentials(cfg), Streams: cfg.Streams(), DefaultStream: cfg.DefaultStream,
		MinimalReplies: cfg.Replies.Detail == "minimal", LogPermits: cfg.Log.Permits,
		Limits: limits(cfg), BareLines: bareLines(cfg),
		Policy: policy, Upstream: pool, Mask: mask(cfg), Links: links,
	}, nil
}

// Policy is the packs and jurisdictions that the config enables.
func Policy(cfg *config.Config) (*gate.Policy, error) {
	policy, err := gate.NewPolicy(policies.Packs(cfg.Packs()), cfg.Jurisdictions, cfg.DefaultJurisdiction)
	if err != nil {
		return nil, err
	}
	for _, s := range cfg.Streams() {
		if err := policy.CheckStream(s); err != nil {
			return nil, err
		}
	}
	return policy, nil
}

func listeners(cfg *config.Config) ([]smtpproxy.Listener, error) {
	certificate, err := newCertificate(cfg, time.Now)
	if err != nil {
		return nil, err
	}
	out := make([]smtpproxy.Listener, len(cfg.Listeners))
	for i, l := range cfg.Listeners {
		out[i] = smtpproxy.Listener{
			Address: l.Address, TLS: smtpproxy.TLSMode(l.TLS), Config: certificate, RequireAuth: l.RequireAuth,
			Networks: l.Networks, Proxies: l.Proxies, Streams: l.Streams, Senders: l.Senders, OnBlock: l.OnBlock,
			LMTP: l.Protocol == config.LMTP,
		}
	}
	return out, nil
}

func credentials(cfg *config.Config) []smtpproxy.Credential {
	out := make([]smtpproxy.Credential, len(cfg.Credentials))
	for i, c := range cfg.Credentials {
		out[i] = smtpproxy.Credential{
			Username: c.Username, PasswordHash: c.PasswordHash, Streams: c.Streams, Senders: c.Senders, OnBlock: c.OnBlock,
		}
	}
	return out
}

func limits(cfg *config.Config) smtpproxy.Limits {
	l, c, t := smtpproxy.DefaultLimits(), cfg.Limits, cfg.Timeouts
	l.Wire.Message, l.Wire.Header, l.Wire.Fields = c.Message, int(c.Header), c.Fields
	l.Recipients, l.Refused, l.RefusedHourly, l.RefusedDelay = c.Recipients, c.Refused, c.RefusedHourly, c.RefusedDelay
	l.AuthFails, l.AuthFailsHourly = c.AuthFails, c.AuthFailsHourly
	l.Hops, l.OwnHops, l.NullSender = c.Hops, c.OwnHops, c.NullSender
	l.Sessions, l.NetworkSessions, l.CredentialSessions = c.Sessions, c.NetworkSessions, c.CredentialSessions
	l.Idle, l.Progress, l.Write, l.Handshake, l.ProxyHeader = t.Idle, t.Data, t.Write, t.Handshake, t.ProxyHeader
	l.Lookup, l.Envelope, l.Deliver = t.Lookup, t.Envelope, t.Deliver
	if l.MinRate = c.MinRate; l.MinRate == 0 {
		l.MinRate = -1
	}
	return l
}

func bareLines(cfg *config.Config) wire.BarePolicy {
	if cfg.BareLines == "normalise" {
		return wire.Normalise
	}
	return wire.Reject
}

// mask shows recipients in the block log as log.addresses wants them.
func mask(cfg *config.Config) func(gate.Address, gate.ID) string {
	switch cfg.Log.Addresses {
	case "full":
		return func(addr gate.Address, _ gate.ID) string { return addr.String() }
	case "hashed":
		return func(_ gate.Address, id gate.ID) string { return id.String() }
	}
	return func(addr gate.Address, _ gate.ID) string { return addr.Masked() }
}
