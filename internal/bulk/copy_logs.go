package bulk

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// copyBlocks copies the entries that the target lacks, day by day from the oldest, so that they arrive there in their
// order and memory holds one day.
func (c *Copier) copyBlocks(ctx context.Context, done *Copied) error {
	days := make(map[time.Time]struct{})
	for e, err := range c.From.Blocks(ctx, gate.BlockQuery{}) {
		if err != nil {
			return fmt.Errorf("source: %w", err)
		}
		days[dayOf(e.Time)] = struct{}{}
	}
	for _, day := range slices.SortedFunc(maps.Keys(days), time.Time.Compare) {
		n, err := c.copyDay(ctx, day)
		if err != nil {
			return err
		}
		done.Blocks += n
	}
	return nil
}

func dayOf(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

func (c *Copier) copyDay(ctx context.Context, day time.Time) (int, error) {
	q := gate.BlockQuery{Since: day, Until: day.AddDate(0, 0, 1).Add(-time.Nanosecond)}
	known := make(map[string]struct{})
	if c.Update {
		for e, err := range c.To.Blocks(ctx, q) {
			if err != nil {
				return 0, fmt.Errorf("target: %w", err)
			}
			known[e.ID] = struct{}{}
		}
	}
	var entries []gate.BlockEntry
	for e, err := range c.From.Blocks(ctx, q) {
		if err != nil {
			return 0, fmt.Errorf("source: %w", err)
		}
		if _, stands := known[e.ID]; !stands {
			entries = append(entries, e)
		}
	}
	slices.Reverse(entries)
	if err := c.To.AppendBlocks(ctx, entries); err != nil {
		return 0, fmt.Errorf("target: %w", err)
	}
	return len(entries), nil
}

func (c *Copier) addCounts(ctx context.Context, day string, source, target map[string]int64) error {
	lacks := make(map[string]int64)
	for name, n := range source {
		if n > target[name] {
			lacks[name] = n - target[name]
		}
	}
	at, err := time.Parse(time.DateOnly, day)
	if err != nil {
		return fmt.Errorf("counters of %q: %w", day, err)
	}
	if err := c.To.AddCounts(ctx, at, lacks); err != nil {
		return fmt.Errorf("target: %w", err)
	}
	return nil
}
