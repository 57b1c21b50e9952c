package unsub

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/consentgate/consentgate/gate"
)

// reportsAtOnce is how many records of a batch wait for one fsync.
const reportsAtOnce = 64

// Report takes refusals that somebody else heard, a provider's unsubscriptions and complaints, the way Withdraw takes
// one: journal first, then the store. It returns once no crash can lose any of them; applied says that the store has them
// all. An error means that some may not be in force, and that all have to be reported again: an event of an id that was
// there before is the same event.
//
// They keep the time at which they were said. A report may come days late, or twice, and must not undo what the person
// did since; what is no act of the person, a nightly sync, cannot reopen a refusal whatever its time is. The journal
// gets no address, only the store does.
func (w *Withdrawals) Report(ctx context.Context, refusals []gate.Change) (applied bool, err error) {
	entries := make([]entry, len(refusals))
	for i, c := range refusals {
		entries[i] = entry{ID: c.ID, Event: c.Event, Reported: true, sealed: c.Sealed}
	}
	if err := w.keepAll(entries); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), applyTimeout)
	defer cancel()
	if err := w.apply(ctx, entries, false); err != nil {
		w.o.Log.Warn("reported refusals are in the journal, the store has yet to take them", "events", len(entries), "error", err)
		return false, nil
	}
	return true, nil
}

// keepAll puts what the journal does not have yet into it. Records that are written at the same time share an fsync.
func (w *Withdrawals) keepAll(entries []entry) (err error) {
	w.batches.Lock()
	defer w.batches.Unlock()
	var added []entry
	defer func() {
		for _, e := range added {
			if err != nil {
				w.pending.remove(e.Event.ID)
				continue
			}
			w.pending.keep(e.Event.ID)
		}
	}()
	for _, e := range entries {
		if !w.pending.safe(e.Event.ID) { // else the report came before, and the store is away
			w.pending.add(e.Event.ID, e.key(), false) // before the record can be shipped, which takes it off
			added = append(added, e)
		}
	}
	var all errgroup.Group
	all.SetLimit(reportsAtOnce)
	for _, e := range added {
		all.Go(func() error {
			rec, err := e.record()
			if err != nil {
				return err
			}
			return w.o.Journal.Append(rec, true)
		})
	}
	if err := all.Wait(); err != nil {
		return fmt.Errorf("reported refusals not kept: %w", err)
	}
	return nil
}

// Apply is the store's, for events that applications bring themselves. A refusal that the store took is in the journal too
// before it is acknowledged, so that a store that fails over has it applied again. What the store did not take is the
// caller's to send again, and what it had already was kept when it came first.
func (w *Withdrawals) Apply(ctx context.Context, changes []gate.Change) []gate.Applied {
	out := w.o.Store.Apply(ctx, changes)
	var all errgroup.Group
	all.SetLimit(reportsAtOnce)
	for i, c := range changes {
		if out[i].Err != nil || out[i].Duplicate || !c.Event.IsRefusal() && c.Event.Type != gate.Suppressed {
			continue
		}
		all.Go(func() error {
			rec, err := entry{ID: c.ID, Event: c.Event, Reported: true}.record()
			if err == nil {
				err = w.o.Journal.Append(rec, true)
			}
			if err != nil {
				out[i].Err = fmt.Errorf("%w: refusal not kept in the journal: %w", gate.ErrUnavailable, err)
			}
			return nil
		})
	}
	_ = all.Wait() // each answer has its own error
	return out
}
