package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/internal/seal"
	"github.com/consentgate/consentgate/store"
)

// OpenStore opens the store and the keys of a config and sees that they belong together: a store remembers the
// fingerprint of its id key, and ids made with another key would find nobody.
//
// With create, an empty store is initialised if this data_dir has never seen it. One that was seen before was emptied:
// it, and a store that does not answer, is returned all the same, since its lookups say ErrUnavailable and mail is
// deferred until it is back. Without create nothing is ever made, and both are errors.
func OpenStore(ctx context.Context, cfg *config.Config, log *slog.Logger, create bool) (gate.Store, *seal.Keys, error) {
	s, err := openStore(ctx, cfg, log)
	if err != nil {
		return nil, nil, err
	}
	o := opening{cfg: cfg, log: log, store: s}
	keys, err := o.existing(ctx)
	if create {
		keys, err = o.orCreate(ctx, keys, err)
	}
	if err != nil {
		return nil, nil, errors.Join(err, s.Close())
	}
	return s, keys, nil
}

// ErrLost: the store was in use from this data_dir and is empty now, or parts of it are.
var ErrLost = errors.New("the store was lost or emptied")

// Initialised is what InitStore did.
type Initialised struct {
	Fresh bool // a store was made; else one stands and was repaired
	Lost  bool // one was in use from this data_dir, and what it held is gone, or parts of it
}

// InitStore makes an empty store a consent store, and its keys where there are none. Where a store stands it only repairs
// it. One that was lost is made anew, or repaired, only where mayBeLost says that this is known; else the error is ErrLost.
func InitStore(ctx context.Context, cfg *config.Config, log *slog.Logger, mayBeLost bool) (done Initialised, err error) {
	s, err := openStore(ctx, cfg, log)
	if err != nil {
		return done, err
	}
	o := opening{cfg: cfg, log: log, store: s}
	_, err = s.Meta(ctx)
	done.Fresh = errors.Is(err, gate.ErrUninitialised)
	if done.Lost, err = o.lost(ctx, err); err == nil && done.Lost && !mayBeLost {
		err = fmt.Errorf("%w: store %s", ErrLost, o.url())
	}
	if err == nil {
		_, err = o.initialise(ctx, done.Fresh)
	}
	return done, errors.Join(err, s.Close())
}

// lost reports whether the store was in use from here and lacks what it held; meta is the error of its Meta. The error
// says that nobody can tell now.
func (o opening) lost(ctx context.Context, meta error) (bool, error) {
	switch {
	case errors.Is(meta, gate.ErrUnfinished):
		return false, meta
	case errors.Is(meta, gate.ErrUninitialised), !o.seen():
		return o.seen(), nil
	}
	if err := o.store.Ping(ctx); err != nil {
		return false, err // it does not answer at all
	}
	for _, err := range o.store.Persons(ctx) {
		return err != nil, nil // a part that was emptied
	}
	return meta != nil, nil
}

func openStore(ctx context.Context, cfg *config.Config, log *slog.Logger) (gate.Store, error) {
	s, err := store.Open(ctx, cfg.Store, store.Options{Entries: int64(cfg.Log.Entries), Logger: log})
	if err != nil {
		return nil, fmt.Errorf("store %s: %w", config.RedactURL(cfg.Store), err)
	}
	return s, nil
}

// opening is a store on its way to being trusted.
type opening struct {
	cfg   *config.Config
	log   *slog.Logger
	store gate.Store
}

// existing opens the keys of a store that stands.
func (o opening) existing(ctx context.Context) (*seal.Keys, error) {
	meta, err := o.store.Meta(ctx)
	switch {
	case errors.Is(err, gate.ErrUninitialised) && o.seen():
		return nil, fmt.Errorf("%w: store %s was lost or emptied (%w): restore it; `consentgate store init --lost` makes a new one there, without any refusal",
			gate.ErrUnavailable, o.url(), gate.ErrUninitialised)
	case errors.Is(err, gate.ErrUninitialised):
		return nil, fmt.Errorf("store %s is empty (%w): run `consentgate store init` to make a new one there",
			o.url(), gate.ErrUninitialised)
	case err != nil:
		return nil, fmt.Errorf("store %s: %w", o.url(), err)
	}
	keys, err := o.keys(false)
	if err != nil {
		return nil, err
	}
	if keys.Fingerprint() != meta.Fingerprint {
		return nil, fmt.Errorf("store %s was made with another id key (%s; ours is %s), so nobody would be found in it: "+
			"set id_key_file to the store's own id key, or name the right store", o.url(), meta.Fingerprint, keys.Fingerprint())
	}
	return keys, nil
}

// orCreate is what serve makes of the answer of existing.
func (o opening) orCreate(ctx context.Context, keys *seal.Keys, err error) (*seal.Keys, error) {
	switch {
	case err == nil:
		return keys, errors.Join(o.check(ctx), o.markSeen())
	case errors.Is(err, gate.ErrUninitialised) && !o.seen():
		o.log.Info("initialising an empty store", "store", o.url())
		if keys, err = o.initialise(ctx, true); err != nil {
			return nil, err
		}
		return keys, o.check(ctx)
	case errors.Is(err, gate.ErrUninitialised), errors.Is(err, gate.ErrUnavailable):
		if keys, missing := o.keys(false); missing == nil {
			o.log.Error("mail that needs consent is deferred", "err", err)
			return keys, nil
		}
	}
	return nil, err
}

func (o opening) initialise(ctx context.Context, mayMakeKeys bool) (*seal.Keys, error) {
	keys, err := o.keys(mayMakeKeys)
	if err != nil {
		return nil, err
	}
	if err := o.store.Init(ctx, gate.Meta{Fingerprint: keys.Fingerprint(), Created: time.Now().UTC()}); err != nil {
		return nil, fmt.Errorf("store %s: %w", o.url(), err)
	}
	return keys, o.markSeen()
}

func (o opening) keys(mayCreate bool) (*seal.Keys, error) {
	return seal.Open(o.cfg.DataDir, seal.Options{
		IDKeyFile: o.cfg.IDKeyFile, Addresses: o.cfg.StoreAddresses, MayCreate: mayCreate,
	})
}

// check looks at the store's settings: what eviction or a restart loses is consents and refusals.
func (o opening) check(ctx context.Context) error {
	notes, err := o.store.Notes(ctx)
	if err != nil {
		o.log.Warn("settings of the store not checked", "err", err)
		return nil
	}
	if len(notes) > 0 && o.cfg.StoreChecks == "strict" {
		problems := make([]error, len(notes))
		for i, n := range notes {
			problems[i] = errors.New(n)
		}
		return fmt.Errorf("store %s could lose records (store_checks: warn starts all the same): %w", o.url(), errors.Join(problems...))
	}
	for _, n := range notes {
		o.log.Warn("the store could lose records", "note", n)
	}
	return nil
}

func (o opening) url() string { return config.RedactURL(o.cfg.Store) }

// marker is the file that tells that this data_dir has seen the store.
func (o opening) marker() string {
	sum := sha256.Sum256([]byte(o.url()))
	return filepath.Join(o.cfg.DataDir, "stores", hex.EncodeToString(sum[:8]))
}

// seen counts a marker that cannot be looked at as there: the other guess could make an emptied store a new one.
func (o opening) seen() bool {
	_, err := os.Stat(o.marker())
	return !errors.Is(err, os.ErrNotExist)
}

func (o opening) markSeen() error {
	if err := os.MkdirAll(filepath.Dir(o.marker()), 0o700); err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	if err := os.WriteFile(o.marker(), []byte(o.url()+"\n"), 0o600); err != nil {
		return fmt.Errorf("data_dir: %w", err)
	}
	return nil
}
