package gatetest

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
)

var applyContract = []contract{
	{"a change becomes an event and a record", func(t *testing.T, b Backend) {
		_, s := ready(t, b)
		c := grant(1, "e1", day(1))
		got := apply(t, s, c)[0]
		want := gate.Fold([]gate.Event{c.Event})
		want.Version = 1
		same(t, "Applied", got, gate.Applied{Record: want})
		same(t, "record", record(t, s, 1), want)
		same(t, "person", person(t, s, 1), gate.Person{
			ID: c.ID, Record: want, Sealed: "sealed:1", Events: []gate.Event{c.Event},
		})
	}},
	{"every field of an event is kept, but not the recipient", func(t *testing.T, b Backend) {
		_, s := ready(t, b)
		c := gate.Change{ID: testID(1), Event: fullEvent()}
		apply(t, s, c)
		want := c.Event
		want.Recipient = ""
		same(t, "events", person(t, s, 1).Events, []gate.Event{want})
	}},
	{"the same id twice is one event", func(t *testing.T, b Backend) {
		_, s := ready(t, b)
		first := apply(t, s, grant(1, "e1", day(1)))[0]
		again := apply(t, s, withdrawal(1, "e1", day(2)))[0]
		same(t, "Applied", again, gate.Applied{Record: first.Record, Duplicate: true})
		twice := apply(t, s, grant(2, "e2", day(1)), grant(2, "e2", day(1)))
		same(t, "first of two", twice[0].Duplicate, false)
		same(t, "second of two", twice[1].Duplicate, true)
		same(t, "events", len(person(t, s, 1).Events)+len(person(t, s, 2).Events), 2)
	}},
	{"several changes of one recipient in a batch are applied in order", func(t *testing.T, b Backend) {
		_, s := ready(t, b)
		out := apply(t, s,
			grant(1, "e1", day(1)), grant(2, "e2", day(1)), withdrawal(1, "e3", day(2)),
			grant(1, "e1", day(1)), grant(3, "e4", day(1)), withdrawal(1, "e5", day(3)))
		var versions []uint64
		for _, a := range out {
			versions = append(versions, a.Record.Version)
		}
		same(t, "versions", versions, []uint64{1, 1, 2, 2, 1, 3})
		same(t, "duplicate", out[3].Duplicate, true)
		same(t, "history", eventIDs(person(t, s, 1)), []string{"e1", "e3", "e5"})
		same(t, "record", record(t, s, 1), out[5].Record)
		same(t, "state", record(t, s, 1).For("newsletter").State, gate.StateWithdrawn)
	}},
	{"history is in the order of application", func(t *testing.T, b Backend) {
		_, s := ready(t, b)
		apply(t, s, withdrawal(1, "late", day(9)))
		apply(t, s, grant(1, "early", day(1)))
		apply(t, s, grant(1, "middle", day(5)))
		same(t, "history", eventIDs(person(t, s, 1)), []string{"late", "early", "middle"})
		same(t, "state", record(t, s, 1).For("newsletter").State, gate.StateWithdrawn)
	}},
	{"a live withdrawal is later than everything before it", func(t *testing.T, b Backend) {
		_, s := ready(t, b)
		apply(t, s, grant(1, "e1", day(9)))
		behind := withdrawal(1, "e2", day(1))
		behind.Live = true
		got := apply(t, s, behind)[0].Record
		same(t, "state", got.For("newsletter").State, gate.StateWithdrawn)
		if at := person(t, s, 1).Events[1].Time; at.Before(day(9)) {
			t.Errorf("the withdrawal is timed %v, before the grant at %v", at, day(9))
		}
	}},
	{"the first sealed address is kept", func(t *testing.T, b Backend) {
		_, s := ready(t, b)
		none, first, second := grant(1, "e1", day(1)), grant(1, "e2", day(2)), grant(1, "e3", day(3))
		none.Sealed, second.Sealed = "", "sealed:other"
		for _, step := range []struct {
			change gate.Change
			want   string
		}{{none, ""}, {first, "sealed:1"}, {second, "sealed:1"}} {
			apply(t, s, step.change)
			same(t, "sealed after "+step.change.Event.ID, person(t, s, 1).Sealed, step.want)
		}
		same(t, "history", eventIDs(person(t, s, 1)), []string{"e1", "e2", "e3"})
	}},
	{"a large batch is applied whole, again and mixed", func(t *testing.T, b Backend) {
		_, s := ready(t, b)
		const many = 700
		batch := func(from, to int) (cs []gate.Change) {
			for n := from; n < to; n++ {
				cs = append(cs, grant(n, fmt.Sprint("e", n), day(1)))
			}
			return cs
		}
		wantDuplicates(t, "first time", apply(t, s, batch(0, many)...), 0)
		wantDuplicates(t, "second time", apply(t, s, batch(0, many)...), many)
		wantDuplicates(t, "half new", apply(t, s, batch(many/2, many+many/2)...), many/2)
		ids := make([]gate.ID, many)
		for n := range ids {
			ids[n] = testID(n)
		}
		for n, l := range s.Records(testContext(t), ids) {
			if l.Err != nil || l.Record.Version != 1 {
				t.Fatalf("recipient %d: version %d, error %v", n, l.Record.Version, l.Err)
			}
		}
	}},
	{"concurrent appliers lose no event", func(t *testing.T, b Backend) {
		_, s := ready(t, b)
		other := b.Again()
		defer other.Close()
		const writers, events = 8, 12
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				handle := []gate.Store{s, other}[w%2]
				for e := range events {
					c := grant(1, fmt.Sprintf("w%d-%d", w, e), day(1, w*events+e))
					if a := handle.Apply(testContext(t), []gate.Change{c})[0]; a.Err != nil || a.Duplicate {
						t.Errorf("writer %d, event %d: %+v", w, e, a)
					}
				}
			})
		}
		wg.Wait()
		p := person(t, s, 1)
		same(t, "events", len(p.Events), writers*events)
		want := gate.Fold(p.Events)
		want.Version = writers * events
		same(t, "record", p.Record, want)
	}},
}

func eventIDs(p gate.Person) (ids []string) {
	for _, e := range p.Events {
		ids = append(ids, e.ID)
	}
	return ids
}

func wantDuplicates(t *testing.T, what string, out []gate.Applied, want int) {
	t.Helper()
	got := 0
	for _, a := range out {
		if a.Duplicate {
			got++
		}
	}
	same(t, what+": duplicates", got, want)
}

// fullEvent has every field set.
func fullEvent() gate.Event {
	return gate.Event{
		ID: "01JDE0000000000000000000AB", Recipient: "ann@example.com", Purpose: "newsletter",
		Type: gate.Granted, Method: gate.MethodDouble, Via: gate.ViaMailbox,
		Time: day(2).Add(123456789 * time.Nanosecond), Jurisdiction: "FR", Audience: "b2b", Controller: "acme", Actor: "api:shop",
		Source:       gate.Source{Kind: "contest", ID: "summer-quiz", URL: "https://example.com/quiz?a=1&b=<2>"},
		DefaultState: gate.DefaultUnticked,
		Wording:      gate.Wording{ID: "nl-2026-03", Version: "3", SHA256: "abc", Language: "fr"},
		Evidence: gate.Evidence{
			SaleRef: "s-1", Category: "shoes", OptoutOffered: true, Ref: "r-1", ConfirmedAt: day(3),
		},
		IP: "192.0.2.0/24", UserAgent: "Mozilla/5.0 \"quoted\"", Note: "two\nlines, é and 日本",
	}
}
