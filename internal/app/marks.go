package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// How often the marks on sources are read, and how old they may be before nothing is permitted by them.
const (
	marksPeriod = 250 * time.Millisecond
	marksAge    = time.Second
)

var errMarksOld = errors.New("the marks on sources could not be read for a second or more")

// marks are the marks on sources as last read. Lookups take them without a lock.
type marks struct {
	store gate.Invalidations
	now   func() time.Time
	log   *slog.Logger

	last atomic.Pointer[marksRead] // nil: never read
}

type marksRead struct {
	marks gate.Marks
	at    time.Time // when they were asked for
}

// standing returns the marks last read; the error wraps gate.ErrUnavailable where that is too long ago.
func (m *marks) standing() (gate.Marks, error) {
	r := m.last.Load()
	switch {
	case r == nil:
		return nil, fmt.Errorf("%w: %w", gate.ErrUnavailable, errMarksOld)
	case m.now().Sub(r.at) > marksAge:
		return r.marks, fmt.Errorf("%w: %w", gate.ErrUnavailable, errMarksOld)
	}
	return r.marks, nil
}

// read asks the store.
func (m *marks) read(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, marksAge)
	defer cancel()
	at := m.now()
	all, err := m.store.Marks(ctx)
	if err != nil {
		return err
	}
	m.last.Store(&marksRead{gate.StandingMarks(all), at})
	return nil
}

// run reads the marks every period until ctx ends.
func (m *marks) run(ctx context.Context, period time.Duration) {
	tick := time.NewTicker(period)
	defer tick.Stop()
	trouble := false
	for {
		err := m.read(ctx)
		if err != nil && !trouble && ctx.Err() == nil {
			m.log.Warn("the marks on sources cannot be read, mail that needs consent is deferred", "err", err)
		}
		trouble = err != nil
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
