package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/consentgate/consentgate/admin"
	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/internal/seal"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
	"github.com/consentgate/consentgate/unsub"
)

// ErrNoSender: the config does not say from whom messages that ask to confirm come.
var ErrNoSender = errors.New("nobody asks people to confirm: set confirmation.from in the config file")

// confirming is what asks people to confirm, by the settings in force.
type confirming struct {
	*unsub.Confirmations
	forms map[string]unsub.Form
}

// newConfirmations makes what asks people to confirm; ErrNoSender where the config has no sender.
func newConfirmations(cfg *config.Config, s unsub.ConfirmationStore, keys *seal.Keys, pool func() *upstream.Pool, count func(gate.Counter), log *slog.Logger) (*unsub.Confirmations, error) {
	if cfg.Confirmation.From == "" {
		return nil, ErrNoSender
	}
	policy, err := Policy(cfg)
	if err != nil {
		return nil, err
	}
	links, err := unsub.NewLinks(unsub.Tokens{Keys: keys}, cfg.Unsubscribe.PublicURL, "")
	if err != nil {
		return nil, err
	}
	brand, err := cfg.Unsubscribe.Brand.Public()
	if err != nil {
		return nil, err
	}
	return unsub.NewConfirmations(unsub.ConfirmationsOptions{
		Store: s, Keys: keys, Policy: policy, Mailer: mailer{pool}, Links: links, Streams: cfg.Streams(),
		From: cfg.Confirmation.Sender(), Caps: cfg.Confirmation.Caps(), Brand: brand, Purposes: cfg.Unsubscribe.Purposes,
		Count: count, Now: time.Now, Log: log,
	}), nil
}

// OpenConfirmations is for a command, which connects to the upstream itself; close ends the connection.
func OpenConfirmations(cfg *config.Config, s unsub.ConfirmationStore, keys *seal.Keys, log *slog.Logger) (c *unsub.Confirmations, closePool func() error, err error) {
	targets, err := cfg.Targets()
	if err != nil {
		return nil, nil, err
	}
	pool := upstream.New(upstream.Options{Targets: targets, Hello: cfg.Hostname, Reply: cfg.Timeouts.Envelope, Logger: log})
	c, err = newConfirmations(cfg, s, keys, func() *upstream.Pool { return pool }, nil, log)
	if err != nil {
		return nil, nil, errors.Join(err, pool.Close())
	}
	return c, pool.Close, nil
}

// confirmingOf is what the config makes of sign-ups; nil where it names no sender.
func (a *App) confirmingOf(cfg *config.Config) (*confirming, error) {
	c, err := newConfirmations(cfg, a.store, a.keys, func() *upstream.Pool { _, pool := a.inForce(); return pool }, a.counts.Add, a.log)
	if errors.Is(err, ErrNoSender) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	forms, err := formsOf(cfg)
	return &confirming{Confirmations: c, forms: forms}, err
}

// formsOf asks the packs which forms need a confirmation from the mailbox.
func formsOf(cfg *config.Config) (map[string]unsub.Form, error) {
	policy, err := Policy(cfg)
	if err != nil {
		return nil, err
	}
	forms := make(map[string]unsub.Form, len(cfg.Forms))
	for _, f := range cfg.Forms {
		for _, s := range cfg.Streams() {
			f.Double = f.Double || s.Purpose == f.Purpose && s.Kind == gate.KindMarketing && wantsDouble(policy, s, f)
		}
		forms[f.Name] = f
	}
	return forms, nil
}

// wantsDouble asks about somebody who ticked the box this moment.
func wantsDouble(policy *gate.Policy, s *gate.Stream, f unsub.Form) bool {
	somebody, _ := gate.ParseAddress("somebody@example.com")
	now := time.Unix(1, 0)
	c := gate.Consent{State: gate.StateActiveSingle, At: now, LastAct: now, Method: gate.MethodActive, Jurisdiction: f.Jurisdiction}
	d := policy.Decide(now, s, somebody, gate.Lookup{Record: gate.Record{Consents: map[string]gate.Consent{f.Purpose: c}}})
	return d.Reason == gate.ReasonConfirmationRequired
}

// confirm, askToConfirm and form are what pages and API use, by the settings in force.
func (a *App) confirm(ctx context.Context, r unsub.ConfirmRequest) error {
	c := a.confirming.Load()
	if c == nil {
		return ErrNoSender
	}
	return c.Send(ctx, r)
}

// confirmHook is nil where nobody asks, so that the pages do not offer it.
func (a *App) confirmHook() unsub.Confirm {
	if a.confirming.Load() == nil {
		return nil
	}
	return a.confirm
}

func (a *App) askToConfirm(ctx context.Context, q unsub.Asking) (unsub.Asked, error) {
	c := a.confirming.Load()
	if c == nil {
		return unsub.Asked{}, ErrNoSender
	}
	return c.Request(ctx, q)
}

// adminConfirm is the API's way to askToConfirm; nil where nobody asks.
func (a *App) adminConfirm() admin.Confirm {
	if a.confirming.Load() == nil {
		return nil
	}
	return func(ctx context.Context, w admin.Wish) (admin.Request, error) {
		asked, err := a.askToConfirm(ctx, unsub.Asking{
			Address: w.Address, Purpose: w.Purpose, Source: w.Source, Language: w.Language, Actor: w.Actor,
		})
		if errors.Is(err, unsub.ErrNotSent) {
			err = fmt.Errorf("%w: %w", admin.ErrNotSent, err)
		}
		return admin.Request{EventID: asked.Request.ID, At: asked.Request.Time, Again: asked.Again}, err
	}
}

// openDesk makes what takes the answers of forms, with a journal of its own.
func (a *App) openDesk() error {
	j, err := a.openJournal("forms", unsub.DeskJournal())
	if err != nil {
		return err
	}
	a.desk = unsub.NewDesk(unsub.DeskOptions{
		Journal: j, Store: a.store, Withdrawals: a.withdrawals, Keys: a.keys, Asker: a.asker, Now: time.Now, Log: a.log,
	})
	return nil
}

// asker is who asks by the settings in force, nil for nobody.
func (a *App) asker() unsub.Asker {
	if c := a.confirming.Load(); c != nil {
		return c.Confirmations
	}
	return nil
}

// runDesk settles the answers of forms until ctx ends.
func (a *App) runDesk(ctx context.Context) error {
	if a.desk == nil {
		return nil
	}
	return a.desk.Run(ctx)
}

func (a *App) form(name string) (unsub.Form, bool) {
	c := a.confirming.Load()
	if c == nil {
		return unsub.Form{}, false
	}
	f, ok := c.forms[name]
	return f, ok
}
