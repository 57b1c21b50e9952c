package app

import (
	"context"
	"errors"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/internal/retention"
)

// When retention first looks whether something is due, and how often from then on.
const (
	retentionFirst  = time.Minute
	retentionPeriod = time.Hour
)

// RetentionPeriods are the periods that the config sets.
func RetentionPeriods(cfg *config.Config) retention.Periods {
	r := cfg.Retention
	return retention.Periods{Blocks: r.Blocks, Evidence: r.Evidence, Inactive: r.Inactive}
}

// retain removes what has been kept long enough, every period until ctx ends.
func (a *App) retain(ctx context.Context, first, period time.Duration) {
	for wait := first; ; wait = period {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		if err := a.retainOnce(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn("retention", "err", err)
		}
	}
}

func (a *App) retainOnce(ctx context.Context) error {
	cfg, _ := a.inForce()
	policy, err := Policy(cfg)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	job := retention.Job{
		Store: a.store, Periods: RetentionPeriods(cfg), Policy: policy, Streams: cfg.Streams(), Now: now,
		Progress: func(r retention.Report) {
			if r.Recipients%100_000 == 0 {
				a.log.Info("retention under way", "recipients", r.Recipients, "evidence", r.Evidence, "inactive", r.Inactive)
			}
		},
	}
	r, err := job.Turn(ctx, a.store, ulid.Make().String())
	counts := r.Counts()
	if len(counts) == 0 {
		return err
	}
	a.log.Info("retention", "blocks", r.Blocks, "evidence", r.Evidence, "inactive", r.Inactive, "refusals_kept", r.Kept)
	_, noted := a.store.AppendAct(ctx, gate.Act{
		Time: now, Actor: "gate:" + cfg.Hostname, Role: roleConfig, Name: "retention.done", Detail: r.String(),
	})
	return errors.Join(err, noted, a.store.AddCounts(ctx, now, counts))
}
