package bulk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// Sentinels of a copy, wrapped with what to do.
var (
	// ErrOtherKey: the target was made with another id key, so nobody would be found in it.
	ErrOtherKey = errors.New("the target was made with another id key")
	// ErrNotEmpty: the target holds people and Update was not asked for.
	ErrNotEmpty = errors.New("the target is not empty")
	// ErrTargetUsed: the target holds what the source does not.
	ErrTargetUsed = errors.New("the target holds what the source does not")
	// ErrDiffers: after the copy the stores are not the same.
	ErrDiffers = errors.New("the target is not the same as the source")
)

// Copier brings everything that a store holds into another one as it stands: histories with times and ids, undone
// withdrawals, erasures, sealed addresses. Nothing is validated or folded again. The ledger of partly delivered
// messages stays behind: it is for a week at most.
//
// A copy may be stopped at any time and run again with Update, which writes only what differs. The source may be in use
// meanwhile; what changes behind the copy is found at the end, and brought over by Update too.
//
// From its first write until it is verified the target is marked as unfinished, and no gate takes it for a store: whoever
// is missing from it may have withdrawn.
type Copier struct {
	From, To gate.Store
	Now      time.Time    // up to which counters are copied
	Update   bool         // the target holds an earlier copy
	Progress func(Copied) // after each recipient; nil: nobody
	// Note writes down in the source what is about to be done, once the target is found fit for it; the copy brings that
	// over too. nil: nobody does.
	Note func(context.Context) error
}

// Copied counts what was written, and says what both stores hold in the end.
type Copied struct {
	Recipients int      `json:"recipients"` // that were looked at
	Written    int      `json:"written"`    // that were new or differed
	Blocks     int      `json:"blocks"`     // block entries written
	Holds      Contents `json:"holds"`      // as verified
}

// Contents is what a store holds: counts, and a digest over everybody's record, address and history that does not
// depend on their order.
type Contents struct {
	Recipients int    `json:"recipients"`
	Events     int    `json:"events"`
	Digest     string `json:"digest"`
	Streams    int    `json:"streams"`
	Wordings   int    `json:"wordings"`
	Marks      int    `json:"marks"`
	Acts       string `json:"acts"` // number and hash of the last entry of the audit log
}

// Run copies and verifies.
func (c *Copier) Run(ctx context.Context) (done Copied, err error) {
	stood, err := c.prepare(ctx)
	if err != nil {
		return done, err
	}
	err = c.run(ctx, &done)
	if err == nil || stood && errors.Is(err, ErrTargetUsed) { // a store that a gate uses was whole, and stays in service
		err = errors.Join(err, c.To.SetUnfinished(ctx, false))
	}
	return done, err
}

func (c *Copier) run(ctx context.Context, done *Copied) (err error) {
	for _, step := range []func(context.Context, *Copied) error{c.copyRest, c.copyPeople, c.copyBlocks, c.copyCounts} {
		if err := step(ctx, done); err != nil {
			return err
		}
	}
	done.Holds, err = c.verify(ctx)
	return err
}

// prepare sees that the target is one that may be written to, and marks it as unfinished. stood says that it was a
// finished store before.
func (c *Copier) prepare(ctx context.Context) (stood bool, err error) {
	source, err := c.From.Meta(ctx)
	if err != nil {
		return false, fmt.Errorf("source: %w", err)
	}
	target, err := c.To.Meta(ctx)
	stood = err == nil
	empty, unfinished := errors.Is(err, gate.ErrUninitialised), errors.Is(err, gate.ErrUnfinished)
	source.Unfinished = true
	switch {
	case !stood && !empty && !unfinished:
	case !empty && target.Fingerprint != source.Fingerprint:
		return false, fmt.Errorf("%w (%s; the source has %s): name another target", ErrOtherKey, target.Fingerprint, source.Fingerprint)
	case unfinished:
		err = c.To.Init(ctx, source) // it may have been cut off in the first
	default:
		err = nil
	}
	if err != nil {
		return false, fmt.Errorf("target: %w", err)
	}
	if !empty {
		if err := c.wantNobody(ctx); err != nil {
			return false, err
		}
	}
	return stood, c.begin(ctx, source, empty)
}

// wantNobody reports people in the target where they are not asked for.
func (c *Copier) wantNobody(ctx context.Context) error {
	if c.Update {
		return nil
	}
	for _, err := range c.To.Persons(ctx) {
		if err != nil {
			return fmt.Errorf("target: %w", err)
		}
		return fmt.Errorf("%w: --update goes on with a copy that was stopped, or brings an earlier one up to date", ErrNotEmpty)
	}
	return nil
}

// begin notes the copy, makes an empty target a store of the same id key, and marks it.
func (c *Copier) begin(ctx context.Context, source gate.Meta, empty bool) error {
	if c.Note != nil {
		if err := c.Note(ctx); err != nil {
			return err
		}
	}
	mark := func() error { return c.To.SetUnfinished(ctx, true) }
	if empty {
		mark = func() error { return c.To.Init(ctx, source) }
	}
	if err := mark(); err != nil {
		return fmt.Errorf("target: %w", err)
	}
	return nil
}

// copyPeople writes everybody who is not there as in the source.
func (c *Copier) copyPeople(ctx context.Context, done *Copied) error {
	batch := make([]gate.Rewrite, 0, rewriteBatch)
	for p, err := range c.From.Persons(ctx) {
		if err != nil {
			return fmt.Errorf("source: %w", err)
		}
		done.Recipients++
		r, differs, err := c.rewrite(ctx, p)
		if err != nil {
			return err
		}
		if differs {
			batch = append(batch, r)
		}
		if len(batch) == rewriteBatch {
			if err := c.write(ctx, batch, done); err != nil {
				return err
			}
			batch = batch[:0]
		}
		if c.Progress != nil {
			c.Progress(*done)
		}
	}
	return c.write(ctx, batch, done)
}

// rewrite is what makes the target hold p; differs is false where it does.
func (c *Copier) rewrite(ctx context.Context, p gate.Person) (r gate.Rewrite, differs bool, err error) {
	if !c.Update {
		return gate.Rewrite{Person: p}, true, nil
	}
	stands, err := c.To.Person(ctx, p.ID)
	switch {
	case err != nil:
		return r, false, fmt.Errorf("target: %w", err)
	case digest(stands) == digest(p):
		return r, false, nil
	case !continues(p.Events, stands.Events):
		return r, false, fmt.Errorf("%w: recipient %s has events there that the source has not: a gate writes to the target, "+
			"so do not copy over it", ErrTargetUsed, p.ID)
	}
	p.Record.Version = max(p.Record.Version, stands.Record.Version)
	return gate.Rewrite{Was: stands.Record.Version, Person: p}, true, nil
}

// continues reports whether events hold all that stood, or were erased since.
func continues(events, stood []gate.Event) bool {
	known := make(map[string]bool, len(events))
	erased := false
	for _, e := range events {
		known[e.ID] = true
		erased = erased || e.Type == gate.Erased
	}
	for _, e := range stood {
		if !known[e.ID] && !erased {
			return false
		}
	}
	return true
}

func (c *Copier) write(ctx context.Context, batch []gate.Rewrite, done *Copied) error {
	for i, err := range c.To.Rewrite(ctx, batch) {
		if errors.Is(err, gate.ErrChanged) {
			return fmt.Errorf("%w: recipient %s was written there meanwhile", ErrTargetUsed, batch[i].Person.ID)
		}
		if err != nil {
			return fmt.Errorf("target: %w", err)
		}
		done.Written++
	}
	return nil
}

// verify reads both stores once more.
func (c *Copier) verify(ctx context.Context) (Contents, error) {
	source, err := contents(ctx, c.From)
	if err != nil {
		return Contents{}, fmt.Errorf("source: %w", err)
	}
	target, err := contents(ctx, c.To)
	if err != nil {
		return Contents{}, fmt.Errorf("target: %w", err)
	}
	switch {
	case target == source:
		return target, nil
	case target.Recipients > source.Recipients:
		err = fmt.Errorf("%w: %d recipients more; they were erased in the source since the earlier copy, or a gate writes to "+
			"the target: copy into an empty one", ErrTargetUsed, target.Recipients-source.Recipients)
	default:
		err = fmt.Errorf("%w: the source was written to meanwhile; stop the gates and run the same command with --update", ErrDiffers)
	}
	return target, err
}

// copyRest copies what is small: stream codes, wordings, marks and the audit log.
func (c *Copier) copyRest(ctx context.Context, _ *Copied) error {
	streams, err := c.From.Streams(ctx)
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	if err := c.To.RememberStreams(ctx, streams); err != nil {
		return fmt.Errorf("target: %w", err)
	}
	wordings, err := c.From.WordingTexts(ctx, "")
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	for _, w := range wordings {
		if err := c.To.AddWording(ctx, w); err != nil {
			return fmt.Errorf("target: %w", err)
		}
	}
	marks, err := c.From.Marks(ctx)
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	for _, m := range marks {
		if err := c.To.Mark(ctx, m); err != nil {
			return fmt.Errorf("target: %w", err)
		}
	}
	return c.copyActs(ctx)
}

// copyActs appends the audit log after what the target has of it. The chain of an entry follows from the acts alone,
// so both logs end in the same hash.
func (c *Copier) copyActs(ctx context.Context) error {
	head, err := gate.CheckTrail(c.To.Acts(ctx, 1), gate.AuditEntry{})
	if err != nil {
		return fmt.Errorf("target: %w", err)
	}
	for e, err := range c.From.Acts(ctx, max(head.Seq, 1)) {
		switch {
		case err != nil:
			return fmt.Errorf("source: %w", err)
		case e.Seq == head.Seq && e.Hash != head.Hash:
			return fmt.Errorf("%w: entry %d of its audit log is another", ErrTargetUsed, e.Seq)
		case e.Seq <= head.Seq:
			continue
		}
		if head, err = c.To.AppendAct(ctx, e.Act); err != nil {
			return fmt.Errorf("target: %w", err)
		}
		if head.Hash != e.Hash {
			return fmt.Errorf("%w: entry %d of the audit log did not come out the same: run audit verify on the source", ErrDiffers, e.Seq)
		}
	}
	return nil
}

// copyCounts adds what the target lacks, day by day.
func (c *Copier) copyCounts(ctx context.Context, _ *Copied) error {
	meta, err := c.From.Meta(ctx)
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	// A clock that runs ahead of the one that made the store counts no day before it and few after today.
	from, to := meta.Created.AddDate(0, 0, -1), c.Now.AddDate(0, 0, 1)
	source, err := c.From.Counts(ctx, from, to)
	if err != nil {
		return fmt.Errorf("source: %w", err)
	}
	target, err := c.To.Counts(ctx, from, to)
	if err != nil {
		return fmt.Errorf("target: %w", err)
	}
	for _, day := range slices.Sorted(maps.Keys(source)) {
		if err := c.addCounts(ctx, day, source[day], target[day]); err != nil {
			return err
		}
	}
	return nil
}
