package gatetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
)

var rewriteContract = []contract{
	{"a rewrite of nobody stands as it was given", func(t *testing.T, b Backend) {
		_, s := ready(t, b)
		want := copied(1, "restored by hand", gate.Restored, gate.Erased)
		want.Record.Version = 7 // more than it has events
		rewrite(t, s, nil, gate.Rewrite{Person: want})
		same(t, "person", person(t, s, 1), want)
		same(t, "record", record(t, s, 1), want.Record)
		out := apply(t, s, withdrawal(1, "after", day(9)))
		same(t, "the next version", out[0].Record.Version, 8)
		same(t, "history", eventIDs(person(t, s, 1)), []string{"e0", "e1", "after"})
	}},
	{"a rewrite replaces history, record and sealed address", func(t *testing.T, b Backend) {
		_, s := ready(t, b)
		apply(t, s, grant(1, "a", day(1)), grant(1, "b", day(2)), withdrawal(1, "c", day(3)), grant(2, "d", day(1)))
		want := copied(1, "sealed again", gate.Withdrawn, gate.Erased)
		want.Record.Version = 4
		rewrite(t, s, nil, gate.Rewrite{Was: 3, Person: want})
		same(t, "person", person(t, s, 1), want)
		same(t, "another person", eventIDs(person(t, s, 2)), []string{"d"})
	}},
	{"a rewrite without events leaves nobody", func(t *testing.T, b Backend) {
		_, s := ready(t, b)
		apply(t, s, grant(1, "a", day(1)), grant(2, "b", day(1)))
		rewrite(t, s, nil, gate.Rewrite{Was: 1, Person: gate.Person{ID: testID(1)}})
		same(t, "person", person(t, s, 1), gate.Person{ID: testID(1)})
		same(t, "record", record(t, s, 1), gate.Record{})
		same(t, "persons", count(t, s), 1)
		apply(t, s, grant(1, "again", day(2)))
		same(t, "record", record(t, s, 1).Version, 1)
	}},
	{"a rewrite of what was changed meanwhile changes nothing", func(t *testing.T, b Backend) {
		_, s := ready(t, b)
		apply(t, s, grant(1, "a", day(1)), withdrawal(1, "b", day(2)))
		before := person(t, s, 1)
		for _, was := range []uint64{0, 1, 3} {
			rewrite(t, s, gate.ErrChanged, gate.Rewrite{Was: was, Person: copied(1, "x", gate.Erased)})
		}
		rewrite(t, s, gate.ErrChanged, gate.Rewrite{Was: 1, Person: copied(2, "x", gate.Erased)})
		same(t, "person", person(t, s, 1), before)
		same(t, "persons", count(t, s), 1)
	}},
	{"one rewrite that cannot be leaves the others alone", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		apply(t, s, grant(1, "a", day(1)))
		errs := s.Rewrite(ctx, []gate.Rewrite{
			{Person: copied(1, "x", gate.Erased)}, {Person: copied(2, "sealed:2", gate.Granted)},
		})
		same(t, "answers", len(errs), 2)
		same(t, "changed", errors.Is(errs[0], gate.ErrChanged), true)
		noError(t, "the other one", errs[1])
		same(t, "person", person(t, s, 2), copied(2, "sealed:2", gate.Granted))
	}},
	{"a history of thousands of events is rewritten whole", func(t *testing.T, b Backend) {
		_, s := ready(t, b)
		types := make([]gate.EventType, 9000)
		for i := range types {
			types[i] = gate.Activity
		}
		want := copied(1, "sealed:1", types...)
		rewrite(t, s, nil, gate.Rewrite{Person: want})
		same(t, "events", len(person(t, s, 1).Events), len(types))
	}},
	{"trimming removes entries of before a moment and no others", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		now := time.Now()
		noError(t, "AppendBlocks", s.AppendBlocks(ctx, []gate.BlockEntry{entry(1, now), entry(2, now)}))
		removed, err := s.TrimBlocks(ctx, now.Add(-time.Hour))
		noError(t, "TrimBlocks", err)
		same(t, "removed", removed, 0)
		same(t, "blocks", len(blocks(t, s, gate.BlockQuery{})), 2)
		removed, err = s.TrimBlocks(ctx, now.Add(time.Hour))
		noError(t, "TrimBlocks", err)
		same(t, "removed", removed, 2)
		same(t, "blocks", len(blocks(t, s, gate.BlockQuery{})), 0)
	}},
	{"trimming goes on to the last of many entries", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		entries := make([]gate.BlockEntry, 2345)
		for i := range entries {
			entries[i] = entry(i, time.Now())
		}
		noError(t, "AppendBlocks", s.AppendBlocks(ctx, entries))
		removed, err := s.TrimBlocks(ctx, time.Now().Add(time.Hour))
		noError(t, "TrimBlocks", err)
		same(t, "removed", removed, len(entries))
		same(t, "blocks", len(blocks(t, s, gate.BlockQuery{})), 0)
	}},
	{"a store that was emptied takes no rewrite and trims nothing", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		b.Empty()
		for _, err := range s.Rewrite(ctx, []gate.Rewrite{{Person: copied(1, "x", gate.Granted)}}) {
			wantUnavailable(t, "Rewrite", err)
		}
	}},
}

// copied is a person whose events have the types given, in this order, and whose record is their fold.
func copied(n int, sealed string, types ...gate.EventType) gate.Person {
	p := gate.Person{ID: testID(n), Sealed: sealed}
	for i, typ := range types {
		p.Events = append(p.Events, gate.Event{
			ID: fmt.Sprint("e", i), Type: typ, Purpose: "newsletter", Time: day(1, i%1000), Note: "as it was",
		})
	}
	p.Record = gate.Fold(p.Events)
	p.Record.Version = uint64(len(types))
	return p
}

// rewrite makes one rewrite, which must end as wanted.
func rewrite(t *testing.T, s gate.Store, want error, r gate.Rewrite) {
	t.Helper()
	errs := s.Rewrite(testContext(t), []gate.Rewrite{r})
	if len(errs) != 1 || !errors.Is(errs[0], want) {
		t.Fatalf("Rewrite: got %v, want %v", errs, want)
	}
}

// count is how many recipients a scan meets.
func count(t *testing.T, s gate.Store) (n int) {
	t.Helper()
	for _, err := range s.Persons(testContext(t)) {
		noError(t, "Persons", err)
		n++
	}
	return n
}
