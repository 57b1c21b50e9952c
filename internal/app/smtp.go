package app

import (
	"context"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/policies"
	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/wire"
	"github.com/consentgate/consentgate/unsub"
)

func (a *App) openSMTP(ctx context.Context) error {
	set, err := a.settings()
	if err != nil {
		return err
	}
	a.smtp, err = smtpproxy.New(ctx, smtpproxy.Options{
		Settings: set, Hostname: a.cfg.Hostname, SpoolDir: a.cfg.DataDir,
		Records: a.store, Keys: a.keys, Ledger: a.store, Blocks: a.blocks, Count: a.counts.add,
		Pending: a.withdrawals.Pending,
		Now:     time.Now, NewID: func() string { return ulid.Make().String() }, Log: a.log,
	})
	return err
}

// settings are the config's as sessions know them.
func (a *App) settings() (smtpproxy.Settings, error) {
	policy, err := Policy(a.cfg)
	if err != nil {
		return smtpproxy.Settings{}, err
	}
	links, err := unsub.NewLinks(unsub.Tokens{Keys: a.keys}, a.cfg.Unsubscribe.PublicURL, "")
	if err != nil {
		return smtpproxy.Settings{}, err
	}
	listeners, err := a.listeners()
	if err != nil {
		return smtpproxy.Settings{}, err
	}
	return smtpproxy.Settings{
		Listeners: listeners, Credentials: a.credentials(),
		Streams: a.cfg.Streams(), DefaultStream: a.cfg.DefaultStream,
		MinimalReplies: a.cfg.Replies.Detail == "minimal", LogPermits: a.cfg.Log.Permits,
		Limits: a.limits(), BareLines: a.bareLines(),
		Policy: policy, Upstream: a.pool, Mask: a.mask(), Links: links,
	}, nil
}

// Policy is the packs and jurisdictions that the config enables.
func Policy(cfg *config.Config) (*gate.Policy, error) {
	packs, err := policies.Load()
	if err != nil {
		return nil, err
	}
	policy, err := gate.NewPolicy(packs, cfg.Jurisdictions, cfg.DefaultJurisdiction)
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

func (a *App) listeners() ([]smtpproxy.Listener, error) {
	certificate, err := a.cfg.TLSConfig()
	if err != nil {
		return nil, err
	}
	out := make([]smtpproxy.Listener, len(a.cfg.Listeners))
	for i, l := range a.cfg.Listeners {
		out[i] = smtpproxy.Listener{
			Address: l.Address, TLS: smtpproxy.TLSMode(l.TLS), Config: certificate, RequireAuth: l.RequireAuth,
			Networks: l.Networks, Streams: l.Streams, Senders: l.Senders, OnBlock: l.OnBlock,
		}
	}
	return out, nil
}

func (a *App) credentials() []smtpproxy.Credential {
	out := make([]smtpproxy.Credential, len(a.cfg.Credentials))
	for i, c := range a.cfg.Credentials {
		out[i] = smtpproxy.Credential{
			Username: c.Username, PasswordHash: c.PasswordHash, Streams: c.Streams, Senders: c.Senders, OnBlock: c.OnBlock,
		}
	}
	return out
}

func (a *App) limits() smtpproxy.Limits {
	l, c := smtpproxy.DefaultLimits(), a.cfg.Limits
	l.Wire.Message, l.Wire.Header, l.Wire.Fields = c.Message, int(c.Header), c.Fields
	l.Recipients, l.Refused, l.AuthFails = c.Recipients, c.Refused, c.AuthFails
	l.Hops, l.Sessions, l.NullSender = c.Hops, c.Sessions, c.NullSender
	return l
}

func (a *App) bareLines() wire.BarePolicy {
	if a.cfg.BareLines == "normalise" {
		return wire.Normalise
	}
	return wire.Reject
}

// mask shows recipients in the block log as log.addresses wants them.
func (a *App) mask() func(gate.Address, gate.ID) string {
	switch a.cfg.Log.Addresses {
	case "full":
		return func(addr gate.Address, _ gate.ID) string { return addr.String() }
	case "hashed":
		return func(_ gate.Address, id gate.ID) string { return id.String() }
	}
	return func(addr gate.Address, _ gate.ID) string { return addr.Masked() }
}
