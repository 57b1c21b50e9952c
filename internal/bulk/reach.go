package bulk

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// Decider answers whether a stream may reach a recipient; gate's Policy is one.
type Decider interface {
	Decide(now time.Time, s *gate.Stream, a gate.Address, l gate.Lookup) gate.Decision
}

// Reach is how many of an import's recipients a stream may reach, and why not the others.
type Reach struct {
	Stream    string         `json:"stream"`
	Permitted int            `json:"permitted"`
	Of        int            `json:"of"`
	Blocked   []ReasonsCount `json:"blocked"` // the most frequent first
}

// ReasonsCount is how many are blocked for a reason.
type ReasonsCount struct {
	Reason gate.Reason `json:"reason"`
	Count  int         `json:"count"`
}

// tally counts decisions by stream and reason; the empty reason is a permit.
type tally []map[gate.Reason]int

// judge decides about every recipient of a batch once, as its last event leaves it.
func (im *Importer) judge(outcomes []gate.Outcome) tally {
	if im.Policy == nil {
		return nil
	}
	last := make(map[gate.ID]int, len(outcomes))
	for i, o := range outcomes {
		if o.Err == nil {
			last[o.ID] = i
		}
	}
	t := make(tally, len(im.Streams))
	for i := range t {
		t[i] = make(map[gate.Reason]int)
	}
	for i, o := range outcomes {
		if o.Err != nil || last[o.ID] != i {
			continue
		}
		// Intake has parsed it already, so it parses.
		addr, _ := gate.ParseAddress(o.Event.Recipient)
		for k, s := range im.Streams {
			t[k][im.Policy.Decide(im.Reading.Now, s, addr, gate.Lookup{Record: o.Applied.Record}).Reason]++
		}
	}
	return t
}

// add sums two tallies; either may be nil.
func (t tally) add(more tally) tally {
	if t == nil {
		return more
	}
	for i := range more {
		for reason, n := range more[i] {
			t[i][reason] += n
		}
	}
	return t
}

// reach says what t has counted.
func (im *Importer) reach(t tally) []Reach {
	var all []Reach
	for i, s := range im.Streams {
		if t == nil {
			break
		}
		r := Reach{Stream: s.Name, Blocked: []ReasonsCount{}}
		for reason, n := range t[i] {
			r.Of += n
			if reason == "" {
				r.Permitted = n
				continue
			}
			r.Blocked = append(r.Blocked, ReasonsCount{reason, n})
		}
		slices.SortFunc(r.Blocked, func(a, b ReasonsCount) int {
			return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Reason, b.Reason))
		})
		all = append(all, r)
	}
	return all
}

// Rehearsal is a store that writes nothing: it answers what each change would lead to. It does not remember changes
// from one call to the next.
type Rehearsal struct {
	Store interface {
		gate.Reader
		gate.Historian
	}
	Marks gate.Marks // that stand: what an invalidated source says again reaches nobody
}

// Apply implements [gate.Applier].
func (r Rehearsal) Apply(ctx context.Context, changes []gate.Change) []gate.Applied {
	out := make([]gate.Applied, len(changes))
	persons := r.persons(ctx, changes)
	for i, c := range changes {
		p := persons[c.ID]
		if p.err != nil {
			out[i].Err = p.err
			continue
		}
		stored, record, dup := gate.Extend(p.history, c)
		if !dup {
			p.history, p.version = append(p.history, stored), p.version+1
		}
		if len(r.Marks) > 0 {
			record = r.Marks.Fold(p.history)
		}
		record.Version = p.version
		out[i] = gate.Applied{Record: record, Duplicate: dup}
	}
	return out
}

// rehearsed is what stands of one recipient, and what was added to it.
type rehearsed struct {
	history []gate.Event
	version uint64
	err     error
}

// persons reads what stands of the recipients of changes; a history only where there is one.
func (r Rehearsal) persons(ctx context.Context, changes []gate.Change) map[gate.ID]*rehearsed {
	persons := make(map[gate.ID]*rehearsed, len(changes))
	ids := make([]gate.ID, 0, len(changes))
	for _, c := range changes {
		if persons[c.ID] == nil {
			persons[c.ID] = &rehearsed{}
			ids = append(ids, c.ID)
		}
	}
	for i, found := range r.Store.Records(ctx, ids) {
		p := persons[ids[i]]
		if p.err = found.Err; p.err != nil || found.Record.Version == 0 {
			continue
		}
		person, err := r.Store.Person(ctx, ids[i])
		p.history, p.version, p.err = person.Events, person.Record.Version, err
	}
	return persons
}
