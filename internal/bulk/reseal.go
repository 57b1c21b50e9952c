package bulk

import (
	"context"
	"errors"

	"github.com/consentgate/consentgate/gate"
)

// rewriteBatch is how many recipients are rewritten in one call.
const rewriteBatch = 64

// Rewritable is the store as those need it who rewrite everybody.
type Rewritable interface {
	gate.Scanner
	gate.Historian
	gate.Rewriter
}

// Resealer seals every address of a store with the encryption key in use. It may be stopped at any time and run again:
// what the key sealed already is left alone.
type Resealer struct {
	Store Rewritable
	Keys  interface {
		Reseal(sealed string) (string, error)
	}
	Progress func(Resealed) // after each recipient; nil: nobody
}

// Resealed counts recipients.
type Resealed struct {
	Recipients int `json:"recipients"` // that were looked at, in the last pass
	Resealed   int `json:"resealed"`   // in all passes
	Unreadable int `json:"unreadable"` // whose address no key of ours opens; left as it is
	Without    int `json:"without"`    // of whom no address is kept, as of who was erased
}

// Run makes passes until one finds nothing to do: a gate that runs may seal with the key before it for a moment.
func (r *Resealer) Run(ctx context.Context) (done Resealed, err error) {
	for {
		before := done.Resealed
		done.Recipients, done.Unreadable, done.Without = 0, 0, 0
		if err := r.pass(ctx, &done); err != nil || done.Resealed == before {
			return done, err
		}
	}
}

func (r *Resealer) pass(ctx context.Context, done *Resealed) error {
	batch := make([]gate.Rewrite, 0, rewriteBatch)
	for p, err := range r.Store.Persons(ctx) {
		if err != nil {
			return err
		}
		done.Recipients++
		sealed, err := r.Keys.Reseal(p.Sealed)
		switch {
		case p.Sealed == "":
			done.Without++
		case err != nil:
			done.Unreadable++
		case sealed != p.Sealed:
			p.Sealed = sealed
			batch = append(batch, gate.Rewrite{Was: p.Record.Version, Person: p})
		}
		if len(batch) == rewriteBatch {
			if err := r.write(ctx, batch, done); err != nil {
				return err
			}
			batch = batch[:0]
		}
		if r.Progress != nil {
			r.Progress(*done)
		}
	}
	return r.write(ctx, batch, done)
}

// write leaves those to the next pass who were changed meanwhile.
func (r *Resealer) write(ctx context.Context, batch []gate.Rewrite, done *Resealed) error {
	for _, err := range r.Store.Rewrite(ctx, batch) {
		if err != nil && !errors.Is(err, gate.ErrChanged) {
			return err
		}
		done.Resealed++ // or to be looked at again: either way the pass found something to do
	}
	return nil
}
