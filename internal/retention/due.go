package retention

import (
	"strings"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// rule names why a history goes; empty: it stays.
type rule string

const (
	evidence rule = "evidence"
	inactive rule = "inactive"
)

// due reports by which rule a person's history goes now.
func (j *Job) due(p gate.Person) rule {
	switch {
	case len(p.Events) == 0 || erasedAlready(p):
		return ""
	case j.Periods.Evidence > 0 && j.ended(p, j.Now.Add(-j.Periods.Evidence)):
		return evidence
	case j.Periods.Inactive > 0 && !lastAct(p.Events).After(j.Now.Add(-j.Periods.Inactive)):
		return inactive
	}
	return ""
}

// erasedAlready reports whether nothing but refusals and erasures are left.
func erasedAlready(p gate.Person) bool {
	if p.Sealed != "" {
		return false
	}
	for _, e := range p.Events {
		if e.Type != gate.Erased && !strings.HasPrefix(e.ID, "kept:") {
			return false
		}
	}
	return true
}

// ended reports whether at a moment every consent of the person had ended already, by a refusal or a clock, and nothing
// was said since.
func (j *Job) ended(p gate.Person, at time.Time) bool {
	for _, e := range p.Events {
		if e.Time.After(at) {
			return false
		}
	}
	purposes := purposesOf(p.Record)
	for _, purpose := range purposes {
		if !j.endedFor(purpose, p.Record, at) {
			return false
		}
	}
	return len(purposes) > 0
}

// purposesOf lists what the person has said something about.
func purposesOf(r gate.Record) (purposes []string) {
	for purpose := range r.Consents {
		purposes = append(purposes, purpose)
	}
	for _, s := range r.Suppressions {
		if s.Kind != gate.SuppressionHardBounced {
			purposes = append(purposes, s.Scope)
		}
	}
	return purposes
}

// endedFor asks every stream that the consent could count on, and one that stands for those that are not configured.
func (j *Job) endedFor(purpose string, r gate.Record, at time.Time) bool {
	streams := []*gate.Stream{{Name: "retention", Kind: gate.KindMarketing, Purpose: purpose}}
	for _, s := range j.Streams {
		if s.Purpose == purpose && s.Kind != gate.KindTransactional {
			streams = append(streams, s)
		}
	}
	for _, s := range streams {
		switch j.Policy.Decide(at, s, anybody(), gate.Lookup{Record: r}).Reason {
		case gate.ReasonWithdrawn, gate.ReasonExpired, gate.ReasonInvalidated, gate.ReasonComplained, gate.ReasonSuppressed:
		default:
			return false
		}
	}
	return true
}

// anybody stands for the person's address, on which no consent depends.
func anybody() gate.Address {
	a, _ := gate.ParseAddress("person@example.com") // is one
	return a
}

// lastAct is the moment from which inactivity counts: the person's last act, or where there was none the first event,
// since when something is kept. What a sync repeats is no act.
func lastAct(events []gate.Event) time.Time {
	first, last := events[0].Time, time.Time{}
	for _, e := range events {
		if e.Time.Before(first) {
			first = e.Time
		}
		if isAct(e) && e.Time.After(last) {
			last = e.Time
		}
	}
	if last.IsZero() {
		return first
	}
	return last
}

// isAct reports whether the person did what the event says.
func isAct(e gate.Event) bool {
	switch e.Type {
	case gate.Confirmed, gate.Refused, gate.Withdrawn, gate.Restored, gate.Renewed, gate.Activity, gate.Complained:
		return true
	case gate.Granted:
		switch e.Method {
		case gate.MethodActive, gate.MethodDouble, gate.MethodVerbal, gate.MethodPaper, gate.MethodSoft:
			return true
		}
	}
	return false
}
