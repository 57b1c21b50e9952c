package app

import (
	"context"
	"sync"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// openLedger is a delivery ledger that knows without a round trip whether anything is noted in it, by any gate.
type openLedger struct {
	gate.Ledger

	mu    sync.Mutex
	open  bool
	notes int // made here
}

// newOpenLedger counts as open until it has looked: that costs a spool file, the other way round a message twice.
func newOpenLedger(l gate.Ledger) *openLedger { return &openLedger{Ledger: l, open: true} }

// Note opens the ledger at once for this gate. One that failed may have been written all the same.
func (l *openLedger) Note(ctx context.Context, key string, members []string, ttl time.Duration) error {
	err := l.Ledger.Note(ctx, key, members, ttl)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = true
	l.notes++
	return err
}

// partlyDelivered reports whether the ledger has notes, as of the last look, or could not be looked at.
func (l *openLedger) partlyDelivered() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.open
}

// run looks at once and then every period, until ctx ends.
func (l *openLedger) run(ctx context.Context, period time.Duration) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	for {
		l.look(ctx, period)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// look asks the store. What was noted here meanwhile may not be in its answer.
func (l *openLedger) look(ctx context.Context, bound time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, bound)
	defer cancel()
	before := l.noted()
	open, err := l.Open(ctx)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.notes == before {
		l.open = open || err != nil
	}
}

func (l *openLedger) noted() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.notes
}
