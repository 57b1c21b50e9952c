package stats

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/consentgate/consentgate/gate"
)

// Holding is how many consents stand in one state.
type Holding struct {
	Purpose  string      `json:"purpose"`
	State    gate.State  `json:"state"`
	Method   gate.Method `json:"method"` // of the grant; empty: none
	Class    string      `json:"class"`  // passive, active or other
	Consents int64       `json:"consents"`
	Share    float64     `json:"share"` // of all consents of the purpose
}

// Holdings are the consents that stand now. Expiry is the packs' and not in it: a state is what the events add up to.
type Holdings struct {
	Recipients int64        `json:"recipients"`
	Consents   int64        `json:"consents"` // one for each recipient and purpose
	Rows       []Holding    `json:"rows"`     // by purpose, the most first
	Classes    []ClassShare `json:"classes"`  // passive, active, other; always these three
}

// ClassShare is how many of all consents rest on grants of a class.
type ClassShare struct {
	Class    string   `json:"class"`
	Consents int64    `json:"consents"`
	Share    *float64 `json:"share"` // of all; null: there are none
}

// holding is what Records sums by.
type holding struct {
	purpose string
	state   gate.State
	method  gate.Method
}

// Records looks at every recipient, in constant memory. progress hears how many so far; may be nil.
func Records(ctx context.Context, store gate.Scanner, progress func(recipients int)) (Holdings, error) {
	var h Holdings
	sums, purposes := make(map[holding]int64), make(map[string]string)
	for p, err := range store.Persons(ctx) {
		if err != nil {
			return Holdings{}, err
		}
		h.Recipients++
		for purpose, c := range p.Record.Consents {
			sums[holding{bounded(purposes, purpose, maxPurposes), c.State, c.Method}]++
			h.Consents++
		}
		if progress != nil {
			progress(int(h.Recipients))
		}
	}
	h.Rows = rowsOf(sums)
	for _, class := range []string{Passive, Active, Other} {
		var n int64
		for _, row := range h.Rows {
			if row.Class == class {
				n += row.Consents
			}
		}
		h.Classes = append(h.Classes, ClassShare{class, n, share(n, h.Consents)})
	}
	return h, nil
}

func rowsOf(sums map[holding]int64) []Holding {
	whole := make(map[string]int64)
	for k, n := range sums {
		whole[k.purpose] += n
	}
	keys := slices.SortedFunc(maps.Keys(sums), func(a, b holding) int {
		return cmp.Or(
			cmp.Compare(a.purpose, b.purpose), cmp.Compare(sums[b], sums[a]),
			cmp.Compare(a.state, b.state), cmp.Compare(a.method, b.method),
		)
	})
	rows := make([]Holding, len(keys))
	for i, k := range keys {
		rows[i] = Holding{
			Purpose: k.purpose, State: k.state, Method: k.method, Class: Class(k.method),
			Consents: sums[k], Share: float64(sums[k]) / float64(whole[k.purpose]),
		}
	}
	return rows
}
