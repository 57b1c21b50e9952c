package app

import (
	"context"
	"fmt"
	"net"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/smtpproxy/wire"
	"github.com/consentgate/consentgate/unsub"
	"github.com/consentgate/consentgate/unsub/inbound"
)

// openInbound binds the listener for mail that unsubscribes, where the config has one.
func (a *App) openInbound(ctx context.Context) error {
	if a.cfg.Inbound.Domain == "" {
		return nil
	}
	set, err := a.inboundSettings(a.cfg)
	if err != nil {
		return err
	}
	a.inbound, err = inbound.New(ctx, inbound.Options{
		Settings: set, Address: a.cfg.Inbound.Listen, LMTP: a.cfg.Inbound.Protocol == config.LMTP, Hostname: a.cfg.Hostname,
		Tokens: unsub.Tokens{Keys: a.keys}, Streams: a.streams, Refusals: a.withdrawals,
		Count: a.counts.Add, Now: time.Now, Log: a.log,
	})
	if err != nil {
		return fmt.Errorf("inbound.listen: %w", err)
	}
	a.onClose("inbound listener", a.inbound.Close)
	return nil
}

// inboundSettings are the config's as the door knows them.
func (a *App) inboundSettings(cfg *config.Config) (inbound.Settings, error) {
	links, err := a.links(cfg)
	if err != nil {
		return inbound.Settings{}, err
	}
	lim := limits(cfg)
	set := inbound.Settings{
		Domain: cfg.Inbound.Domain, Complaints: cfg.Inbound.Complaints, Networks: cfg.Inbound.Networks,
		Links: links, Sessions: cfg.Inbound.Sessions,
		Wire: wire.Options{
			Limits: lim.Wire, BareLines: wire.Normalise, // nothing is relayed, so no two can read it differently
			Idle: lim.Idle, Progress: lim.Progress, MinRate: lim.MinRate, Write: lim.Write, Handshake: lim.Handshake,
		},
	}
	if cfg.Inbound.TLS == config.TLSStartTLS {
		set.TLS, err = newCertificate(cfg, time.Now)
	}
	return set, err
}

// links writes and reads the links of List-Unsubscribe.
func (a *App) links(cfg *config.Config) (*unsub.Links, error) {
	return unsub.NewLinks(unsub.Tokens{Keys: a.keys}, cfg.Unsubscribe.PublicURL, cfg.Unsubscribe.MailtoDomain)
}

// InboundAddr is the bound address for mail that unsubscribes, nil where there is none.
func (a *App) InboundAddr() net.Addr {
	if a.inbound == nil {
		return nil
	}
	return a.inbound.Addr()
}

// serveMail takes mail on all listeners until front ends, and then drains them. One that fails ends the others.
func (a *App) serveMail(front context.Context, leave context.CancelFunc) error {
	cfg, _ := a.inForce()
	var doors errgroup.Group
	doors.Go(func() error {
		defer leave()
		return a.smtp.Serve(front, cfg.Timeouts.Drain)
	})
	if a.inbound != nil {
		doors.Go(func() error {
			defer leave()
			return a.inbound.Serve(front, cfg.Timeouts.Drain)
		})
	}
	return doors.Wait()
}
