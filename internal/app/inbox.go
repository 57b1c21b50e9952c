package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// How the inbox is emptied: so many arrivals in one go, at once again where there were as many.
const (
	inboxPeriod = 250 * time.Millisecond
	inboxBatch  = 200
	inboxTime   = 5 * time.Second // for one batch
)

// inbox takes in the events that applications leave in the store themselves.
type inbox struct {
	box     gate.Inbox
	intake  gate.Intake
	trusted func() bool // whether the store is the one that our id key belongs to
	reader  string      // this gate's name, the same after a restart
	now     func() time.Time
	count   func(gate.Counter)
	log     *slog.Logger
}

// readerName names a gate by what no two of them share.
func readerName(hostname, dataDir string) string {
	sum := sha256.Sum256([]byte(dataDir))
	return hostname + ":" + hex.EncodeToString(sum[:4])
}

// run empties the inbox every period until ctx ends. What cannot be applied stays there.
func (b *inbox) run(ctx context.Context, period time.Duration) {
	if b == nil {
		return
	}
	tick := time.NewTicker(period)
	defer tick.Stop()
	trouble := false
	for {
		more, err := b.takeIn(ctx)
		if err != nil && !trouble && ctx.Err() == nil {
			b.log.Warn("events wait in the store's inbox", "err", err)
		}
		trouble = err != nil
		if more && ctx.Err() == nil {
			continue
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// takeIn applies one batch; more tells that there may be another.
func (b *inbox) takeIn(ctx context.Context) (more bool, err error) {
	if !b.trusted() {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, inboxTime)
	defer cancel()
	arrivals, err := b.box.Arrivals(ctx, b.reader, inboxBatch)
	if err != nil || len(arrivals) == 0 {
		return false, err
	}
	done, rejects, failed := b.intake.Arrived(ctx, b.now(), arrivals)
	if err := b.box.Settle(ctx, done, rejects); err != nil {
		return false, err
	}
	for _, r := range rejects {
		b.count(gate.Counter{What: gate.CountRejected})
		b.log.Warn("an event from the store's inbox was rejected", "entry", r.Entry, "reason", r.Reason)
	}
	return failed == nil && len(arrivals) >= inboxBatch, failed
}
