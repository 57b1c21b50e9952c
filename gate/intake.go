package gate

import (
	"context"
	"fmt"
	"time"
)

// Sealer turns an address into what stores keep of it.
type Sealer interface {
	ID(a Address) ID
	// Seal returns the encrypted (or plain) address, empty where none is kept.
	Seal(a Address) (string, error)
}

// Intake is the one door for events that name their recipient by address: CLI, API, import, forms and webhooks.
type Intake struct {
	Store Applier
	Keys  Sealer
}

// Outcome is what became of one event. Err wraps ErrInvalidEvent (also ErrInvalidAddress where the recipient is wrong)
// for an event that was not sent to the store, ErrUnavailable where the store did not take it.
type Outcome struct {
	Event   Event
	ID      ID // of the recipient; zero where it is invalid
	Applied Applied
	Err     error
}

// Apply validates the events and applies the valid ones, answering all in order. An invalid one changes nothing and
// leaves the others alone. live says that each is an act of the person at this moment (see Change.Live).
func (in Intake) Apply(ctx context.Context, now time.Time, events []Event, live bool) []Outcome {
	outcomes := make([]Outcome, len(events))
	changes := make([]Change, 0, len(events))
	sent := make([]int, 0, len(events))
	for i, e := range events {
		c, err := in.change(now, e)
		outcomes[i] = Outcome{Event: e, ID: c.ID, Err: err}
		if err != nil {
			continue
		}
		c.Live = live
		changes, sent = append(changes, c), append(sent, i)
	}
	if len(changes) == 0 {
		return outcomes
	}
	for i, applied := range in.Store.Apply(ctx, changes) {
		o := &outcomes[sent[i]]
		o.Applied, o.Err = applied, applied.Err
	}
	return outcomes
}

func (in Intake) change(now time.Time, e Event) (Change, error) {
	addr, err := ParseAddress(e.Recipient)
	if err != nil {
		return Change{}, fmt.Errorf("%w: recipient: %w; write it as local@domain", ErrInvalidEvent, err)
	}
	c := Change{ID: in.Keys.ID(addr), Event: e}
	c.Event.Recipient = ""
	switch e.Type {
	case Erased:
		return c, invalidEvent("type", "erased is not sent as an event: erase the recipient instead; store copy brings a whole store over")
	case Restored:
		return c, invalidEvent("type", "restored is not sent as an event: the person undoes a withdrawal on its page; store copy brings a whole store over")
	}
	if err := e.Validate(now); err != nil {
		return c, err
	}
	if c.Sealed, err = in.Keys.Seal(addr); err != nil {
		return c, fmt.Errorf("seal recipient: %w", err)
	}
	return c, nil
}
