package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/internal/seal"
)

// Fingerprint returns the fingerprint of the id key that the config's store was made with; it wraps
// gate.ErrUninitialised where none was made.
func Fingerprint(ctx context.Context, cfg *config.Config) (string, error) {
	s, err := openStore(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		return "", err
	}
	meta, err := s.Meta(ctx)
	if err != nil {
		err = fmt.Errorf("store %s: %w", config.RedactURL(cfg.Store), err)
	}
	return meta.Fingerprint, errors.Join(err, s.Close())
}

// refreshKeys reads the keys again every period until ctx ends, so that a rotation in another process takes effect.
func (a *App) refreshKeys(ctx context.Context, period time.Duration) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	trouble := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := a.keys.Refresh()
		if err != nil && !trouble {
			a.log.Error("keys cannot be read again, those in use stay", "err", err)
		}
		trouble = err != nil
	}
}

// noteExport tells once at the start that no export holds the keys: losing them loses the store.
func (a *App) noteExport() {
	infos, err := seal.Inspect(a.cfg.DataDir, seal.Options{IDKeyFile: a.cfg.IDKeyFile})
	if err != nil {
		return // openStore says what is wrong with keys
	}
	for _, i := range infos {
		if !i.Exported {
			a.log.Info("keys were made that no export holds: run `consentgate key export` and keep the file apart from the store",
				"key", string(i.Kind), "fingerprint", i.Fingerprint)
			return
		}
	}
}
