package app

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// counts sums in memory and hands the sums to the store each second, off the path of messages. What the store does not
// take is kept for the next second.
type counts struct {
	store gate.Counters
	now   func() time.Time
	log   *slog.Logger

	mu   sync.Mutex
	sums map[string]int64
}

func newCounts(store gate.Counters, now func() time.Time, log *slog.Logger) *counts {
	return &counts{store: store, now: now, log: log, sums: make(map[string]int64)}
}

func (c *counts) add(name string) {
	c.mu.Lock()
	c.sums[name]++
	c.mu.Unlock()
}

// run flushes every period until ctx ends, and once more then.
func (c *counts) run(ctx context.Context, period time.Duration) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	trouble := false
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), period)
			defer cancel()
			if err := c.flush(last); err != nil {
				c.log.Warn("counters", "err", err)
			}
			return
		case <-tick.C:
			err := c.flush(ctx)
			if err != nil && !trouble {
				c.log.Warn("counters wait for the store", "err", err)
			}
			trouble = err != nil
		}
	}
}

func (c *counts) flush(ctx context.Context) error {
	c.mu.Lock()
	sums := c.sums
	c.sums = make(map[string]int64, len(sums))
	c.mu.Unlock()
	if len(sums) == 0 {
		return nil
	}
	err := c.store.AddCounts(ctx, c.now().UTC(), sums)
	if err == nil {
		return nil
	}
	c.mu.Lock()
	for name, n := range sums {
		c.sums[name] += n
	}
	c.mu.Unlock()
	return err
}
