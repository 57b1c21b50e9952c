package evidence

import (
	"slices"
	"strings"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// history is a person's events in the order in which they happened, and the standing marks on their sources.
type history struct {
	events []gate.Event
	marks  []gate.Mark
}

func newHistory(events []gate.Event, marks gate.Marks) history {
	ordered := slices.Clone(events)
	slices.SortStableFunc(ordered, func(a, b gate.Event) int { return a.Time.Compare(b.Time) })
	return history{ordered, marks.Concerning(ordered)}
}

// after is the record once the first n events had happened, under the marks that were set until then.
func (h history) after(n int, at time.Time) gate.Record {
	until := gate.Marks{}
	for _, m := range h.marks {
		if !m.Time.After(at) {
			until[m.Source] = append(until[m.Source], m)
		}
	}
	return until.Fold(h.events[:n])
}

// log tells what happened, each with the state after it.
func (h history) log() []Event {
	out, marks := make([]Event, 0, len(h.events)+len(h.marks)), h.marks
	for i, e := range h.events {
		for len(marks) > 0 && marks[0].Time.Before(e.Time) {
			out, marks = append(out, h.marked(marks[0], i)), marks[1:]
		}
		v := Event{
			Time: e.Time, Type: e.Type, Entity: e.Actor, ID: e.ID, Purpose: e.Purpose, Method: e.Method, Via: e.Via,
			Controller: e.Controller, Jurisdiction: e.Jurisdiction, Audience: e.Audience, Source: e.Source,
			DefaultState: e.DefaultState, Notice: e.Wording, Evidence: e.Evidence, IP: e.IP, UserAgent: e.UserAgent, Note: e.Note,
		}
		v.stand(h.after(i+1, e.Time))
		out = append(out, v)
	}
	for _, m := range marks {
		out = append(out, h.marked(m, len(h.events)))
	}
	return out
}

// marked tells that a source was declared invalid when n events had happened.
func (h history) marked(m gate.Mark, n int) Event {
	kind, id, _ := strings.Cut(m.Source, ":")
	v := Event{
		Time: m.Time, Type: gate.Invalidated, Entity: m.Actor, ID: m.ID, Source: gate.Source{Kind: kind, ID: id}, Note: m.Why,
	}
	v.stand(h.after(n, m.Time))
	return v
}

// stand notes the state of what the event speaks of: its purpose, or every one that is known.
func (e *Event) stand(r gate.Record) {
	if e.Purpose != "" && e.Purpose != gate.AllPurposes {
		e.State = r.For(e.Purpose).State
		return
	}
	for purpose, c := range r.Consents {
		if purpose == gate.AllPurposes {
			e.State = c.State
			continue
		}
		if e.States == nil {
			e.States = make(States, len(r.Consents))
		}
		e.States[purpose] = c.State
	}
}

func (h history) invalidations() []Invalidation {
	out := []Invalidation{}
	for _, m := range h.marks {
		out = append(out, Invalidation{ID: m.ID, Source: m.Source, Time: m.Time, Actor: m.Actor, Why: m.Why})
	}
	return out
}

// basis is what a consent rests on, or rested on before the person refused: a refusal forgets how it was confirmed.
func (h history) basis(purpose string, c gate.Consent) string {
	for n := len(h.events); refused(c); n-- {
		if n == 0 {
			return BasisRefused
		}
		c = h.after(n-1, h.events[n-1].Time).For(purpose)
	}
	if c.State == gate.StateNone && c.Method == "" {
		return BasisRefused
	}
	return basisOf(c)
}

func refused(c gate.Consent) bool { return c.State == gate.StateWithdrawn || !c.Refused.IsZero() }
