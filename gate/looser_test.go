package gate_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
)

func TestAPackIsLooserThanAnother(t *testing.T) {
	t.Parallel()
	change := func(s gate.State, f func(*gate.Cell)) func(*gate.Pack) {
		return func(p *gate.Pack) {
			c := p.B2C[s]
			f(&c)
			p.B2C[s] = c
		}
	}
	for sentence, tc := range map[string]struct {
		base   string
		change func(*gate.Pack)
		want   []gate.Problem
	}{
		"no pack is looser than itself": {"CA", func(*gate.Pack) {}, nil},
		"where it permits what was blocked": {
			"EU", change(gate.StateImplied, func(c *gate.Cell) { c.Permit, c.Reason = true, "" }),
			[]gate.Problem{{Field: "states.implied.b2c", Text: "permits; EU blocks with no_consent"}},
		},
		"where a confirmation lifts what nothing lifted": {
			"EU", change(gate.StateB2B, func(c *gate.Cell) { c.Reason = gate.ReasonConfirmationRequired }),
			[]gate.Problem{{Field: "states.b2b.b2c", Text: "a confirmation lifts the block; EU blocks with no_consent"}},
		},
		"where it drops a demand": {
			"DE", change(gate.StateSoft, func(c *gate.Cell) { c.Category = false }),
			[]gate.Problem{{Field: "states.soft.b2c", Text: "asks for no category of goods; DE does"}},
		},
		"where a clock runs longer": {
			"FR", change(gate.StateSoft, func(c *gate.Cell) { c.Expires = gate.Age{Months: 37} }),
			[]gate.Problem{{Field: "states.soft.b2c", Text: "a clock of 37m; in FR it is 3y"}},
		},
		"where a clock is gone": {
			"CA", change(gate.StateSoft, func(c *gate.Cell) { c.Expires, c.FromGrant = gate.Age{}, false }),
			[]gate.Problem{{Field: "states.soft.b2c", Text: "no clock; in CA it is 2y"}},
		},
		"where clicks restart a clock": {
			"CA", change(gate.StateSoft, func(c *gate.Cell) { c.FromGrant = false }),
			[]gate.Problem{{Field: "states.soft.b2c", Text: "any act of the person restarts the clock; in CA it runs from the grant"}},
		},
		"where a source has a longer clock": {
			"CA", change(gate.StateImplied, func(c *gate.Cell) {
				c.Longer = []gate.SourceClock{{Source: "checkout", Expires: gate.Age{Years: 3}, Citation: "x"}, {Source: "contest", Expires: gate.Age{Years: 1}, Citation: "x"}}
			}),
			[]gate.Problem{
				{Field: "states.implied.b2c", Text: "a clock of 3y for source checkout; in CA it is 2y"},
				{Field: "states.implied.b2c", Text: "a clock of 1y for source contest; in CA it is 6m"},
			},
		},
		"where it asks for no evidence": {
			"EU", func(p *gate.Pack) { p.Evidence = false },
			[]gate.Problem{{Field: "evidence", Text: "optional; EU requires it"}},
		},
		"not where it blocks": {
			"EU", change(gate.StateSoft, func(c *gate.Cell) { c.Permit, c.Reason = false, gate.ReasonNoConsent }), nil,
		},
		"not where it asks for a confirmation": {
			"EU", change(gate.StateActiveSingle, func(c *gate.Cell) { c.Permit, c.Reason = false, gate.ReasonConfirmationRequired }), nil,
		},
		"not where a clock begins or is shorter": {
			"CA", change(gate.StateActiveSingle, func(c *gate.Cell) { c.Expires = gate.Age{Days: 900} }), nil,
		},
		"not where all sources have the shortest": {
			"CA", change(gate.StateImplied, func(c *gate.Cell) { c.Longer = nil }), nil,
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			base, own := pack(t, tc.base), pack(t, tc.base)
			base.Evidence, own.Evidence = true, true
			tc.change(&own)
			if diff := cmp.Diff(tc.want, own.LooserThan(base)); diff != "" {
				t.Errorf("looser (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnOptOutPackIsLooserInItsModelAndItsCells(t *testing.T) {
	t.Parallel()
	got := pack(t, "US").LooserThan(pack(t, "EU"))
	if len(got) < 10 || got[0] != (gate.Problem{Field: "model", Text: "opt_out; EU asks for permission first"}) {
		t.Errorf("looser: %v", got)
	}
	if got := pack(t, "EU").LooserThan(pack(t, "US")); got != nil {
		t.Errorf("an opt-in pack is looser than an opt-out one: %v", got)
	}
}
