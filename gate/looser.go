package gate

import (
	"fmt"
	"slices"
)

// LooserThan reports where a pack gives more than base does: it permits what base blocks, lets a clock run longer, or
// drops a demand. Field is the place in the pack's own YAML. Nothing is reported where it is as strict or stricter.
func (p Pack) LooserThan(base Pack) []Problem {
	var found []Problem
	if base.Model == OptIn && p.Model == OptOut {
		found = append(found, Problem{"model", fmt.Sprintf("opt_out; %s asks for permission first", base.Jurisdiction)})
	}
	if base.Evidence && !p.Evidence {
		found = append(found, Problem{"evidence", fmt.Sprintf("optional; %s requires it", base.Jurisdiction)})
	}
	for _, s := range states() {
		for _, side := range []struct {
			name      string
			own, base Cell
		}{{"b2c", p.B2C[s], base.B2C[s]}, {"b2b", p.B2B[s], base.B2B[s]}} {
			for _, text := range side.own.looserThan(side.base, base.Jurisdiction) {
				found = append(found, Problem{"states." + string(s) + "." + side.name, text})
			}
		}
	}
	return found
}

// looserThan says in what a cell gives more than base, the cell of pack whose.
func (c Cell) looserThan(base Cell, whose string) []string {
	own, other := ruling{Cell: c}, ruling{Cell: base}
	var found []string
	switch {
	case own.severity() >= other.severity():
	case base.Permit:
		found = append(found, fmt.Sprintf("asks for no category of goods; %s does", whose))
	case c.Permit:
		return append(found, fmt.Sprintf("permits; %s blocks with %s", whose, base.Reason))
	default:
		return append(found, fmt.Sprintf("a confirmation lifts the block; %s blocks with %s", whose, base.Reason))
	}
	if !c.Permit || !base.Permit {
		return found
	}
	if base.FromGrant && !c.FromGrant && !c.Expires.IsZero() {
		found = append(found, fmt.Sprintf("any act of the person restarts the clock; in %s it runs from the grant", whose))
	}
	return append(found, c.longerThan(base, whose)...)
}

// longerThan compares the clocks: that of every source, and those that only some have.
func (c Cell) longerThan(base Cell, whose string) []string {
	sources := []string{""}
	for _, l := range slices.Concat(c.Longer, base.Longer) {
		if !slices.Contains(sources, l.Source) {
			sources = append(sources, l.Source)
		}
	}
	var found []string
	for _, source := range sources {
		own, _ := c.clock(source)
		other, _ := base.clock(source)
		if !other.shorterThan(own) {
			continue
		}
		what := "no clock"
		if !own.IsZero() {
			what = "a clock of " + own.String()
		}
		if source != "" {
			what += " for source " + source
		}
		found = append(found, fmt.Sprintf("%s; in %s it is %s", what, whose, other))
	}
	return found
}
