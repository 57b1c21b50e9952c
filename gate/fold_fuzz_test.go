package gate_test

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
)

// excepted are the grants that the laws of opt-in packs take although they are no act of the person, by jurisdiction:
// customers everywhere; where the law says so, relationships that imply consent, and professional addresses. It stands
// here beside the packs so that one that permits more fails.
func excepted() map[string][]gate.Method {
	const customer, implied, business = gate.MethodSoft, gate.MethodImplied, gate.MethodB2B
	return map[string][]gate.Method{
		"AU": {customer, implied, business},
		"CA": {customer, implied, business},
		"DE": {customer},
		"ES": {customer},
		"EU": {customer},
		"FR": {customer, business},
		"IT": {customer},
		"UK": {customer, business},
	}
}

func optIn(t testing.TB) (opt []gate.Pack) {
	t.Helper()
	for _, p := range packs(t) {
		if p.Model == gate.OptIn {
			opt = append(opt, p)
		}
	}
	return opt
}

func TestAnOptInPackTakesNoMoreWithoutAnActThanTheLawExcepts(t *testing.T) {
	t.Parallel()
	var codes []string
	for _, p := range optIn(t) {
		codes = append(codes, p.Jurisdiction)
		if got, want := takesWithoutAnAct(p), excepted()[p.Jurisdiction]; !slices.Equal(got, want) {
			t.Errorf("%s takes %q, want %q", p.Jurisdiction, got, want)
		}
		for _, s := range []gate.State{gate.StateNone, gate.StatePassiveUnconfirmed, gate.StateActivePending} {
			if p.B2C[s].Permit || p.B2B[s].Permit {
				t.Errorf("%s permits %s", p.Jurisdiction, s)
			}
		}
		if p.B2C[gate.StateB2B].Permit {
			t.Errorf("%s permits mail to private people whose address is said to be professional", p.Jurisdiction)
		}
	}
	if want := slices.Sorted(maps.Keys(excepted())); !slices.Equal(codes, want) {
		t.Errorf("opt-in packs %q, want %q", codes, want)
	}
}

func takesWithoutAnAct(p gate.Pack) (methods []gate.Method) {
	for _, c := range []struct {
		cell   gate.Cell
		method gate.Method // that gives the cell's state
	}{
		{p.B2C[gate.StateSoft], gate.MethodSoft},
		{p.B2C[gate.StateImplied], gate.MethodImplied},
		{p.B2B[gate.StateB2B], gate.MethodB2B},
	} {
		if c.cell.Permit {
			methods = append(methods, c.method)
		}
	}
	return methods
}

// eventsOf turns bytes into a history, four bytes an event, so that a fuzzer can write one.
func eventsOf(data []byte) []gate.Event {
	types := []gate.EventType{
		gate.Granted, gate.Withdrawn, gate.Confirmed, gate.ConfirmationRequested, gate.Complained, gate.Renewed, gate.Refused,
		gate.Activity, gate.Invalidated, gate.Bounced, gate.Suppressed, gate.Unsuppressed, gate.Erased, "sneezed", gate.Restored,
	}
	methods := []gate.Method{
		gate.MethodPassive, gate.MethodActive, gate.MethodDouble, gate.MethodImported, gate.MethodSoft, gate.MethodB2B,
		gate.MethodImplied, gate.MethodVerbal, gate.MethodPaper, "", "telepathy",
	}
	vias := []gate.Via{gate.ViaMailbox, gate.ViaAccount, "", gate.ViaPhone, "dream"}
	defaults := []gate.DefaultState{"", gate.DefaultTicked, gate.DefaultUnticked}
	purposes := []string{"newsletter", "*", "partners", ""}
	places := []string{"", "FR", "US", "DE", "CA", "AU", "UK", "XX"}
	audiences := []string{"", "b2b", "", "b2c"}
	var events []gate.Event
	for i := 0; i+4 <= len(data) && len(events) < 24; i += 4 {
		a, b, c, d := int(data[i]), int(data[i+1]), int(data[i+2]), int(data[i+3])
		e := gate.Event{
			ID: strings.Repeat("i", d%29), Type: types[a%len(types)], Purpose: purposes[a/16%len(purposes)],
			Method: methods[b%len(methods)], Via: vias[b/16%len(vias)], Time: on(c % 40), DefaultState: defaults[c/64%len(defaults)],
			Jurisdiction: places[d/32%len(places)], Audience: audiences[a/64%len(audiences)], Source: gate.Source{Kind: "form", ID: string(rune('a' + b%3))},
		}
		if d%2 == 1 {
			e.Evidence = gate.Evidence{ConfirmedAt: e.Time, SaleRef: "S", OptoutOffered: true, Category: "a b%c"}
		}
		if e.Type == gate.Confirmed && d%3 > 0 {
			e.Evidence.Ref = "proof"
		}
		if e.Type == gate.Restored && len(events) > 0 {
			undone := events[len(events)-1]
			e.Evidence.Ref, e.Purpose, e.Time = undone.ID, undone.Purpose, undone.Time.Add(time.Duration(b)*time.Second)
		}
		events = append(events, e)
	}
	return events
}

// anAct reports whether the event is one by which a person can have given permission for a purpose. A box that was
// ticked for them is none, whatever the event calls it.
func anAct(e gate.Event, purpose string) bool {
	switch {
	case e.Purpose != purpose:
		return false
	case e.Type == gate.Confirmed:
		return slices.Contains([]gate.Via{gate.ViaMailbox, gate.ViaAccount, gate.ViaPhone, gate.ViaPaper, gate.ViaInPerson}, e.Via)
	case e.Type == gate.Renewed && e.Method == "", isGrant(e) && e.Method == gate.MethodActive:
		return e.DefaultState != gate.DefaultTicked
	}
	return isGrant(e) && slices.Contains([]gate.Method{gate.MethodDouble, gate.MethodVerbal, gate.MethodPaper}, e.Method)
}

func isGrant(e gate.Event) bool { return e.Type == gate.Granted || e.Type == gate.Renewed }

// isExcepted reports whether the event is a grant on a stream that the law of a jurisdiction takes without an act.
func isExcepted(e gate.Event, s *gate.Stream, jurisdiction string) bool {
	professional := e.Audience == "b2b" || e.Audience == "" && s.Audience == "b2b"
	return isGrant(e) && e.Purpose == s.Purpose && slices.Contains(excepted()[jurisdiction], e.Method) &&
		(professional || e.Method != gate.MethodB2B)
}

// lastRefusal is when the purpose was refused last, by name or with all others; zero: never.
func lastRefusal(events []gate.Event, purpose string) (last time.Time) {
	for _, e := range events {
		if e.IsRefusal() && (e.Purpose == purpose || e.Purpose == gate.AllPurposes || e.Purpose == "") && e.Time.After(last) {
			last = e.Time
		}
	}
	return last
}

// mayReopen reports whether events hold what it takes to bring somebody back for a purpose: that they asked for it after
// the refusal (a grant by an act, or a request), and a confirmation with a reference not before that. An undo takes the
// refusal itself back.
func mayReopen(events []gate.Event, purpose string, refused time.Time) bool {
	asked := func(e gate.Event) bool {
		return e.Purpose == purpose && e.Time.After(refused) &&
			(e.Type == gate.ConfirmationRequested || e.Type != gate.Confirmed && anAct(e, purpose))
	}
	return slices.ContainsFunc(events, func(e gate.Event) bool {
		if e.Type == gate.Restored {
			return true
		}
		return e.Type == gate.Confirmed && e.Purpose == purpose && e.Evidence.Ref != "" && slices.ContainsFunc(events, func(a gate.Event) bool {
			return asked(a) && !a.Time.After(e.Time)
		})
	})
}

// asked is a policy and a stream to ask it about.
type asked struct {
	name   string
	policy *gate.Policy
	stream *gate.Stream
}

// optInAsked are each opt-in pack alone, and all packs at once, so that records choose, the opt-out one too: with streams
// to private and to professional recipients that name no jurisdiction.
func optInAsked(t testing.TB) (all []asked) {
	t.Helper()
	everything := []string{"EU"}
	for _, p := range packs(t) {
		if p.Jurisdiction != "EU" {
			everything = append(everything, p.Jurisdiction)
		}
	}
	policies := map[string]*gate.Policy{"all": policy(t, everything...)}
	for _, p := range optIn(t) {
		policies[p.Jurisdiction] = policy(t, p.Jurisdiction)
	}
	for _, name := range slices.Sorted(maps.Keys(policies)) {
		for _, audience := range []string{"", "b2b"} {
			s := &gate.Stream{Name: "newsletter", Kind: gate.KindMarketing, Purpose: "newsletter", Audience: audience}
			all = append(all, asked{strings.TrimSpace(name + " " + audience), policies[name], s})
		}
	}
	return all
}

// stored are those that a store takes of events that come one after another: of an id the first.
func stored(events []gate.Event) (taken []gate.Event) {
	for _, e := range events {
		if e.ID == "" || !slices.ContainsFunc(taken, func(t gate.Event) bool { return t.ID == e.ID }) {
			taken = append(taken, e)
		}
	}
	return taken
}

// past is a history and what it adds up to, alone and with a sync behind it that repeats grants.
type past struct {
	events      []gate.Event
	rec, synced gate.Record
}

func newPast(t testing.TB, events []gate.Event) past {
	t.Helper()
	synced := append(slices.Clip(events), event(t, "42 granted active id=sync1"), event(t, "43 granted double confirmed id=sync2"), event(t, "44 granted soft id=sync3"))
	return past{events, gate.Fold(events), gate.Fold(synced)}
}

func (a asked) check(t *testing.T, ann gate.Address, p past) {
	t.Helper()
	if d := a.policy.Decide(on(41), a.stream, ann, gate.Lookup{Record: p.rec}); d.Verdict == gate.Permit {
		a.checkPermit(t, d, p)
	}
	after := a.policy.Decide(on(45), a.stream, ann, gate.Lookup{Record: p.synced})
	if p.rec.For("newsletter").State == gate.StateWithdrawn && (after.Verdict != gate.Block || !after.Refusal() && after.Reason != gate.ReasonHardBounced) {
		t.Fatalf("%s: a sync reopened a refusal: %s", a.name, text(p.synced))
	}
}

func (a asked) checkPermit(t *testing.T, d gate.Decision, p past) {
	t.Helper()
	permits := func(e gate.Event) bool { return anAct(e, "newsletter") || isExcepted(e, a.stream, d.Jurisdiction) }
	if !slices.ContainsFunc(p.events, permits) {
		t.Fatalf("%s: permitted (%s) without an act by the person: %s", a.name, d.Citation, text(p.rec))
	}
	if refused := lastRefusal(p.events, "newsletter"); !refused.IsZero() && !mayReopen(p.events, "newsletter", refused) {
		t.Fatalf("%s: reopened without a request and a confirmation that refers to it: %s", a.name, text(p.rec))
	}
}

func FuzzFold(f *testing.F) {
	f.Add([]byte{}, uint64(1))
	f.Add([]byte{0, 0, 1, 1, 2, 0, 2, 2}, uint64(2))                          // passive, confirmed from the mailbox
	f.Add([]byte{0, 1, 1, 1, 1, 0, 2, 2, 0, 2, 3, 3}, uint64(3))              // active, withdrawn, double
	f.Add([]byte{19, 0, 1, 1, 3, 0, 2, 2, 2, 0, 3, 3}, uint64(4))             // complaint about all, request, mailbox
	f.Add([]byte{0, 4, 1, 1, 8, 0, 2, 2, 0, 4, 3, 3, 12, 0, 4, 4}, uint64(5)) // soft, invalidated, soft, erased
	f.Add([]byte{0, 1, 1, 1, 1, 0, 2, 2, 14, 60, 0, 3}, uint64(6))            // active, withdrawn, restored
	f.Add([]byte{0, 1, 1, 1, 1, 0, 2, 2, 2, 0, 3, 4}, uint64(7))              // active, withdrawn, confirmed out of nothing
	f.Add([]byte{0, 1, 1, 1, 1, 0, 2, 2, 3, 0, 3, 5, 2, 0, 4, 7}, uint64(8))  // and asked for before
	f.Add([]byte{0, 6, 1, 129, 7, 0, 2, 130}, uint64(9))                      // implied in Canada, a click
	f.Add([]byte{75, 5, 1, 33, 0, 0, 2, 34}, uint64(10))                      // professional in France, a pre-ticked box
	f.Add([]byte{0, 1, 65, 65, 0, 5, 2, 66}, uint64(11))                      // active of a ticked box, professional in the US
	f.Add([]byte{61, 0, 18, 2, 46, 0, 12, 2, 75, 5, 32, 3}, uint64(12))       // two withdrawals of one id, professional
	all, ann := optInAsked(f), address(f, "ann@example.com")
	f.Fuzz(func(t *testing.T, data []byte, seed uint64) {
		events := eventsOf(data)
		rec := gate.Fold(events)
		shuffled := slices.Clone(events)
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if other := gate.Fold(shuffled); !cmp.Equal(rec, other) {
			t.Fatalf("two orders, two records:\n%s\n%s", text(rec), text(other))
		}
		var read gate.Record
		for _, f := range rec.Fields() {
			if err := read.SetField(f[0], f[1]); err != nil {
				t.Fatal(err)
			}
		}
		if !cmp.Equal(rec, read) {
			t.Fatalf("text form lost something:\n%s", cmp.Diff(rec, read))
		}
		p := newPast(t, stored(events))
		for _, a := range all {
			a.check(t, ann, p)
		}
	})
}
