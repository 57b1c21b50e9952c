//go:build linux

package rig

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/consentgate/consentgate/bench/internal/load"
	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/store"
)

const (
	batch   = 2048
	writers = 4
)

// Fill writes the consents that the benchmark needs into the gate's store through the store's own code: n recipients
// to be measured with, and those of a [load.Watch]. after is called with every batch's ids once they are written; nil:
// nothing is.
func (g *Gate) Fill(ctx context.Context, n int, after func(context.Context, []gate.ID) error) error {
	s, err := store.Open(ctx, g.StoreURL, store.Options{})
	if err != nil {
		return err
	}
	defer s.Close()
	f := filler{intake: gate.Intake{Store: s, Keys: g.Keys}, after: after, now: time.Now()}
	for _, c := range []struct {
		series string
		n      int
		events func(address string) []gate.Event
	}{
		{load.Recipients, n, f.consented},
		{load.Watched, load.Watchers, f.consented},
		{load.Withdrawn, load.Trespassers, f.withdrawn},
	} {
		if err := f.fill(ctx, c.series, c.n, c.events); err != nil {
			return fmt.Errorf("write consents of %s: %w", c.series, err)
		}
	}
	return nil
}

type filler struct {
	intake gate.Intake
	after  func(context.Context, []gate.ID) error
	now    time.Time
}

// fill writes recipients 1 to n of a series, from several writers as an import does.
func (f filler) fill(ctx context.Context, series string, n int, events func(address string) []gate.Event) error {
	all, ctx := errgroup.WithContext(ctx)
	all.SetLimit(writers)
	for from := 1; from <= n; from += batch {
		all.Go(func() error {
			var batched []gate.Event
			for i := from; i < min(from+batch, n+1); i++ {
				batched = append(batched, events(load.Address(i, series))...)
			}
			return f.write(ctx, batched)
		})
	}
	return all.Wait()
}

func (f filler) write(ctx context.Context, events []gate.Event) error {
	ids := make([]gate.ID, 0, len(events))
	for _, o := range f.intake.Apply(ctx, f.now, events, false) {
		if o.Err != nil {
			return o.Err
		}
		ids = append(ids, o.ID)
	}
	if f.after == nil {
		return nil
	}
	return f.after(ctx, ids)
}

// consented is somebody who ticked the box in a page's footer a month ago.
func (f filler) consented(address string) []gate.Event {
	return []gate.Event{{
		ID: fmt.Sprintf("granted-%018s", address), Recipient: address, Purpose: purpose, Type: gate.Granted,
		Method: gate.MethodActive, DefaultState: gate.DefaultUnticked, Time: f.now.AddDate(0, -1, 0).UTC(),
		Source: gate.Source{Kind: "form", ID: "footer"},
	}}
}

// withdrawn is the same person, who took it back a week ago.
func (f filler) withdrawn(address string) []gate.Event {
	return append(f.consented(address), gate.Event{
		ID: fmt.Sprintf("withdrawn-%016s", address), Recipient: address, Purpose: purpose, Type: gate.Withdrawn,
		Time: f.now.AddDate(0, 0, -7).UTC(), Source: gate.Source{Kind: "unsubscribe"},
	})
}
