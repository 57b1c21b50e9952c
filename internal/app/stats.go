package app

import (
	"context"
	"time"

	"github.com/consentgate/consentgate/admin"
	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/internal/stats"
)

// Report reads the counters of a store back from now and makes figures and rates of them.
func Report(ctx context.Context, s gate.Counters, cfg *config.Config, by stats.By, now time.Time, since time.Duration) (stats.Report, error) {
	from, to := stats.Days(now, since)
	days, err := s.Counts(ctx, from, to)
	if err != nil {
		return stats.Report{}, err
	}
	purposes, exempt := make(map[string]string), make(map[string]bool)
	for _, st := range cfg.Streams() {
		exempt[st.Name] = st.Kind != gate.KindMarketing
		if st.Purpose != "" && st.Kind == gate.KindMarketing {
			purposes[st.Name] = st.Purpose
		}
	}
	return stats.Summarise(days, from, to, stats.Query{By: by, Streams: purposes, Exempt: exempt, Price: stats.Price(cfg.CostPerMail())})
}

// Stats is the report of the store of this gate; what was counted in the last second may not be in it.
func (a *App) Stats(ctx context.Context, by stats.By, since time.Duration) (stats.Report, error) {
	cfg, _ := a.inForce()
	return Report(ctx, a.store, cfg, by, time.Now(), since)
}

// adminStats is Stats as the API asks for it.
func (a *App) adminStats(ctx context.Context, q admin.StatsQuery) (any, error) {
	return a.Stats(ctx, stats.By(q.By), q.Since)
}
