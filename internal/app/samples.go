package app

import (
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/consentgate/consentgate/gate"
)

// sample is a person of the demo: what happened, and what that must come to.
type sample struct {
	address string
	events  []gate.Event
	blocked gate.Reason // for the newsletter; empty: it must arrive
}

// reason is what must keep the stream's mail from the sample; receipts reach everybody here.
func (s sample) reason(stream string) gate.Reason {
	if stream == "newsletter" {
		return s.blocked
	}
	return ""
}

// samples are one person for each important state.
func samples(now time.Time) []sample {
	h := history{now: now}
	contest := h.granted(gate.MethodPassive, 30)
	contest.Source, contest.DefaultState = gate.Source{Kind: "contest", ID: "summer-quiz"}, gate.DefaultTicked
	double := h.granted(gate.MethodDouble, 20)
	double.Evidence.ConfirmedAt = double.Time
	old := h.granted(gate.MethodActive, 4*365)
	old.Jurisdiction = "FR"
	confirmed := h.event(gate.Confirmed, 10)
	confirmed.Via, confirmed.Evidence.Ref = gate.ViaAccount, "login 4711"
	people := []sample{
		{address: "nobody@example.net", blocked: gate.ReasonNoConsent},
		{address: "contest@example.net", events: []gate.Event{contest}, blocked: gate.ReasonPassiveUnconfirmed},
		{address: "confirmed@example.net", events: []gate.Event{contest, confirmed}},
		{address: "active@example.net", events: []gate.Event{h.granted(gate.MethodActive, 20)}},
		{address: "double@example.net", events: []gate.Event{double}},
		{address: "withdrawn@example.net", events: []gate.Event{h.granted(gate.MethodActive, 20), h.event(gate.Withdrawn, 5)}, blocked: gate.ReasonWithdrawn},
		{address: "complained@example.net", events: []gate.Event{h.granted(gate.MethodActive, 20), h.event(gate.Complained, 5)}, blocked: gate.ReasonComplained},
		{address: "expired@example.net", events: []gate.Event{old}, blocked: gate.ReasonExpired},
	}
	for i := range people {
		for j := range people[i].events {
			people[i].events[j].Recipient = people[i].address
			people[i].events[j].ID = ulid.Make().String()
		}
	}
	return people
}

// history makes events at a distance from now.
type history struct{ now time.Time }

func (h history) event(t gate.EventType, daysAgo int) gate.Event {
	return gate.Event{Type: t, Purpose: "newsletter", Time: h.now.AddDate(0, 0, -daysAgo), Actor: "demo"}
}

func (h history) granted(m gate.Method, daysAgo int) gate.Event {
	e := h.event(gate.Granted, daysAgo)
	e.Method, e.Source, e.DefaultState = m, gate.Source{Kind: "form", ID: "footer"}, gate.DefaultUnticked
	e.Wording = gate.Wording{ID: "newsletter", Version: "1", Language: "en"}
	return e
}
