package gate_test

import (
	"testing"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/policies"
)

// usPack is an opt-out pack: mail until the person objects.
func usPack() gate.Pack {
	permit := gate.Cell{Permit: true, Citation: "15 USC 7704 (opt-out)"}
	cells := map[gate.State]gate.Cell{
		gate.StateNone: permit, gate.StatePassiveUnconfirmed: permit, gate.StatePassiveConfirmed: permit,
		gate.StateActiveSingle: permit, gate.StateActivePending: permit, gate.StateActiveDouble: permit,
		gate.StateSoft: permit, gate.StateB2B: permit, gate.StateImplied: permit,
		gate.StateInvalidated: permit,
		gate.StateWithdrawn:   {Reason: gate.ReasonWithdrawn, Citation: "15 USC 7704(a)(4)"},
		gate.StateExpired:     {Reason: gate.ReasonExpired, Citation: "15 USC 7704(a)(4)"},
	}
	return gate.Pack{Jurisdiction: "US", Name: "United States", Version: "1", Model: gate.OptOut, B2C: cells, B2B: cells}
}

func packs(t testing.TB) []gate.Pack {
	t.Helper()
	list, err := policies.Load()
	if err != nil {
		t.Fatal(err)
	}
	return append(list, usPack())
}

// policy enables the jurisdictions; the first is the default.
func policy(t testing.TB, enabled ...string) *gate.Policy {
	t.Helper()
	p, err := gate.NewPolicy(packs(t), enabled, enabled[0])
	if err != nil {
		t.Fatal(err)
	}
	return p
}
