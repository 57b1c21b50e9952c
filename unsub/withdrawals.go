package unsub

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/journal"
)

// Retention is how long the withdrawals journal keeps what it shipped, and so how far back a replay goes: a store that
// fails over may lose what it had acknowledged.
const Retention = 7 * 24 * time.Hour

// A person waits for lookup and apply, and the journal has the withdrawal by the second.
const (
	lookupTimeout = 500 * time.Millisecond
	applyTimeout  = 2 * time.Second
	replayBatch   = 500
	replayPause   = 2 * time.Second
	maxUserAgent  = 200
)

// Withdrawal is a person's no, made just now.
type Withdrawal struct {
	ID         gate.ID
	Purpose    string
	Stream     string // the stream whose token was used; empty where its name is not known any more
	SourceKind string // source.kind; empty: unsubscribe
	Ref        string // evidence.ref
	UserAgent  string
	Note       string // how it was made
}

// Result is what became of a Withdrawal.
type Result int

// Applied: the store has it. Accepted: the journal has it and the store will; this gate acts on it already.
const (
	Applied Result = iota + 1
	Accepted
)

// WithdrawalsOptions of NewWithdrawals.
type WithdrawalsOptions struct {
	Journal *journal.Journal // of its own, with Retention
	Store   gate.Applier
	Records gate.Reader // tells who withdrew before, so that a repeated click is no second event; nil: not asked
	Now     func() time.Time
	Log     *slog.Logger
}

// Withdrawals takes withdrawals: journal first, then the store. A withdrawal that was acknowledged is never lost, and
// Pending has it in force here until the store has it. All methods may be called at the same time.
type Withdrawals struct {
	o        WithdrawalsOptions
	pending  pending
	troubled atomic.Bool   // the store failed, and has not been replayed to since
	replay   chan struct{} // holds a token where a replay is due
	batches  sync.Mutex    // of Report: one batch at a time goes into the journal
}

// entry is a record of the journal. The event's id is made before it is written, so that a replay is the same event.
type entry struct {
	ID       gate.ID    `json:"recipient_id"`
	Event    gate.Event `json:"event"`
	Reported bool       `json:"reported,omitempty"` // see Report; the time is that of the act
	sealed   string     // of an address that came along, for the store alone
}

func (e entry) key() pendingKey { return pendingKey{e.ID, e.Event.Purpose} }

// record is what the journal gets: what a refusal needs to be in force, and nothing that describes the person. The journal
// is not rewritten when somebody is erased.
func (e entry) record() ([]byte, error) {
	e.Event.UserAgent, e.Event.IP, e.Event.Note = "", "", ""
	return json.Marshal(e)
}

// NewWithdrawals holds everything that the journal has and the store may not as pending.
func NewWithdrawals(o WithdrawalsOptions) (*Withdrawals, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	w := &Withdrawals{o: o, replay: make(chan struct{}, 1)}
	err := o.Journal.Unshipped(func(_ time.Time, rec []byte) error {
		if e, ok := w.decode(rec); ok {
			w.pending.add(e.Event.ID, e.key(), true)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("withdrawals: %w", err)
	}
	w.Reconnected()
	return w, nil
}

// decode reads a record. One that is none, whole as it is, would hold up all behind it: it is logged and passed over.
func (w *Withdrawals) decode(rec []byte) (entry, bool) {
	var e entry
	if err := json.Unmarshal(rec, &e); err != nil || e.Event.ID == "" || e.ID.IsZero() {
		w.o.Log.Error("withdrawals journal holds a record that is no withdrawal", "record", string(rec), "error", err)
		return entry{}, false
	}
	return e, true
}

// Withdraw makes the withdrawal durable and then tries to apply it. An error means that it is not in force and must
// not be acknowledged. ctx's end does not stop it: a client that hangs up has said no all the same.
func (w *Withdrawals) Withdraw(ctx context.Context, x Withdrawal) (Result, error) {
	ctx = context.WithoutCancel(ctx)
	if r, ok := w.stands(ctx, x); ok {
		return r, nil
	}
	e := w.entry(x)
	rec, err := e.record()
	if err != nil {
		return 0, fmt.Errorf("withdrawal: %w", err)
	}
	tried := w.pending.begin(e.Event.ID, e.key()) // before the record can be shipped, which takes it off
	defer tried()
	if err := w.o.Journal.Append(rec, true); err != nil {
		w.pending.remove(e.Event.ID)
		return 0, fmt.Errorf("withdrawal not kept: %w", err)
	}
	w.pending.keep(e.Event.ID)
	ctx, cancel := context.WithTimeout(ctx, applyTimeout)
	defer cancel()
	if err := w.apply(ctx, []entry{e}, true); err != nil {
		w.o.Log.Warn("withdrawal is in the journal, the store has yet to take it", "event", e.Event.ID, "error", err)
		return Accepted, nil
	}
	return Applied, nil
}

// stands reports a withdrawal that was made before, and whether the store has it.
func (w *Withdrawals) stands(ctx context.Context, x Withdrawal) (Result, bool) {
	if w.pending.kept(pendingKey{x.ID, x.Purpose}) {
		return Accepted, true
	}
	if w.o.Records == nil || w.troubled.Load() {
		return 0, false
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	l := w.o.Records.Records(ctx, []gate.ID{x.ID})[0]
	return Applied, l.Err == nil && withdrawn(l.Record, x.Purpose)
}

// withdrawn reports whether the person withdrew from the purpose in so many words. A withdrawal from everything is
// about marketing: mail of kind service passes it, and who unsubscribes from that says something new. So does who stops
// everything once a single purpose was reopened, or only asked for again.
func withdrawn(r gate.Record, purpose string) bool {
	c := r.For(purpose)
	if c.State != gate.StateWithdrawn || purpose != gate.AllPurposes {
		return c.State == gate.StateWithdrawn && !c.ByAll
	}
	for _, other := range r.Consents {
		if other.State != gate.StateWithdrawn || !other.Requested.IsZero() {
			return false
		}
	}
	return true
}

func (w *Withdrawals) entry(x Withdrawal) entry {
	now := w.o.Now().UTC()
	return entry{ID: x.ID, Event: gate.Event{
		ID:        ulid.MustNew(ulid.Timestamp(now), rand.Reader).String(),
		Type:      gate.Withdrawn,
		Purpose:   x.Purpose,
		Time:      now,
		Actor:     "person",
		Source:    gate.Source{Kind: cmp.Or(x.SourceKind, "unsubscribe"), ID: x.Stream},
		Evidence:  gate.Evidence{Ref: x.Ref},
		UserAgent: clip(x.UserAgent, maxUserAgent),
		Note:      x.Note,
	}}
}

// clip keeps printable ASCII, so many octets of it.
func clip(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), limit)]
}

// Pending reports whether the recipient has withdrawn from the purpose, or from all, and the store may not know yet.
// It costs one atomic load while nothing is pending. To miss nothing, ask before the record is read: what is pending
// no more by then is in the record.
func (w *Withdrawals) Pending(id gate.ID, purpose string) bool { return w.pending.has(id, purpose) }

// Reconnected has the last days' withdrawals applied again, since the store may have lost some. To be called by
// whoever saw the store come back; a store that failed a withdrawal and takes one again counts without it.
func (w *Withdrawals) Reconnected() {
	select {
	case w.replay <- struct{}{}:
	default:
	}
}

// Run ships the journal to the store, and replays it where due, until ctx ends.
func (w *Withdrawals) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return w.o.Journal.Ship(ctx, w.ship) })
	g.Go(func() error { return w.replays(ctx) })
	return g.Wait()
}

// ship applies what is still pending; the rest was applied when it was made. What is being applied at this moment is
// waited for: to apply it twice would double the work of a store that has much to do.
func (w *Withdrawals) ship(ctx context.Context, batch [][]byte) error {
	var due []entry
	for _, rec := range batch {
		if e, ok := w.decode(rec); ok && w.pending.settled(ctx, e.Event.ID) {
			due = append(due, e)
		}
	}
	return w.apply(ctx, due, true)
}

func (w *Withdrawals) replays(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-w.replay:
		}
		if err := w.replayAll(ctx); err != nil && ctx.Err() == nil {
			w.o.Log.Warn("withdrawals not replayed, will be tried again", "error", err)
			w.Reconnected()
			pause(ctx, replayPause)
		}
	}
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// replayAll applies the journal of the last days again. The events carry their old ids and times: one that the store
// has is a duplicate, and one that it lost does not undo what the person did since. Between two batches it leaves the
// store alone for as long as a batch took: a store that failed for want of time must not fail because of this.
func (w *Withdrawals) replayAll(ctx context.Context) error {
	var batch []entry
	flush := func() error {
		begun := time.Now()
		err := w.apply(ctx, batch, false)
		pause(ctx, time.Since(begun))
		batch = batch[:0]
		return err
	}
	err := w.o.Journal.Replay(w.o.Now().Add(-Retention), func(_ time.Time, rec []byte) error {
		if e, ok := w.decode(rec); ok && !w.pending.holds(e.Event.ID) {
			if w.o.Now().Sub(e.Event.Time) > gate.UndoWithin {
				e.Event.Evidence.Ref = "" // it serves the undo; an erasure that left nothing must not be undone by it
			}
			batch = append(batch, e)
		}
		if len(batch) < replayBatch {
			return nil
		}
		return flush()
	})
	return errors.Join(err, flush())
}

// apply hands entries to the store and takes those off pending that it took. live is an act that happens now.
func (w *Withdrawals) apply(ctx context.Context, entries []entry, live bool) error {
	if len(entries) == 0 {
		return nil
	}
	changes := make([]gate.Change, len(entries))
	for i, e := range entries {
		changes[i] = gate.Change{ID: e.ID, Sealed: e.sealed, Event: e.Event, Live: live && !e.Reported}
	}
	var errs error
	for i, a := range w.o.Store.Apply(ctx, changes) {
		if a.Err != nil {
			errs = a.Err
			continue
		}
		w.pending.remove(entries[i].Event.ID)
	}
	if errs != nil {
		w.troubled.Store(true)
	} else if w.troubled.CompareAndSwap(true, false) {
		w.Reconnected()
	}
	return errs
}
