package gate

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Model is what a jurisdiction asks before the first message. The set is closed.
type Model string

// The models: permission first, or messages until the person objects.
const (
	OptIn  Model = "opt_in"
	OptOut Model = "opt_out"
)

// Pack is a jurisdiction's rules as data: one cell for each state and audience. Package policies reads packs from YAML.
type Pack struct {
	Jurisdiction string // two upper-case letters: EU, FR
	Name         string
	Version      string
	Model        Model
	Evidence     bool // evidence: required, for every consent
	B2C, B2B     map[State]Cell
}

// Cell is a pack's answer about one state and audience, with the law it rests on.
type Cell struct {
	Permit   bool
	Reason   Reason // of a block; empty with Permit
	Citation string
	Category bool // the consent must name the category of goods or services it covers

	Expires   Age           // zero: no clock
	Clock     string        // citation of Expires
	FromGrant bool          // the clock runs from the grant, which only a new one restarts; else from the person's last act
	Longer    []SourceClock // what grants of some sources get in place of Expires
}

// SourceClock is the clock of grants that came from one kind of source: in Canada a purchase counts for longer than an
// inquiry.
type SourceClock struct {
	Source   string // a source.kind
	Expires  Age    // longer than the cell's own, which counts for whatever does not say
	Citation string
}

// clock is the span and the law of a consent from this source ("kind:id").
func (c Cell) clock(source string) (Age, string) {
	kind, _, _ := strings.Cut(source, ":")
	for _, l := range c.Longer {
		if l.Source == kind {
			return l.Expires, l.Citation
		}
	}
	return c.Expires, c.Clock
}

// Age is a span of the calendar, as laws count: three years are three years in leap years too.
type Age struct{ Years, Months, Days int }

// ParseAge reads a number and its unit: 3y, 6m (months) or 30d.
func ParseAge(s string) (Age, error) {
	if s != "" {
		n, err := strconv.Atoi(s[:len(s)-1])
		if err == nil && n > 0 && n < 1000 {
			switch s[len(s)-1] {
			case 'y':
				return Age{Years: n}, nil
			case 'm':
				return Age{Months: n}, nil
			case 'd':
				return Age{Days: n}, nil
			}
		}
	}
	return Age{}, fmt.Errorf("%q is no span of time; write 3y, 6m or 30d", s)
}

// After returns the moment at which a clock that started at t runs out.
func (a Age) After(t time.Time) time.Time { return t.AddDate(a.Years, a.Months, a.Days) }

// String is what ParseAge reads; empty for no clock.
func (a Age) String() string {
	switch {
	case a.Years > 0:
		return strconv.Itoa(a.Years) + "y"
	case a.Months > 0:
		return strconv.Itoa(a.Months) + "m"
	case a.Days > 0:
		return strconv.Itoa(a.Days) + "d"
	}
	return ""
}

// IsZero reports whether there is no clock.
func (a Age) IsZero() bool { return a == Age{} }

func (a Age) shorterThan(b Age) bool {
	if a.IsZero() || b.IsZero() {
		return !a.IsZero()
	}
	var origin time.Time
	return a.After(origin).Before(b.After(origin))
}

// States lists the states that a pack answers for, in the order in which they are shown.
func States() []State { return states() }

// ParseState reads the name of a state.
func ParseState(s string) (State, error) {
	if st := State(s); st.known() {
		return st, nil
	}
	return "", fmt.Errorf("unknown state %q; use one of %v", s, states())
}

// Problem is one thing wrong with a pack. Field is its place in the pack's YAML: "version", "states.soft.b2b".
type Problem struct{ Field, Text string }

// Problems reports everything wrong with a pack.
func (p Pack) Problems() []Problem {
	var found []Problem
	if !IsJurisdiction(p.Jurisdiction) {
		found = append(found, Problem{"jurisdiction", "use two upper-case letters, as in FR"})
	}
	if p.Version == "" {
		found = append(found, Problem{"version", "missing"})
	}
	if p.Model != OptIn && p.Model != OptOut {
		found = append(found, Problem{"model", fmt.Sprintf("%q is neither opt_in nor opt_out", p.Model)})
	}
	for _, s := range states() {
		if text := p.checkCell(p.B2C, s); text != "" {
			found = append(found, Problem{"states." + string(s) + ".b2c", text})
		}
		if text := p.checkCell(p.B2B, s); text != "" {
			found = append(found, Problem{"states." + string(s) + ".b2b", text})
		}
	}
	return found
}

func (p Pack) checkCell(cells map[State]Cell, s State) string {
	c, ok := cells[s]
	reason := blockedState(s)
	switch {
	case !ok:
		return "missing; a pack answers for every state"
	case c.Citation == "":
		return "without a citation; name the law, case or policy it rests on"
	case !c.Expires.IsZero() && c.Clock == "":
		return "a clock without a citation"
	case slices.ContainsFunc(c.Longer, func(l SourceClock) bool { return !c.Expires.shorterThan(l.Expires) }):
		return "a source's clock that is not longer than the state's own"
	case slices.ContainsFunc(c.Longer, func(l SourceClock) bool { return l.Citation == "" }):
		return "a source's clock without a citation"
	case c.Permit == (c.Reason != ""):
		return "either permits or names a reason"
	case !c.Permit && !c.Reason.ofConsent():
		return fmt.Sprintf("%q is no reason a pack can give", c.Reason)
	case reason != "" && c.Reason != reason && (p.Model == OptIn || alwaysBlocked(s)):
		return fmt.Sprintf("must be blocked with %s", reason)
	}
	return ""
}

// blockedState is the reason that a state by itself gives where permission comes first; empty for a permission that a
// pack weighs.
func blockedState(s State) Reason {
	switch s {
	case StateNone:
		return ReasonNoConsent
	case StatePassiveUnconfirmed:
		return ReasonPassiveUnconfirmed
	case StateActivePending:
		return ReasonConfirmationPending
	case StateInvalidated:
		return ReasonInvalidated
	case StateWithdrawn:
		return ReasonWithdrawn
	case StateExpired:
		return ReasonExpired
	}
	return ""
}

// alwaysBlocked names the states that no law lets pass: a refusal, and a clock that ran out.
func alwaysBlocked(s State) bool { return s == StateWithdrawn || s == StateExpired }

// IsSourceKind reports whether s is one of the kinds of source that events may name.
func IsSourceKind(s string) bool { return slices.Contains(strings.Fields(sourceKinds), s) }

// ofConsent reports whether a pack may give the reason.
func (r Reason) ofConsent() bool {
	switch r {
	case ReasonNoConsent, ReasonPassiveUnconfirmed, ReasonConfirmationPending, ReasonConfirmationRequired,
		ReasonWithdrawn, ReasonExpired, ReasonInvalidated, ReasonEvidenceIncomplete:
		return true
	}
	return false
}
