package app

import (
	"context"
	"errors"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// storePatience is how long the checks of the store may take together.
const storePatience = 10 * time.Second

// clockApart is how far the clocks of gate and store may be apart: leases and marks are compared by the second.
const clockApart = 2 * time.Second

// store looks whether the store is there, whole, ours, and takes writes, and at what could make it lose records.
func (d *Doctor) store(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, storePatience)
	defer cancel()
	s, err := openStore(ctx, d.Config, d.Log)
	if err != nil {
		d.fail("store", "look at store in the config file", "%v", err)
		return
	}
	defer func() { _ = s.Close() }()
	o := opening{cfg: d.Config, log: d.Log, store: s}
	if d.keys, err = o.existing(ctx); err != nil {
		d.fail("store", storeRemedy(err), "%v", err)
		return
	}
	if err := whole(ctx, s); err != nil {
		d.fail("store", storeRemedy(err), "%s: %v", o.url(), err)
		return
	}
	d.ok("store", "%s is whole, takes writes and belongs to the id key %s", o.url(), d.keys.Fingerprint())
	d.safety(ctx, s)
	d.clock(ctx, s)
}

// whole asks for a write, and for a first record: a shard that was emptied answers with an error.
func whole(ctx context.Context, s gate.Store) error {
	if err := s.Ping(ctx); err != nil {
		return err
	}
	for _, err := range s.Persons(ctx) {
		return err
	}
	_, err := s.Marks(ctx)
	return err
}

func storeRemedy(err error) string {
	switch {
	case errors.Is(err, gate.ErrUnfinished):
		return "finish the copy: store copy --update"
	case errors.Is(err, gate.ErrUninitialised):
		return "restore it, or make a new one: store init"
	case errors.Is(err, gate.ErrUnavailable):
		return "see that its server runs, is a master, and is the one that the config names"
	}
	return "see docs/operations.md"
}

func (d *Doctor) safety(ctx context.Context, s gate.Store) {
	notes, err := s.Notes(ctx)
	switch {
	case err != nil:
		d.warn("persistence", "see that its server runs", "%v", err)
	case len(notes) == 0:
		d.ok("persistence", "nothing that is known makes the store lose records")
	}
	for _, n := range notes {
		if d.Config.StoreChecks == "strict" {
			d.fail("persistence", "change the server's setting; serve does not start with store_checks: strict", "%s", n)
			continue
		}
		d.warn("persistence", "change the server's setting", "%s", n)
	}
}

// clock compares clocks where the store has one of its own.
func (d *Doctor) clock(ctx context.Context, s gate.Store) {
	c, ok := s.(interface {
		Clock(ctx context.Context) (time.Time, error)
	})
	if !ok {
		return
	}
	at, err := c.Clock(ctx)
	apart := d.Now().Sub(at).Abs()
	switch {
	case err != nil:
		d.warn("clock", "see that the store's server runs", "%v", err)
	case apart > clockApart:
		d.warn("clock", "run a time service on both machines", "the store's clock is %v apart", apart.Round(time.Second))
	default:
		d.ok("clock", "the store's clock is less than %v apart", clockApart)
	}
}
