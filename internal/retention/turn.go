package retention

import (
	"context"
	"time"
)

// How often what goes goes. The lease of a turn is kept until it runs out, so that among the gates of a store one takes
// each turn, and a gate that starts again does not begin anew. A turn that failed is given back.
const (
	blockTurn  = 55 * time.Minute         // an hourly look always finds it over
	peopleTurn = 23*time.Hour + blockTurn // reading everybody is work, and periods are counted in days
)

// Leases lends what only one may do at a time, as [gate.Ledger] does.
type Leases interface {
	Enter(ctx context.Context, key, owner string, ttl time.Duration) (members []string, free bool, err error)
	Leave(ctx context.Context, key, owner string) error
}

// Turn does what is due and what no other gate has done meanwhile; owner is a name that was never used before.
func (j *Job) Turn(ctx context.Context, leases Leases, owner string) (r Report, err error) {
	if j.Periods.Blocks > 0 {
		if err := turn(ctx, leases, "retention:blocks", owner, blockTurn, func() error { return j.Blocks(ctx, &r) }); err != nil {
			return r, err
		}
	}
	if !j.Periods.People() {
		return r, nil
	}
	return r, turn(ctx, leases, "retention:people", owner, peopleTurn, func() error { return j.People(ctx, &r) })
}

func turn(ctx context.Context, leases Leases, key, owner string, ttl time.Duration, work func() error) error {
	_, free, err := leases.Enter(ctx, key, owner, ttl)
	if err != nil || !free {
		return err
	}
	if err := work(); err != nil {
		_ = leases.Leave(context.WithoutCancel(ctx), key, owner) // else it runs out
		return err
	}
	return nil
}

// Counts are what the store's counters add.
func (r Report) Counts() map[string]int64 {
	counts := make(map[string]int64, 3)
	for name, n := range map[string]int{"blocks": r.Blocks, "evidence": r.Evidence, "inactive": r.Inactive} {
		if n > 0 {
			counts["retention."+name] = int64(n)
		}
	}
	return counts
}
