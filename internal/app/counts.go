package app

import (
	"context"
	"time"
)

// flushCounts brings the counters into the store every period until ctx ends; Close brings the last.
func (a *App) flushCounts(ctx context.Context, period time.Duration) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	trouble := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			err := a.counts.Flush(ctx)
			if err != nil && !trouble {
				a.log.Warn("counters wait for the store", "err", err)
			}
			trouble = err != nil
		}
	}
}

// lastCounts brings what is left into the store, when nothing counts any more.
func (a *App) lastCounts() error {
	ctx, cancel := context.WithTimeout(context.Background(), flushTime)
	defer cancel()
	return a.counts.Flush(ctx)
}
