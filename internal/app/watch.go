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

// errOtherKey: the store that answers was made with another id key, so nobody would be found in it.
var errOtherKey = errors.New("the store was made with another id key")

// watched is a store that is trusted only once it has shown that its id key is ours. A gate may start while its store
// is away; what answers later could be another one, and everybody would look unknown in it. What it reads of people is as
// the marks on sources leave it.
type watched struct {
	gate.Store
	marks       *marks
	fingerprint string
	trusted     atomic.Bool
	answers     atomic.Bool // when it was looked at last
	back        func()      // the store answers again, or is another one that may lack what was last written
	// lineage names who writes the store's history; nil where it cannot change hands.
	lineage func(context.Context) (string, error)
	line    string // as of the last look
	log     *slog.Logger
}

// Records defers everybody until the store is trusted.
func (w *watched) Records(ctx context.Context, ids []gate.ID) []gate.Lookup {
	if w.trusted.Load() {
		return w.marked().Records(ctx, ids)
	}
	out := make([]gate.Lookup, len(ids))
	for i := range out {
		out[i].Err = errNotCompared()
	}
	return out
}

// Apply writes nothing until the store is trusted: under our ids, another store's people would become others.
func (w *watched) Apply(ctx context.Context, changes []gate.Change) []gate.Applied {
	if w.trusted.Load() {
		return w.Store.Apply(ctx, changes)
	}
	out := make([]gate.Applied, len(changes))
	for i := range out {
		out[i].Err = errNotCompared()
	}
	return out
}

// RememberStreams and AppendBlocks write nothing either: what a gate adds to a copy under way is not in its source.
func (w *watched) RememberStreams(ctx context.Context, streams map[string]string) error {
	if !w.trusted.Load() {
		return errNotCompared()
	}
	return w.Store.RememberStreams(ctx, streams)
}

// AppendBlocks is called again until the entries are taken.
func (w *watched) AppendBlocks(ctx context.Context, entries []gate.BlockEntry) error {
	if !w.trusted.Load() {
		return errNotCompared()
	}
	return w.Store.AppendBlocks(ctx, entries)
}

func errNotCompared() error { return fmt.Errorf("store not verified yet: %w", gate.ErrUnavailable) }

// Person is for people to see.
func (w *watched) Person(ctx context.Context, id gate.ID) (gate.Person, error) {
	return w.marked().Person(ctx, id)
}

func (w *watched) marked() gate.Marked { return gate.Marked{Store: w.Store, Marks: w.marks.standing} }

// verify compares the keys. It is errOtherKey, or whatever keeps the store from answering.
func (w *watched) verify(ctx context.Context) error {
	m, err := w.Meta(ctx)
	if errors.Is(err, gate.ErrUnfinished) {
		w.trusted.Store(false) // a copy into it has begun: whoever is missing may have withdrawn
	}
	if err != nil {
		return err
	}
	if m.Fingerprint != w.fingerprint {
		return fmt.Errorf("%w (%s, ours is %s): set id_key_file to the store's own", errOtherKey, m.Fingerprint, w.fingerprint)
	}
	w.trusted.Store(true)
	return nil
}

// up reports whether the store answered when it was looked at last.
func (w *watched) up() bool { return w.answers.Load() }

// run looks at the store every period until ctx ends: what comes back is verified again and gets the withdrawals that
// it may have lost. A store with another key ends the program.
func (w *watched) run(ctx context.Context, period time.Duration) error {
	tick := time.NewTicker(period)
	defer tick.Stop()
	away := !w.trusted.Load()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		err := w.look(ctx, period)
		w.answers.Store(err == nil)
		switch {
		case errors.Is(err, errOtherKey):
			return err
		case errors.Is(err, gate.ErrUninitialised) && !away:
			w.log.Error("store was lost or emptied, mail that needs consent is deferred: restore it; `consentgate store init --lost` makes a new one, without any refusal")
		case errors.Is(err, gate.ErrUnfinished) && !away:
			w.log.Error("store is no whole store, mail that needs consent is deferred", "err", err)
		case err != nil && !away:
			w.log.Error("store does not answer, mail that needs consent is deferred", "err", err)
		case err == nil && away:
			w.log.Info("store answers")
			w.back()
		case err == nil && w.changedHands(ctx, period):
			w.log.Warn("the store was restarted or another server took over: the withdrawals of the last days are applied again")
			w.back()
		}
		away = err != nil
	}
}

// changedHands reports whether the server that takes the writes is another one than at the last look: it may lack what
// the one before it acknowledged last.
func (w *watched) changedHands(ctx context.Context, period time.Duration) bool {
	if w.lineage == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, period)
	defer cancel()
	line, err := w.lineage(ctx)
	if err != nil || line == w.line {
		return false
	}
	changed := w.line != ""
	w.line = line
	return changed
}

func (w *watched) look(ctx context.Context, period time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, period)
	defer cancel()
	if err := w.verify(ctx); err != nil {
		return err
	}
	return w.Ping(ctx) // of every master: a Cluster's shard can be away by itself
}
