package gate_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/consentgate/consentgate/gate"
)

// A place that is not enabled never gets more than every enabled pack would give: what is permitted there is permitted
// by each, at any age.
func TestTheStrictestPermitsNothingThatAnEnabledPackBlocks(t *testing.T) {
	t.Parallel()
	histories := []string{
		"", "1 granted passive", "1 granted passive; 2 confirmed account", "1 granted passive; 2 confirmed mailbox",
		"1 granted active", "1 granted active; 2 confirmed mailbox", "1 granted active; 400 activity", "1 granted double",
		"1 granted double confirmed", "1 granted soft sale=A", "1 granted soft sale=A category=books",
		"1 granted soft sale=A category=books from=checkout:shop; 400 activity", "1 granted b2b audience=b2b",
		"1 granted implied audience=b2c from=checkout:shop", "1 granted implied audience=b2c from=form:offer",
		"1 granted active; 2 withdrawn", "1 withdrawn; 2 granted active", "1 granted active; 2 invalidated",
	}
	permits := 0
	for _, set := range [][]gate.Pack{packs(t), demanding(t)} {
		for _, enabled := range enabledSets("AU", "CA", "DE", "ES", "EU", "FR", "UK") {
			p, err := gate.NewPolicy(set, append(slices.Clone(enabled), "US"), enabled[0])
			if err != nil {
				t.Fatal(err)
			}
			for _, history := range histories {
				permits += comparePlaces(t, p, enabled, history)
			}
		}
	}
	if permits == 0 {
		t.Error("nothing was permitted anywhere: the test proves nothing")
	}
}

// demanding is the packs with one that asks where those of today do not.
func demanding(t *testing.T) []gate.Pack {
	t.Helper()
	list := packs(t)
	i := slices.IndexFunc(list, func(p gate.Pack) bool { return p.Jurisdiction == "UK" })
	list[i] = pack(t, "UK")
	c := list[i].B2C[gate.StatePassiveConfirmed]
	c.Expires, c.Clock, c.Category = gate.Age{Months: 14}, "house rule", true
	list[i].B2C[gate.StatePassiveConfirmed] = c
	return list
}

// comparePlaces asks about a place that is not enabled and about each that is, and counts what the former permits.
func comparePlaces(t *testing.T, p *gate.Policy, enabled []string, history string) (permits int) {
	t.Helper()
	for _, day := range []int{3, 184, 430, 731, 1097, 1500} {
		if decideIn(t, p, "IT", history, day).Verdict != gate.Permit {
			continue
		}
		permits++
		for _, code := range enabled {
			if d := decideIn(t, p, code, history, day); d.Verdict != gate.Permit {
				t.Errorf("%v, %q on day %d: permitted elsewhere, and in %s %s", enabled, history, day, code, d.Reason)
			}
		}
	}
	return permits
}

// enabledSets are all pairs of codes, both ways round, and all of them together.
func enabledSets(codes ...string) [][]string {
	sets := [][]string{codes}
	for _, a := range codes {
		for _, b := range codes {
			if a != b {
				sets = append(sets, []string{a, b})
			}
		}
	}
	return sets
}

// decideIn asks about a person whose record names a place.
func decideIn(t *testing.T, p *gate.Policy, code, history string, day int) gate.Decision {
	t.Helper()
	var events []gate.Event
	for i, line := range strings.Split(history, ";") {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		e := event(t, line)
		e.ID, e.Jurisdiction = fmt.Sprint(i), code
		events = append(events, e)
	}
	l := gate.Lookup{Record: gate.Fold(events)}
	if len(events) == 0 {
		l.Record.Jurisdiction = code
	}
	return p.Decide(on(day), stream(t, ""), address(t, "ann@example.com"), l)
}
