package unsub

import (
	"context"
	"errors"
	"fmt"

	"github.com/consentgate/consentgate/gate"
)

// message is what an answer causes to be sent.
type message func(ctx context.Context, k Asker, a formAnswer, to gate.Address) error

func askToConfirm(ctx context.Context, k Asker, a formAnswer, to gate.Address) error {
	_, err := k.Request(ctx, Asking{Address: to, Purpose: a.Event.Purpose, Language: a.Language, Actor: "person"})
	return err
}

func askToStop(ctx context.Context, k Asker, a formAnswer, to gate.Address) error {
	return k.OfferStop(ctx, StopOffer{
		Address: to, Purpose: a.Event.Purpose, Source: a.Event.Source, Time: a.Event.Time, Language: a.Language,
	})
}

// mail begins a message once there is a slot for it. Take looks at the slots before it takes, so the wait is short, but for
// what was taken while the store was away, where the upstream is away now. Its only error is ctx's.
func (d *Desk) mail(ctx context.Context, a formAnswer, m message) error {
	to, err := d.address(a)
	if err != nil {
		d.o.Log.Warn("form without its message", "form", a.Event.Source.ID, "recipient_id", a.ID.String(), "error", err)
		return nil
	}
	select {
	case d.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	d.mails.Go(func() {
		defer func() { <-d.slots }()
		d.deliver(ctx, a, to, m)
	})
	return nil
}

// address is whose answer it is. Where the store keeps no addresses, a program that ended before has forgotten it.
func (d *Desk) address(a formAnswer) (gate.Address, error) {
	if a.Sealed == "" {
		if to, ok := d.addresses.Load(a.Event.ID); ok {
			return to.(gate.Address), nil
		}
		return gate.Address{}, errors.New("the address is not kept")
	}
	text, err := d.o.Keys.Unseal(a.Sealed)
	if err != nil {
		return gate.Address{}, err
	}
	return gate.ParseAddress(text)
}

// deliver tries until the message left, may not be sent, was tried often enough, or ctx ends.
func (d *Desk) deliver(ctx context.Context, a formAnswer, to gate.Address, m message) {
	log := d.o.Log.With("form", a.Event.Source.ID, "recipient_id", a.ID.String())
	for i := 0; ; i++ {
		err := d.try(ctx, a, to, m)
		switch {
		case err == nil:
			return
		case errors.Is(err, gate.ErrNotAsked) && !errors.Is(err, errAsking):
			log.Info("form without a message", "why", err)
			return
		case i < len(d.o.Retry):
			pause(ctx, d.o.Retry[i])
		}
		if i == len(d.o.Retry) || ctx.Err() != nil {
			log.Error("message of a form not sent; who misses it may send the form again", "tries", i+1, "error", err)
			return
		}
	}
}

func (d *Desk) try(ctx context.Context, a formAnswer, to gate.Address, m message) error {
	select {
	case d.sends <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-d.sends }()
	k := d.o.Asker()
	if k == nil {
		return fmt.Errorf("%w: the config names no sender any more", gate.ErrNotAsked)
	}
	return m(ctx, k, a, to)
}
