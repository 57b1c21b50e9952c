package stats_test

import (
	"context"
	"errors"
	"iter"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/stats"
)

// people is a store that holds these records, and then fails with err where there is one.
type people struct {
	records []gate.Record
	err     error
}

func (p people) Persons(context.Context) iter.Seq2[gate.Person, error] {
	return func(yield func(gate.Person, error) bool) {
		for _, r := range p.records {
			if !yield(gate.Person{Record: r}, nil) {
				return
			}
		}
		if p.err != nil {
			yield(gate.Person{}, p.err)
		}
	}
}

func holds(purpose string, s gate.State, m gate.Method) gate.Record {
	return gate.Record{Consents: map[string]gate.Consent{purpose: {State: s, Method: m}}}
}

func TestRecordsAreCountedByPurposeStateAndMethod(t *testing.T) {
	t.Parallel()
	both := holds("offers", gate.StateWithdrawn, "")
	both.Consents["newsletter"] = gate.Consent{State: gate.StateActiveDouble, Method: gate.MethodDouble}
	store := people{records: []gate.Record{
		holds("newsletter", gate.StatePassiveUnconfirmed, gate.MethodPassive),
		holds("newsletter", gate.StatePassiveUnconfirmed, gate.MethodPassive),
		holds("newsletter", gate.StatePassiveConfirmed, gate.MethodPassive),
		both,
		{},
	}}
	seen := 0
	got, err := stats.Records(t.Context(), store, func(n int) { seen = n })
	if err != nil {
		t.Fatal(err)
	}
	want := stats.Holdings{Recipients: 5, Consents: 5, Rows: []stats.Holding{
		{Purpose: "newsletter", State: gate.StatePassiveUnconfirmed, Method: gate.MethodPassive, Class: stats.Passive, Consents: 2, Share: 0.5},
		{Purpose: "newsletter", State: gate.StateActiveDouble, Method: gate.MethodDouble, Class: stats.Active, Consents: 1, Share: 0.25},
		{Purpose: "newsletter", State: gate.StatePassiveConfirmed, Method: gate.MethodPassive, Class: stats.Passive, Consents: 1, Share: 0.25},
		{Purpose: "offers", State: gate.StateWithdrawn, Class: stats.Other, Consents: 1, Share: 1},
	}, Classes: []stats.ClassShare{
		{Class: stats.Passive, Consents: 3, Share: new(0.6)},
		{Class: stats.Active, Consents: 1, Share: new(0.2)},
		{Class: stats.Other, Consents: 1, Share: new(0.2)},
	}}
	if diff := cmp.Diff(want, got); diff != "" || seen != 5 {
		t.Errorf("saw %d; holdings (-want +got):\n%s", seen, diff)
	}
}

func TestAScanThatBreaksIsNoAnswer(t *testing.T) {
	t.Parallel()
	_, err := stats.Records(t.Context(), people{records: []gate.Record{{}}, err: gate.ErrUnavailable}, nil)
	if !errors.Is(err, gate.ErrUnavailable) {
		t.Errorf("err %v, want ErrUnavailable", err)
	}
}
