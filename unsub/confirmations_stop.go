package unsub

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// StopOffer is a no that somebody said by a form, for an address at which a consent stands.
type StopOffer struct {
	Address  gate.Address
	Purpose  string
	Source   gate.Source // of the form
	Time     time.Time
	Language string // of the message
}

// OfferStop tells the mailbox of a no that somebody said for it, with the link to the page where a no counts. Nothing is
// recorded: whose no it was is not known. Errors wrap gate.ErrNotAsked where the message may not be sent, or was sent
// lately, ErrNotSent or gate.ErrUnavailable.
func (c *Confirmations) OfferStop(ctx context.Context, s StopOffer) error {
	id := c.o.Keys.ID(s.Address)
	found := c.o.Store.Records(ctx, []gate.ID{id})[0]
	if err := c.reachable(s.Address, found); err != nil {
		return err
	}
	if !given(found.Record.For(s.Purpose)) {
		return fmt.Errorf("%w: nothing stands any more that could be stopped", gate.ErrNotAsked)
	}
	m := c.pages.stopMailOf(c.pages.named(s.Language), s, c.o.Links.Preferences(id))
	err := c.once(ctx, claim{"stop:" + id.String() + ":" + s.Purpose, c.stopsApart()}, func() error {
		return c.hand(ctx, s.Address, m)
	})
	switch {
	case errors.Is(err, errMailed):
		c.count(gate.CountConfirmCapped)
		return fmt.Errorf("%w: a no by a form was passed on lately", gate.ErrNotAsked)
	case err == nil:
		c.o.Log.Info("message to stop sent", "recipient_id", id.String(), "purpose", s.Purpose)
	}
	return err
}

// stopsApart spreads as many messages over a month as may ask to confirm.
func (c *Confirmations) stopsApart() time.Duration {
	return gate.RequestCapsWithin / time.Duration(max(1, c.o.Caps.Most))
}

// reachable asks the policy as for mail that needs no consent: it must not go where no mail goes.
func (c *Confirmations) reachable(a gate.Address, l gate.Lookup) error {
	return c.allowed(&gate.Stream{Name: "confirmation", Kind: gate.KindTransactional}, a, l)
}
