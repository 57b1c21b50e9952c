package app

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

// place is an address that serve listens on.
type place struct{ field, address string }

func places(cfg *config.Config) []place {
	var all []place
	for _, l := range cfg.Listeners {
		all = append(all, place{"listener", l.Address})
	}
	if cfg.Unsubscribe.PublicURL != "" {
		all = append(all, place{"unsubscribe.listen", cfg.Unsubscribe.Listen})
	}
	if cfg.Admin.Listen != "" {
		all = append(all, place{"admin.listen", cfg.Admin.Listen})
	}
	if cfg.Inbound.Domain != "" {
		all = append(all, place{"inbound.listen", cfg.Inbound.Listen})
	}
	return all
}

// listeners sees whether each address is free for a gate, or taken by the one that runs from this data_dir.
func (d *Doctor) listeners(ctx context.Context) {
	for _, p := range places(d.Config) {
		var lc net.ListenConfig
		socket, err := lc.Listen(ctx, "tcp", p.address)
		if err == nil {
			_ = socket.Close()
		}
		inUse := errors.Is(err, syscall.EADDRINUSE)
		switch {
		case inUse && d.runs:
			d.ok(p.field, "%s is in use, and a gate runs from this data_dir", p.address)
		case inUse:
			d.fail(p.field, "stop the other program, or choose another address", "%s is in use, and no gate runs from this data_dir", p.address)
		case err != nil:
			d.fail(p.field, "choose an address of this machine that the account may listen on", "%s: %v", p.address, err)
		case d.runs && !strings.HasSuffix(p.address, ":0"):
			d.warn(p.field, "restart it", "nothing listens on %s, though a gate runs from this data_dir: it has other settings", p.address)
		default:
			d.ok(p.field, "%s is free", p.address)
		}
	}
}

// upstreams greets each upstream as a session would, up to and with AUTH; no mail is sent.
func (d *Doctor) upstreams(ctx context.Context) {
	targets, err := d.Config.Targets()
	if err != nil {
		d.fail("upstream", "look at upstreams in the config file", "%v", err)
		return
	}
	if len(targets) == 0 {
		d.warn("upstream", "name one in upstreams, or with serve --upstream", "none is configured")
	}
	for _, t := range targets {
		d.upstream(ctx, t)
	}
}

func (d *Doctor) upstream(ctx context.Context, t upstream.Target) {
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	heard := &plain{Handler: slog.DiscardHandler}
	pool := upstream.New(upstream.Options{Targets: []upstream.Target{t}, Hello: d.Config.Hostname, Logger: slog.New(heard)})
	defer func() { _ = pool.Close() }()
	err := pool.Probe(ctx)
	switch {
	case err != nil:
		d.fail("upstream", "mail gets 451 until this is mended: look at address, tls, username and password", "%v", err)
	case heard.told:
		d.warn("upstream", "have it offer STARTTLS, or reach it through a private network", "%s offers no STARTTLS: mail leaves in plain text", t.Address)
	default:
		d.ok("upstream", "%s answers (tls: %s)%s", t.Address, t.TLS, offers(pool.Caps()))
	}
}

// offers names what clients get only where every upstream has it.
func offers(c upstream.Caps) string {
	var missing []string
	for name, has := range map[string]bool{"8BITMIME": c.EightBitMIME, "SMTPUTF8": c.SMTPUTF8, "DSN": c.DSN} {
		if !has {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return ""
	}
	return ", without " + strings.Join(slices.Sorted(slices.Values(missing)), ", ")
}

// plain is a log handler that notes whether a pool warned: of what it does, only of mail in plain text.
type plain struct {
	slog.Handler
	told bool
}

// Enabled implements [slog.Handler].
func (p *plain) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

// Handle implements [slog.Handler].
func (p *plain) Handle(context.Context, slog.Record) error {
	p.told = true
	return nil
}

// publicURL posts to it as mail providers do, where a gate runs to hear that.
func (d *Doctor) publicURL(ctx context.Context) {
	public := d.Config.Unsubscribe.PublicURL
	switch {
	case public == "":
		d.warn("public_url", "set unsubscribe.public_url", "none is set: messages carry no unsubscribe link of the gate")
		return
	case d.Config.Unsubscribe.SelfTest == "off":
		d.ok("public_url", "%s is not tried: self_test is off", public)
		return
	case d.keys == nil:
		return // the store's finding says why
	case !d.runs:
		d.warn("public_url", "start serve, and run doctor again", "%s is not tried: no gate runs from this data_dir to hear it", public)
		return
	}
	if err := tryPublicURL(ctx, d.keys, public); err != nil {
		d.fail("public_url", "see docs/unsubscribe.md, Does one-click reach the gate", "a one-click POST to %s does not arrive: %v", public, err)
		return
	}
	d.ok("public_url", "a one-click POST to %s reaches this gate", public)
}
