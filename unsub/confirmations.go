package unsub

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/consentgate/consentgate/gate"
)

var (
	// ErrNotSent: the message to confirm did not leave. The request stands, and asking again sends it.
	ErrNotSent = errors.New("message to confirm not sent")
	// ErrUncertain is what a Mailer wraps where the upstream may have the message.
	ErrUncertain = errors.New("the upstream did not say whether it took the message")

	errMailed = fmt.Errorf("%w: the message of this request was sent", gate.ErrNotAsked)
	errAsking = fmt.Errorf("%w: that is done at this moment", gate.ErrNotAsked) // or was by a gate that ended
)

// Mailer hands a message to the upstream; nil says that the upstream accepted it. An error that wraps ErrUncertain says
// that it may have.
type Mailer interface {
	Send(ctx context.Context, from, to gate.Address, message []byte) error
}

// Claims lends what only one may do; gate.Ledger has them.
type Claims interface {
	Enter(ctx context.Context, key, owner string, ttl time.Duration) (members []string, free bool, err error)
	Leave(ctx context.Context, key, owner string) error
}

// ConfirmationStore is what Confirmations read and write.
type ConfirmationStore interface {
	Store
	gate.Reader
	Claims
}

// Decider says whether mail may reach a recipient; gate.Policy is the one there is.
type Decider interface {
	Decide(now time.Time, s *gate.Stream, a gate.Address, l gate.Lookup) gate.Decision
}

// ConfirmationsOptions of NewConfirmations. All but Brand, Purposes, Count, Now and Log are needed.
type ConfirmationsOptions struct {
	Store    ConfirmationStore
	Keys     gate.Sealer
	Policy   Decider
	Mailer   Mailer
	Links    *Links
	Streams  []*gate.Stream // one of a purpose's is in the token of its page
	From     gate.Address
	Caps     gate.RequestCaps
	Brand    Brand
	Purposes PurposeNames
	Count    func(gate.Counter) // hears of each message; nil: nobody counts
	Now      func() time.Time
	Log      *slog.Logger
}

// Confirmations ask people to confirm: each logged request has one message, which goes to the upstream at once or not
// at all. Its methods may be called at the same time, also by other gates of the store.
type Confirmations struct {
	o     ConfirmationsOptions
	pages *pages
	html  *template.Template
}

// NewConfirmations panics where the files in the program are wrong, which its tests rule out.
func NewConfirmations(o ConfirmationsOptions) *Confirmations {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Confirmations{
		o: o, pages: newPages(o.Brand, o.Purposes),
		html: template.Must(template.ParseFS(htmlFiles, "html/confirm_mail.html")),
	}
}

// Asking is somebody else's word that a person signed up and should be asked to confirm.
type Asking struct {
	Address  gate.Address
	Purpose  string
	Source   string // kind:id of the sign-up that is meant; empty: the latest
	Language string // of the message; empty: that of the text the person read
	Actor    string // of the event
}

// Asked is what became of an Asking.
type Asked struct {
	ID      gate.ID
	Request gate.Event // that the message was sent for
	Again   bool       // it was recorded before, and its message had not left
}

// Request records that a person is asked to confirm a sign-up, and sends the message. Errors wrap gate.ErrNotAsked, with
// the reason, gate.ErrInvalidEvent, ErrNotSent where the request stands and was not sent, or gate.ErrUnavailable.
func (c *Confirmations) Request(ctx context.Context, a Asking) (Asked, error) {
	id, now := c.o.Keys.ID(a.Address), c.o.Now().UTC()
	if _, err := c.stream(a.Purpose); err != nil {
		return Asked{ID: id}, err
	}
	leave, err := c.alone(ctx, id, a.Purpose)
	if err != nil {
		return Asked{ID: id}, err
	}
	defer leave()
	p, err := c.person(ctx, id)
	if err != nil {
		return Asked{ID: id}, err
	}
	signUp, err := gate.SignUp(p.Events, a.Purpose, a.Source, now)
	if err != nil {
		return Asked{ID: id}, err
	}
	r := ConfirmRequest{ID: id, Address: a.Address, Purpose: a.Purpose, Language: cmp.Or(a.Language, signUp.Wording.Language)}
	if last, ok := openFor(p, signUp, now); ok {
		if err := c.send(ctx, r, signUp, last.Time); !errors.Is(err, errMailed) {
			return Asked{ID: id, Request: last, Again: true}, err
		}
	}
	e, err := c.record(ctx, p, a, signUp, now)
	if err != nil {
		return Asked{ID: id}, err
	}
	return Asked{ID: id, Request: e}, c.send(ctx, r, signUp, e.Time)
}

// askingTTL ends the claim on a person of a gate that ended before it was done.
const askingTTL = 2 * time.Minute

// alone sees that a person is asked by nobody else at this moment: two clicks are one request.
func (c *Confirmations) alone(ctx context.Context, id gate.ID, purpose string) (leave func(), err error) {
	x := claim{"asking:" + id.String() + ":" + purpose, askingTTL}
	owner, free, err := c.enter(ctx, x)
	switch {
	case err != nil:
		return nil, err
	case !free:
		return nil, errAsking
	}
	return func() { c.giveBack(ctx, x.key, owner, nil) }, nil
}

// openFor finds the request of a sign-up whose message may still have to leave.
func openFor(p gate.Person, signUp gate.Event, now time.Time) (gate.Event, bool) {
	c := p.Record.For(signUp.Purpose)
	last, ok := latest(p.Events, signUp.Purpose, gate.ConfirmationRequested)
	open := ok && c.Requested.Unix() == last.Time.Unix() && now.Before(c.Requested.Add(gate.RequestTTL))
	return last, open && !last.Time.Before(signUp.Time)
}

// record adds the request to the history, if a message for it may be sent.
func (c *Confirmations) record(ctx context.Context, p gate.Person, a Asking, signUp gate.Event, now time.Time) (gate.Event, error) {
	if err := c.o.Caps.Check(p.Events, a.Purpose, now); err != nil {
		c.count(gate.CountConfirmCapped)
		return gate.Event{}, err
	}
	e := gate.Event{
		ID:   ulid.MustNew(ulid.Timestamp(now), rand.Reader).String(),
		Type: gate.ConfirmationRequested, Purpose: a.Purpose, Time: now, Actor: a.Actor, Recipient: a.Address.String(),
		Jurisdiction: signUp.Jurisdiction, Audience: signUp.Audience, Controller: signUp.Controller,
		Source: signUp.Source, DefaultState: signUp.DefaultState, Wording: signUp.Wording, Evidence: gate.Evidence{Ref: "event " + signUp.ID},
	}
	_, after, _ := gate.Extend(p.Events, gate.Change{ID: p.ID, Event: e})
	if err := c.mayAsk(a.Address, a.Purpose, gate.Lookup{Record: after}); err != nil {
		return gate.Event{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()
	out := gate.Intake{Store: c.o.Store, Keys: c.o.Keys}.Apply(ctx, now, []gate.Event{e}, false)[0]
	return e, out.Err
}

// mayAsk asks the policy as the session of an application that sends its own would.
func (c *Confirmations) mayAsk(a gate.Address, purpose string, l gate.Lookup) error {
	return c.allowed(&gate.Stream{Name: "confirmation", Kind: gate.KindConfirmation, Purpose: purpose}, a, l)
}

func (c *Confirmations) allowed(s *gate.Stream, a gate.Address, l gate.Lookup) error {
	if l.Err != nil {
		return l.Err // of which mail that needs no consent would make light
	}
	d := c.o.Policy.Decide(c.o.Now(), s, a, l)
	switch d.Verdict {
	case gate.Permit:
		return nil
	case gate.Defer:
		return fmt.Errorf("%w: %s", gate.ErrUnavailable, d.Hint)
	}
	return fmt.Errorf("%w (%s): %s", gate.ErrNotAsked, d.Reason, d.Hint)
}

// Send sends the message of a request that the person made on a page of ours, and that is recorded. It is a Confirm.
func (c *Confirmations) Send(ctx context.Context, r ConfirmRequest) error {
	p, err := c.person(ctx, r.ID)
	if err != nil {
		return err
	}
	last, ok := latest(p.Events, r.Purpose, gate.ConfirmationRequested)
	if !ok {
		return fmt.Errorf("%w: no request is recorded", gate.ErrNotAsked)
	}
	return c.send(ctx, r, last, last.Time)
}

// send claims the request and sends its message. What certainly did not leave is unclaimed, so that it can be tried
// again; what may have left is not sent twice.
func (c *Confirmations) send(ctx context.Context, r ConfirmRequest, signUp gate.Event, requested time.Time) error {
	stream, err := c.stream(r.Purpose)
	if err != nil {
		return err
	}
	if err := c.mayAsk(r.Address, r.Purpose, c.o.Store.Records(ctx, []gate.ID{r.ID})[0]); err != nil {
		return err
	}
	m := c.pages.mailOf(c.pages.named(r.Language), r.Purpose, signUp, requested, c.o.Links.Confirmation(r.ID, stream))
	err = c.once(ctx, claim{gate.RequestKey(r.ID, r.Purpose, requested), gate.RequestTTL}, func() error {
		return c.hand(ctx, r.Address, m)
	})
	if err == nil {
		c.o.Log.Info("message to confirm sent", "recipient_id", r.ID.String(), "purpose", r.Purpose)
	}
	return err
}

// claim lends the right to send one message.
type claim struct {
	key string
	ttl time.Duration
}

// enter takes the claim, if it is free. One that was perhaps taken, though the store did not say so, is given back: it
// would keep the message from being sent by the next who tries.
func (c *Confirmations) enter(ctx context.Context, x claim) (owner string, free bool, err error) {
	owner = rand.Text()
	if _, free, err = c.o.Store.Enter(ctx, x.key, owner, x.ttl); err != nil {
		c.giveBack(ctx, x.key, owner, nil)
	}
	return owner, free, err
}

// once sends what is claimed, or returns errMailed where that was done.
func (c *Confirmations) once(ctx context.Context, x claim, send func() error) error {
	owner, free, err := c.enter(ctx, x)
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", ErrNotSent, err)
	case !free:
		return errMailed
	}
	if err := send(); err != nil {
		c.count(gate.CountConfirmFailed)
		c.giveBack(ctx, x.key, owner, err)
		return fmt.Errorf("%w: %w", ErrNotSent, err)
	}
	c.count(gate.CountConfirmSent)
	return nil
}

func (c *Confirmations) count(what gate.Counted) {
	if c.o.Count != nil {
		c.o.Count(gate.Counter{What: what})
	}
}

// hand composes a message and hands it to the upstream.
func (c *Confirmations) hand(ctx context.Context, to gate.Address, m confirmMail) error {
	message, err := m.compose(mailHeader{from: c.o.From, to: to, id: rand.Text(), at: c.o.Now()}, c.html)
	if err != nil {
		return err
	}
	return c.o.Mailer.Send(ctx, c.o.From, to, message)
}

func (c *Confirmations) giveBack(ctx context.Context, key, owner string, why error) {
	if errors.Is(why, ErrUncertain) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), applyTimeout)
	defer cancel()
	if err := c.o.Store.Leave(ctx, key, owner); err != nil {
		c.o.Log.Warn("claim of a message to confirm stays until it expires", "error", err)
	}
}

// stream is one whose token stands for the purpose.
func (c *Confirmations) stream(purpose string) (string, error) {
	i := slices.IndexFunc(c.o.Streams, func(s *gate.Stream) bool { return s.Purpose == purpose && s.Kind != gate.KindTransactional })
	if i < 0 {
		return "", fmt.Errorf("%w: no stream has the purpose %q", gate.ErrNotAsked, purpose)
	}
	return c.o.Streams[i].Name, nil
}

func (c *Confirmations) person(ctx context.Context, id gate.ID) (gate.Person, error) {
	ctx, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()
	return c.o.Store.Person(ctx, id)
}
