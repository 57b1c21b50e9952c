package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"reflect"

	"github.com/consentgate/consentgate/admin"
	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
	"github.com/consentgate/consentgate/unsub"
	"github.com/consentgate/consentgate/unsub/hooks"
	"github.com/consentgate/consentgate/unsub/inbound"
)

// Reloads is how a running program learns of new settings. The zero value never reloads.
type Reloads struct {
	Wanted <-chan os.Signal // a value asks for a reload
	Load   func() (*config.Config, error)
}

// reloading reloads when asked until ctx ends. What is wrong with the new settings is logged, and the old stay.
func (a *App) reloading(ctx context.Context, r Reloads) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.Wanted:
		}
		a.notify.tell(notifyReloading)
		a.reload(ctx, r)
		a.notify.tell(notifyReady)
	}
}

func (a *App) reload(ctx context.Context, r Reloads) {
	if err := a.keys.Refresh(); err != nil {
		a.log.Error("keys cannot be read again, those in use stay", "err", err)
	}
	cfg, err := r.Load()
	if err == nil {
		err = a.Reload(ctx, cfg)
	}
	if err != nil {
		a.log.Error("reload refused, the settings in force stay", "err", err)
		return
	}
	a.warn(cfg)
	a.log.Info("reloaded", "streams", len(cfg.Streams()), "credentials", len(cfg.Credentials))
}

// Reload puts new settings in force whole, or not at all: streams, credentials, packs, limits, upstreams and
// certificates. Sessions take them over with their next transaction. It wraps smtpproxy.ErrNeedsRestart where something
// changed that was opened or bound at the start.
func (a *App) Reload(ctx context.Context, cfg *config.Config) error {
	if err := a.restartOnly(cfg); err != nil {
		return err
	}
	pool, err := a.poolFor(ctx, cfg)
	if err != nil {
		return err
	}
	next, err := a.prepare(cfg, pool)
	if err == nil {
		err = a.smtp.Reload(next.relay)
	}
	if err == nil {
		err = a.configureStreams(cfg)
	}
	if err != nil {
		return errors.Join(err, a.discard(pool))
	}
	a.reloadAdmin(next.private, next.certificate)
	if a.inbound != nil {
		a.inbound.Reload(next.door)
	}
	a.confirming.Store(next.asks)
	a.reloadHooks(next.reports)
	a.mu.Lock()
	defer a.mu.Unlock()
	if pool != a.pool {
		a.formerPool = a.pool
	}
	a.cfg, a.pool = cfg, pool
	return nil
}

// replacement is what new settings make of each part, before any of it is put in force.
type replacement struct {
	relay       smtpproxy.Settings
	private     admin.Settings
	certificate *tls.Config
	door        inbound.Settings
	asks        *confirming
	reports     hooks.Settings
}

// prepare makes all of it, or tells everything that is wrong.
func (a *App) prepare(cfg *config.Config, pool *upstream.Pool) (r replacement, err error) {
	var errs [5]error
	r.relay, errs[0] = a.settings(cfg, pool)
	r.private, r.certificate, errs[1] = a.adminSettings(cfg)
	r.door, errs[2] = a.inboundSettings(cfg)
	r.asks, errs[3] = a.confirmingOf(cfg)
	r.reports, errs[4] = cfg.HookSettings()
	_, err = unsub.NewStreams(a.store, cfg.Streams()) // whether they can be configured
	return r, errors.Join(append(errs[:], err)...)
}

// configureStreams has the public pages know the streams, and the store remember them: their tokens outlive them.
func (a *App) configureStreams(cfg *config.Config) error {
	if err := a.streams.Configure(cfg.Streams()); err != nil {
		return err
	}
	select {
	case a.reloaded <- struct{}{}:
	default:
	}
	return nil
}

// rememberStreams has the store remember the streams, now and after each reload, until ctx ends.
func (a *App) rememberStreams(ctx context.Context) {
	for ctx.Err() == nil {
		a.streams.Remember(ctx, a.log)
		select {
		case <-ctx.Done():
		case <-a.reloaded:
		}
	}
}

// restartOnly compares what a running program cannot change.
func (a *App) restartOnly(cfg *config.Config) error {
	old, _ := a.inForce()
	for _, k := range []struct {
		key      string
		was, now any
	}{
		{"data_dir", old.DataDir, cfg.DataDir},
		{"store", old.Store, cfg.Store},
		{"hostname", old.Hostname, cfg.Hostname},
		{"id_key_file", old.IDKeyFile, cfg.IDKeyFile},
		{"store_addresses", old.StoreAddresses, cfg.StoreAddresses},
		{"log.entries", old.Log.Entries, cfg.Log.Entries},
		{"timeouts.drain", old.Timeouts.Drain, cfg.Timeouts.Drain},
		{"admin.listen", old.Admin.Listen, cfg.Admin.Listen},
		{"admin.tls", old.Admin.TLS, cfg.Admin.TLS},
		{"inbound.domain", old.Inbound.Domain != "", cfg.Inbound.Domain != ""},
		{"inbound.listen", old.Inbound.Listen, cfg.Inbound.Listen},
		{"inbound.protocol", old.Inbound.Protocol, cfg.Inbound.Protocol},
		{"unsubscribe.listen", old.Unsubscribe.Listen, cfg.Unsubscribe.Listen},
		{"unsubscribe.connections", old.Unsubscribe.Connections, cfg.Unsubscribe.Connections},
		{"unsubscribe.trusted_proxies", fmt.Sprint(old.Unsubscribe.Proxies), fmt.Sprint(cfg.Unsubscribe.Proxies)},
		{"unsubscribe.public_url", old.Unsubscribe.PublicURL != "", cfg.Unsubscribe.PublicURL != ""},
		{"unsubscribe.public_url", publicPath(old), publicPath(cfg)},
		{"confirmation.most and apart", old.Confirmation.Caps(), cfg.Confirmation.Caps()},
		{"confirmation.from", old.Confirmation.From != "", cfg.Confirmation.From != ""},
		{"unsubscribe.brand", old.Unsubscribe.Brand, cfg.Unsubscribe.Brand},
		{"unsubscribe.purposes", fmt.Sprint(old.Unsubscribe.Purposes), fmt.Sprint(cfg.Unsubscribe.Purposes)},
	} {
		if k.was != k.now {
			return fmt.Errorf("%s was changed: %w", k.key, smtpproxy.ErrNeedsRestart)
		}
	}
	return nil
}

// poolFor keeps the pool where the upstreams are the same. A new one has asked its upstreams what they can do by the
// time that it is used. The old one serves the transactions under way, and its idle connections end by themselves.
func (a *App) poolFor(ctx context.Context, cfg *config.Config) (*upstream.Pool, error) {
	old, pool := a.inForce()
	was, err := old.Targets()
	now, err2 := cfg.Targets()
	if err2 != nil {
		return nil, err2
	}
	if err == nil && reflect.DeepEqual(was, now) && old.Timeouts.Envelope == cfg.Timeouts.Envelope {
		return pool, nil
	}
	return a.newPool(ctx, cfg, now), nil
}

// discard closes a pool that was made for settings that are not put in force.
func (a *App) discard(pool *upstream.Pool) error {
	if _, inUse := a.inForce(); pool == inUse {
		return nil
	}
	return pool.Close()
}

// closePools ends what idles in the pool in force, and in the one before it, which may have been left a moment ago.
func (a *App) closePools() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	err := a.pool.Close()
	if a.formerPool != nil {
		err = errors.Join(err, a.formerPool.Close())
	}
	return err
}

func (a *App) inForce() (*config.Config, *upstream.Pool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.cfg, a.pool
}
