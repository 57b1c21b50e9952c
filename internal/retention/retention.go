// Package retention removes what has been kept long enough: block entries by age, the history and the address of
// people whose consent has ended, and of people who have not acted for long. A refusal and the recipient id it stands
// under are never removed: without them an import would bring the person back (GDPR art. 21(3)).
//
// It decides by the policy and the clock it is given and writes through gate's ports. internal/app runs it beside the
// gate, cmd/consentgate by hand. Of ours it imports gate only.
package retention

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// Periods are how long things are kept; zero: for ever.
type Periods struct {
	Blocks   time.Duration // block entries
	Evidence time.Duration // history and address, once every consent of a person has ended
	Inactive time.Duration // history and address, from the person's last act
}

// People reports whether anything but block entries is removed.
func (p Periods) People() bool { return p.Evidence > 0 || p.Inactive > 0 }

// String is one line, as the audit log keeps it.
func (p Periods) String() string {
	days := func(d time.Duration) string {
		if d == 0 {
			return "for ever"
		}
		return fmt.Sprintf("%gd", d.Hours()/24)
	}
	return fmt.Sprintf("blocks %s, evidence %s, inactive %s", days(p.Blocks), days(p.Evidence), days(p.Inactive))
}

// Store is what retention reads and writes.
type Store interface {
	gate.Scanner
	gate.Rewriter
	gate.BlockLog
	gate.BlockTrimmer
}

// Decider answers for one stream, as [gate.Policy] does.
type Decider interface {
	Decide(now time.Time, s *gate.Stream, a gate.Address, l gate.Lookup) gate.Decision
}

// Job is one run. It may be stopped at any time and run again.
type Job struct {
	Store    Store
	Periods  Periods
	Policy   Decider
	Streams  []*gate.Stream // on which a consent might count still
	Now      time.Time
	DryRun   bool         // count only
	Progress func(Report) // after each recipient; nil: nobody
}

// Report counts what was removed, or in a dry run would be.
type Report struct {
	Blocks     int `json:"blocks"`     // block entries
	Recipients int `json:"recipients"` // that were looked at
	Evidence   int `json:"evidence"`   // recipients whose history went since their consent had ended
	Inactive   int `json:"inactive"`   // recipients whose history went since they had not acted
	Kept       int `json:"kept"`       // of both: whose refusal stays under the recipient id
}

// String is one line, as the audit log keeps it.
func (r Report) String() string {
	return fmt.Sprintf("removed: blocks %d, evidence %d, inactive %d; refusals kept %d", r.Blocks, r.Evidence, r.Inactive, r.Kept)
}

// batchSize is how many recipients are rewritten in one call.
const batchSize = 64

// Blocks removes old block entries.
func (j *Job) Blocks(ctx context.Context, r *Report) error {
	if j.Periods.Blocks == 0 {
		return nil
	}
	before := j.Now.Add(-j.Periods.Blocks)
	if !j.DryRun {
		n, err := j.Store.TrimBlocks(ctx, before)
		r.Blocks += n
		return err
	}
	for e, err := range j.Store.Blocks(ctx, gate.BlockQuery{Until: before}) {
		if err != nil {
			return err
		}
		if e.Time.Before(before) {
			r.Blocks++
		}
	}
	return nil
}

// People removes history and address of those whose time is over.
func (j *Job) People(ctx context.Context, r *Report) error {
	if !j.Periods.People() {
		return nil
	}
	batch := make([]gate.Rewrite, 0, batchSize)
	for p, err := range j.Store.Persons(ctx) {
		if err != nil {
			return err
		}
		r.Recipients++
		if why := j.due(p); why != "" {
			after := j.erased(p, why)
			r.count(why, after.Person)
			batch = append(batch, after)
		}
		if len(batch) == batchSize {
			if err := j.write(ctx, batch); err != nil {
				return err
			}
			batch = batch[:0]
		}
		if j.Progress != nil {
			j.Progress(*r)
		}
	}
	return j.write(ctx, batch)
}

func (r *Report) count(why rule, after gate.Person) {
	if why == evidence {
		r.Evidence++
	} else {
		r.Inactive++
	}
	if len(after.Events) > 0 {
		r.Kept++
	}
}

// write leaves those who were changed meanwhile to the next run: they have just acted.
func (j *Job) write(ctx context.Context, batch []gate.Rewrite) error {
	if j.DryRun || len(batch) == 0 {
		return nil
	}
	for _, err := range j.Store.Rewrite(ctx, batch) {
		if err != nil && !errors.Is(err, gate.ErrChanged) {
			return err
		}
	}
	return nil
}

// erased is what remains of a person.
func (j *Job) erased(p gate.Person, why rule) gate.Rewrite {
	x := gate.Erasure{
		ID: fmt.Sprintf("retention:%s:%d", why, p.Record.Version), Time: j.Now.UTC(), Actor: "retention",
	}
	left := gate.Person{ID: p.ID, Events: x.Remains(p.Events)}
	left.Record = gate.Fold(left.Events)
	left.Record.Version = max(p.Record.Version, uint64(len(left.Events))) + 1
	return gate.Rewrite{Was: p.Record.Version, Person: left}
}
