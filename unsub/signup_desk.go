package unsub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/journal"
)

// Bounds of a Desk. Past them a form hears 503, whoever it is about.
const (
	deskOctets = 32 << 20 // answers that the store has yet to take
	deskMails  = 256      // messages that wait for the upstream
	deskSends  = 4        // of those at the same time
)

// promptly is how soon an answer has to be settled to count as an act of this moment (gate.Change.Live).
const promptly = 5 * time.Second

var errDeskFull = errors.New("too many answers of forms wait to be recorded, or for their messages")

// DeskJournal are the options of a Desk's journal: one answer is settled after the other, from segments small enough to be
// read for each, and what is settled goes within about an hour.
func DeskJournal() journal.Options {
	return journal.Options{BatchRecords: 1, SegmentSize: 64 << 10, SegmentAge: time.Hour}
}

// Vault seals addresses for the journal and opens them again.
type Vault interface {
	gate.Sealer
	Unseal(sealed string) (string, error)
}

// Asker sends the messages that forms cause; Confirmations is the one there is.
type Asker interface {
	Request(ctx context.Context, a Asking) (Asked, error)
	OfferStop(ctx context.Context, s StopOffer) error
}

// DeskOptions of NewDesk.
type DeskOptions struct {
	Journal     *journal.Journal // of its own, with DeskJournal
	Store       Store
	Withdrawals *Withdrawals
	Keys        Vault
	Asker       func() Asker    // nil: nobody asks
	Retry       []time.Duration // pauses before a message is tried again; nil: four within a quarter of an hour
	Now         func() time.Time
	Log         *slog.Logger
}

// Desk takes what people say by forms. Nobody knows who typed an address, so the answer to a form must not depend on
// what stands about it, by no word, status or time: the form's answer goes to a journal, that is acknowledged, and all
// that depends on the person comes after. Its methods may be called at the same time.
type Desk struct {
	o         DeskOptions
	addresses sync.Map // event id → gate.Address, where the store keeps no addresses
	slots     chan struct{}
	sends     chan struct{}
	mails     sync.WaitGroup
}

// formAnswer is a record of the journal. The event's id is made before it is written, so that a repeated delivery is the
// same event.
type formAnswer struct {
	ID       gate.ID    `json:"recipient_id"`
	Sealed   string     `json:"sealed,omitempty"` // the address, as the store keeps it
	Event    gate.Event `json:"event"`
	Language string     `json:"language,omitempty"` // of the page
}

// NewDesk needs all but Retry, Now and Log.
func NewDesk(o DeskOptions) *Desk {
	if o.Retry == nil {
		o.Retry = []time.Duration{5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Desk{o: o, slots: make(chan struct{}, deskMails), sends: make(chan struct{}, deskSends)}
}

// Take makes an answer durable: once it returns nil no crash loses it, and the store has it as soon as it answers. What an
// end of the program can lose is a message that was recorded and has yet to leave: nobody is told that it left, and who
// gets none may send the form again. An error means that nothing was kept.
func (d *Desk) Take(addr gate.Address, e gate.Event, language string) error {
	if len(d.slots) == cap(d.slots) || d.o.Journal.Behind() > deskOctets {
		return errDeskFull
	}
	if err := e.Validate(d.o.Now()); err != nil {
		return err
	}
	a := formAnswer{ID: d.o.Keys.ID(addr), Event: e, Language: language}
	var err error
	if a.Sealed, err = d.o.Keys.Seal(addr); err != nil {
		return fmt.Errorf("answer of a form: %w", err)
	}
	rec, err := json.Marshal(a)
	if err != nil {
		return fmt.Errorf("answer of a form: %w", err)
	}
	if a.Sealed == "" {
		d.addresses.Store(e.ID, addr)
	}
	if err := d.o.Journal.Append(rec, true); err != nil {
		d.addresses.Delete(e.ID)
		return fmt.Errorf("answer of a form not kept: %w", err)
	}
	return nil
}

// Run settles the answers until ctx ends, and then waits for the messages that are being sent.
func (d *Desk) Run(ctx context.Context) error {
	defer d.mails.Wait()
	return d.o.Journal.Ship(ctx, d.ship)
}

// Drain waits until what was taken is settled and no message is on its way, or ctx ends.
func (d *Desk) Drain(ctx context.Context) error {
	if err := d.o.Journal.Drain(ctx); err != nil {
		return err
	}
	taken := 0
	defer func() {
		for range taken {
			<-d.slots
		}
	}()
	for ; taken < cap(d.slots); taken++ { // who has every slot knows that no message has one
		select {
		case d.slots <- struct{}{}:
		case <-ctx.Done():
			return fmt.Errorf("messages to confirm are on their way: %w", ctx.Err())
		}
	}
	return nil
}

func (d *Desk) ship(ctx context.Context, batch [][]byte) error {
	for _, rec := range batch {
		var a formAnswer
		if err := json.Unmarshal(rec, &a); err != nil || a.Event.ID == "" || a.ID.IsZero() {
			d.o.Log.Error("journal of forms holds a record that is no answer", "octets", len(rec), "error", err)
			continue
		}
		due, err := d.settle(ctx, a)
		if err == nil && due != nil {
			err = d.mail(ctx, a, due)
		}
		if err != nil {
			return err
		}
		d.addresses.Delete(a.Event.ID)
	}
	return nil
}

// settle records an answer and returns the message that is due then, nil for none. An error says that the store did not
// answer.
func (d *Desk) settle(ctx context.Context, a formAnswer) (due message, err error) {
	ctx, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()
	p, err := d.o.Store.Person(ctx, a.ID)
	switch {
	case err != nil:
		return nil, err
	case a.Event.Type == gate.Refused:
		return d.refuse(ctx, a, p)
	}
	return d.grant(ctx, a, p)
}

// refuse records a no where it refuses an offer. Where somebody consented it would end what was given, and only who has
// the mailbox may do that: it is told how (docs/decisions/0008).
func (d *Desk) refuse(ctx context.Context, a formAnswer, p gate.Person) (due message, err error) {
	switch {
	case given(p.Record.For(a.Event.Purpose)):
		return askToStop, nil
	case repeated(p.Events, a.Event):
		return nil, nil
	}
	_, err = d.o.Withdrawals.Report(ctx, []gate.Change{{ID: a.ID, Sealed: a.Sealed, Event: a.Event}})
	return nil, err
}

// given reports whether a consent stands that a refusal would end. What waits for its confirmation permits nothing yet,
// and a box that was ticked for somebody never did.
func given(c gate.Consent) bool {
	switch c.State {
	case gate.StatePassiveConfirmed, gate.StateActiveSingle, gate.StateActiveDouble, gate.StateSoft, gate.StateB2B, gate.StateImplied:
		return true
	}
	return false
}

func (d *Desk) grant(ctx context.Context, a formAnswer, p gate.Person) (due message, err error) {
	rec := p.Record
	if !repeated(p.Events, a.Event) {
		applied := d.o.Store.Apply(ctx, []gate.Change{{
			ID: a.ID, Sealed: a.Sealed, Event: a.Event, Live: d.o.Now().Sub(a.Event.Time) < promptly,
		}})[0]
		if applied.Err != nil {
			return nil, applied.Err
		}
		rec = applied.Record
	}
	if waits(rec.For(a.Event.Purpose), a.Event.Method == gate.MethodDouble) {
		return askToConfirm, nil
	}
	return nil, nil
}

// repeated reports whether the same was said by the same form a moment before, and nothing else of the purpose since.
func repeated(events []gate.Event, e gate.Event) bool {
	var last gate.Event
	for _, h := range events {
		ours := h.Purpose == e.Purpose || h.Purpose == gate.AllPurposes
		if ours && h.Type != gate.ConfirmationRequested && !h.Time.Before(last.Time) {
			last = h
		}
	}
	if last.Type != e.Type || e.Type == gate.Refused {
		return last.Type == e.Type
	}
	return last.Source.Kind == e.Source.Kind && last.Source.ID == e.Source.ID && e.Time.Sub(last.Time) < repeatWithin
}

// waits reports whether a message is due that asks to confirm; double is what the pack wants.
func waits(c gate.Consent, double bool) bool {
	return c.State == gate.StateActivePending || double && c.State != gate.StateActiveDouble && c.Via != gate.ViaMailbox
}
