package gatetest

import (
	"fmt"
	"sync"
	"testing"

	"github.com/consentgate/consentgate/gate"
)

var readContract = []contract{
	{"records come in the order of the ids", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		out := apply(t, s, grant(1, "e1", day(1)), withdrawal(2, "e2", day(2)))
		got := s.Records(ctx, []gate.ID{testID(2), testID(9), testID(1), testID(2)})
		same(t, "lookups", got, []gate.Lookup{
			{Record: out[1].Record}, {}, {Record: out[0].Record}, {Record: out[1].Record},
		})
	}},
	{"no ids get no answers", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		same(t, "lookups", len(s.Records(ctx, nil)), 0)
		same(t, "changes", len(s.Apply(ctx, nil)), 0)
	}},
	{"a record reads back as it was folded", func(t *testing.T, b Backend) {
		_, s := ready(t, b)
		complaint, bounce, all := withdrawal(1, "e2", day(2)), withdrawal(1, "e3", day(3)), withdrawal(1, "e4", day(4))
		complaint.Event.Type, bounce.Event.Type, all.Event.Purpose = gate.Complained, gate.Bounced, gate.AllPurposes
		out := apply(t, s, gate.Change{ID: testID(1), Event: fullEvent()}, complaint, bounce, all)
		same(t, "record", record(t, s, 1), out[len(out)-1].Record)
		same(t, "record of the person", person(t, s, 1).Record, out[len(out)-1].Record)
	}},
	{"concurrent lookups each get their own answer", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		const people, readers = 20, 16
		for n := range people {
			for v := range n {
				apply(t, s, grant(n, fmt.Sprintf("e%d-%d", n, v), day(1, v)))
			}
		}
		var wg sync.WaitGroup
		for r := range readers {
			wg.Go(func() {
				for i := range 50 {
					n, m := (r+i)%people, (r*3+i)%people
					got := s.Records(ctx, []gate.ID{testID(n), testID(m)})
					if got[0].Err != nil || got[0].Record.Version != uint64(n) || got[1].Record.Version != uint64(m) {
						t.Errorf("got %+v, want versions %d and %d", got, n, m)
						return
					}
				}
			})
		}
		wg.Wait()
	}},
	{"a scan meets every recipient once", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		const people = 600
		want := make(map[gate.ID]gate.Person, people)
		var changes []gate.Change
		for n := range people {
			changes = append(changes, grant(n, fmt.Sprint("e", n), day(1)))
		}
		for n, a := range apply(t, s, changes...) {
			c := changes[n]
			want[c.ID] = gate.Person{ID: c.ID, Record: a.Record, Sealed: c.Sealed, Events: []gate.Event{c.Event}}
		}
		got := make(map[gate.ID]gate.Person, people)
		for p, err := range s.Persons(ctx) {
			noError(t, "Persons", err)
			if _, twice := got[p.ID]; twice {
				t.Errorf("met %s twice", p.ID)
			}
			got[p.ID] = p
		}
		same(t, "persons", got, want)
	}},
	{"a scan may be left early and finds nobody in a new store", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		for p, err := range s.Persons(ctx) {
			noError(t, "Persons", err)
			t.Errorf("met %s in an empty store", p.ID)
		}
		apply(t, s, grant(1, "e1", day(1)), grant(2, "e2", day(1)))
		n := 0
		for _, err := range s.Persons(ctx) {
			noError(t, "Persons", err)
			n++
			break
		}
		same(t, "persons met", n, 1)
	}},
}
