package gate_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/policies"
)

// The day that a mark is set, and others around it.
var (
	marked = time.Date(2026, 11, 10, 9, 30, 15, 500, time.UTC)
	quiz   = gate.Source{Kind: "contest", ID: "summer-quiz"}
	footer = gate.Source{Kind: "form", ID: "footer"}
)

func around(days int) time.Time { return marked.AddDate(0, 0, days) }

// said is an event for the newsletter, with all that any type or method wants.
func said(t gate.EventType, from gate.Source, at time.Time) gate.Event {
	return gate.Event{
		ID: fmt.Sprint(t, from.Kind, at.UnixNano()), Type: t, Purpose: "newsletter", Time: at, Source: from,
		Method: gate.MethodActive, Via: gate.ViaMailbox, Audience: "b2c", DefaultState: gate.DefaultUnticked,
		Evidence: gate.Evidence{SaleRef: "sale", OptoutOffered: true, Ref: "ref", Category: "books"},
	}
}

func markOn(source string) gate.Mark {
	return gate.Mark{ID: "m1", Source: source, Time: marked, Why: "the box was ticked for everybody"}
}

func TestAMarkStrikesWhatRestsOnItsSourceThen(t *testing.T) {
	t.Parallel()
	granted := said(gate.Granted, quiz, around(-5))
	double := granted
	double.Method, double.Evidence.ConfirmedAt = gate.MethodDouble, double.Time
	soft := said(gate.Granted, footer, around(1))
	soft.Method = gate.MethodSoft
	for _, c := range []struct {
		sentence string
		mark     string
		events   []gate.Event
		want     gate.State
	}{
		{"a grant of the source", "contest:summer-quiz", []gate.Event{granted}, gate.StateInvalidated},
		{"a grant of the kind", "contest", []gate.Event{granted}, gate.StateInvalidated},
		{"a grant of another source", "contest:winter-quiz", []gate.Event{granted}, gate.StateActiveSingle},
		{"a source whose name begins the same", "contest:summer", []gate.Event{granted}, gate.StateActiveSingle},
		{"in the second of the mark", "contest", []gate.Event{said(gate.Granted, quiz, marked.Add(400*time.Millisecond))}, gate.StateInvalidated},
		{"given after the mark", "contest", []gate.Event{said(gate.Granted, quiz, around(1))}, gate.StateActiveSingle},
		{"said again after the mark", "contest", []gate.Event{granted, said(gate.Granted, quiz, around(1))}, gate.StateInvalidated},
		{"confirmed before the mark", "contest", []gate.Event{granted, said(gate.Confirmed, footer, around(-1))}, gate.StateInvalidated},
		{"confirmed after the mark", "contest", []gate.Event{granted, said(gate.Confirmed, footer, around(1))}, gate.StateActiveDouble},
		{"renewed after the mark", "contest", []gate.Event{granted, said(gate.Renewed, quiz, around(1))}, gate.StateActiveSingle},
		{"a click after the mark", "contest", []gate.Event{granted, said(gate.Activity, footer, around(1))}, gate.StateInvalidated},
		{"another source after the mark", "contest", []gate.Event{granted, said(gate.Granted, footer, around(1))}, gate.StateActiveSingle},
		{"a lesser grant of another source after the mark", "contest", []gate.Event{double, soft}, gate.StateSoft},
		{"another source took over before", "contest", []gate.Event{granted, said(gate.Granted, footer, around(-1))}, gate.StateActiveSingle},
		{"a refusal stays a refusal", "contest", []gate.Event{granted, said(gate.Withdrawn, footer, around(-1))}, gate.StateWithdrawn},
		{"and is undone no more", "contest", []gate.Event{
			granted, withID(said(gate.Withdrawn, footer, marked.Add(-time.Minute)), "w"), takenBack("w", marked.Add(time.Minute)),
		}, gate.StateWithdrawn},
	} {
		marks := gate.StandingMarks([]gate.Mark{markOn(c.mark)})
		got := marks.Fold(c.events).For("newsletter")
		if got.State != c.want {
			t.Errorf("%s: %s, want %s", c.sentence, got.State, c.want)
		}
		if (got.Why != "") != (got.State == gate.StateInvalidated) {
			t.Errorf("%s: state %s says why %q", c.sentence, got.State, got.Why)
		}
	}
}

func withID(e gate.Event, id string) gate.Event { e.ID = id; return e }

func takenBack(withdrawal string, at time.Time) gate.Event {
	e := said(gate.Restored, footer, at)
	e.Evidence.Ref = withdrawal
	return e
}

func TestAMarkThatIsLiftedIsAsIfItNeverStood(t *testing.T) {
	t.Parallel()
	set, lift := markOn("contest"), markOn("contest")
	lift.ID, lift.Time, lift.Lift = "m2", marked.Add(time.Hour), true
	again := markOn("contest")
	again.ID, again.Time = "m3", marked.Add(2*time.Hour)
	for _, c := range []struct {
		marks []gate.Mark
		want  int // that stand
	}{
		{nil, 0},
		{[]gate.Mark{set}, 1},
		{[]gate.Mark{lift, set}, 0},
		{[]gate.Mark{again, set, lift}, 1},
		{[]gate.Mark{set, again}, 2},
	} {
		if got := gate.StandingMarks(c.marks); len(got["contest"]) != c.want || c.want == 0 && got != nil {
			t.Errorf("of %v there stand %v, want %d", c.marks, got, c.want)
		}
	}
}

// noise returns events of the source until the mark, its repetitions after it, and refusals, clicks and complaints at
// any time: everything but an act of the person after the mark, and other sources.
func noise(r *rand.Rand) []gate.Event {
	events := []gate.Event{said(gate.Granted, quiz, around(-1-r.IntN(20)))}
	anytime := []gate.EventType{
		gate.Granted, gate.ConfirmationRequested, gate.Activity, gate.Withdrawn, gate.Refused, gate.Complained,
		gate.Invalidated, gate.Bounced, gate.Unsuppressed,
	}
	before := append(slices.Clone(anytime), gate.Confirmed, gate.Renewed)
	methods := []gate.Method{gate.MethodPassive, gate.MethodActive, gate.MethodDouble, gate.MethodSoft, gate.MethodImplied}
	for i := range r.IntN(6) {
		types, at := before, around(-r.IntN(20))
		if r.IntN(2) == 0 {
			types, at = anytime, around(r.IntN(20))
		}
		e := said(types[r.IntN(len(types))], quiz, at.Add(time.Duration(i)))
		if e.Type == gate.Granted || e.Type == gate.Renewed {
			e.Method = methods[r.IntN(len(methods))]
		}
		if e.Method == gate.MethodDouble {
			e.Evidence.ConfirmedAt = e.Time
		}
		events = append(events, e)
	}
	r.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
	return events
}

func TestNoOrderOfMarkAndEventsPermitsMarketingFromAnInvalidSource(t *testing.T) {
	t.Parallel()
	packs, err := policies.Load()
	if err != nil {
		t.Fatal(err)
	}
	policy, err := gate.NewPolicy(packs, []string{"EU", "FR", "US"}, "EU")
	if err != nil {
		t.Fatal(err)
	}
	streams := []*gate.Stream{
		{Name: "newsletter", Kind: gate.KindMarketing, Purpose: "newsletter"},
		{Name: "american", Kind: gate.KindMarketing, Purpose: "newsletter", Jurisdiction: "US"},
	}
	addr, err := gate.ParseAddress("ann@example.com")
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	marks := gate.StandingMarks([]gate.Mark{markOn("contest:summer-quiz")})
	for range 1500 {
		events := noise(r)
		store := gatetest.NewStore()
		changes := make([]gate.Change, len(events))
		for i, e := range events {
			changes[i] = gate.Change{ID: gate.ID{1}, Event: e}
		}
		store.Apply(t.Context(), changes)
		reader := gate.Marked{Store: store, Marks: func() (gate.Marks, error) { return marks, nil }}
		l := reader.Records(t.Context(), []gate.ID{{1}})[0]
		for _, s := range streams {
			if d := policy.Decide(around(21), s, addr, l); d.Verdict != gate.Block {
				t.Fatalf("stream %s: %s in state %s after\n%s", s.Name, d.Verdict, d.State, listed(events))
			}
		}
	}
}

func listed(events []gate.Event) string {
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintln(&b, e.Time.Format(time.DateOnly), e.Type, e.Method)
	}
	return b.String()
}

func TestARecordOfOneEventIsStruckWithoutItsHistory(t *testing.T) {
	t.Parallel()
	marks := gate.StandingMarks([]gate.Mark{markOn("contest"), markOn("form:other")})
	for _, days := range []int{-1, 0, 1} {
		for _, method := range []gate.Method{gate.MethodPassive, gate.MethodActive, gate.MethodSoft, gate.MethodImported} {
			store := &historyless{Store: gatetest.NewStore()}
			e := said(gate.Granted, quiz, around(days))
			e.Method = method
			store.Apply(t.Context(), []gate.Change{{ID: gate.ID{1}, Event: e}})
			l := gate.Marked{Store: store, Marks: func() (gate.Marks, error) { return marks, nil }}.
				Records(t.Context(), []gate.ID{{1}})[0]
			want := marks.Fold([]gate.Event{e})
			want.Version = 1
			if diff := cmp.Diff(want, l.Record); diff != "" || l.Err != nil {
				t.Errorf("%s, %d days from the mark: error %v (-want +got):\n%s", method, days, l.Err, diff)
			}
		}
	}
}

// historyless cannot say what is behind a record.
type historyless struct{ *gatetest.Store }

func (h *historyless) Person(context.Context, gate.ID) (gate.Person, error) {
	return gate.Person{}, gate.ErrUnavailable
}

func TestAHistoryThatCannotBeReadDefers(t *testing.T) {
	t.Parallel()
	store := &historyless{Store: gatetest.NewStore()}
	store.Apply(t.Context(), []gate.Change{
		{ID: gate.ID{1}, Event: said(gate.Granted, quiz, around(-2))},
		{ID: gate.ID{1}, Event: said(gate.Activity, quiz, around(-1))},
		{ID: gate.ID{2}, Event: said(gate.Granted, footer, around(-2))},
	})
	marks := gate.StandingMarks([]gate.Mark{markOn("contest")})
	got := gate.Marked{Store: store, Marks: func() (gate.Marks, error) { return marks, nil }}.
		Records(t.Context(), []gate.ID{{1}, {2}})
	if !errors.Is(got[0].Err, gate.ErrUnavailable) || got[1].Err != nil {
		t.Errorf("got errors %v and %v, want the first unavailable only", got[0].Err, got[1].Err)
	}
}

func TestMarksThatCannotBeReadDeferOnlyWhatWouldPass(t *testing.T) {
	t.Parallel()
	packs, err := policies.Load()
	if err != nil {
		t.Fatal(err)
	}
	policy, err := gate.NewPolicy(packs, []string{"EU"}, "EU")
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := gate.ParseAddress("ann@example.com")
	granted, withdrawn := said(gate.Granted, footer, around(-1)), said(gate.Withdrawn, footer, around(0))
	for _, c := range []struct {
		kind   gate.Kind
		events []gate.Event
		want   gate.Verdict
	}{
		{gate.KindMarketing, []gate.Event{granted}, gate.Defer},
		{gate.KindMarketing, []gate.Event{granted, withdrawn}, gate.Block},
		{gate.KindMarketing, nil, gate.Block},
		{gate.KindTransactional, nil, gate.Permit},
		{gate.KindService, nil, gate.Permit},
	} {
		s := &gate.Stream{Name: "s", Kind: c.kind, Purpose: "newsletter"}
		l := gate.Lookup{Record: gate.Fold(c.events), Doubt: gate.ErrUnavailable}
		d := policy.Decide(around(2), s, addr, l)
		if d.Verdict != c.want {
			t.Errorf("%s after %d events: %s (%s), want %s", c.kind, len(c.events), d.Verdict, d.Reason, c.want)
		}
		if d.Verdict == gate.Defer && d.Reason != gate.ReasonStoreUnavailable {
			t.Errorf("deferred for %s", d.Reason)
		}
	}
}

func TestAHintSaysWhyASourceIsInvalid(t *testing.T) {
	t.Parallel()
	packs, err := policies.Load()
	if err != nil {
		t.Fatal(err)
	}
	policy, err := gate.NewPolicy(packs, []string{"EU"}, "EU")
	if err != nil {
		t.Fatal(err)
	}
	addr, _ := gate.ParseAddress("ann@example.com")
	marks := gate.StandingMarks([]gate.Mark{markOn("contest:summer-quiz")})
	d := policy.Decide(around(1), &gate.Stream{Name: "s", Kind: gate.KindMarketing, Purpose: "newsletter"}, addr,
		gate.Lookup{Record: marks.Fold([]gate.Event{said(gate.Granted, quiz, around(-1))})})
	const want = "the source (contest:summer-quiz) was declared invalid on 2026-11-10: the box was ticked for everybody; "
	if d.Reason != gate.ReasonInvalidated || !strings.HasPrefix(d.Hint, want) || d.Citation == "" {
		t.Errorf("reason %s, citation %q, hint %q", d.Reason, d.Citation, d.Hint)
	}
}

func TestAMarkNamesASourceAndSaysWhy(t *testing.T) {
	t.Parallel()
	if err := markOn("contest:summer-quiz").Validate(); err != nil {
		t.Errorf("a good mark: %v", err)
	}
	if err := (gate.Event{ID: "1", Type: "struck", Time: marked}).Validate(marked); !errors.Is(err, gate.ErrInvalidEvent) {
		t.Errorf("a mark sent as an event: error %v, want ErrInvalidEvent", err)
	}
	for _, c := range []struct {
		name, want string
		spoil      func(*gate.Mark)
	}{
		{"no source", "kind is unknown", func(m *gate.Mark) { m.Source = "" }},
		{"an unknown kind", "kind is unknown", func(m *gate.Mark) { m.Source = "quiz:1" }},
		{"an empty id", "the id is missing", func(m *gate.Mark) { m.Source = "contest:" }},
		{"a long id", "longer", func(m *gate.Mark) { m.Source = "contest:" + strings.Repeat("x", 129) }},
		{"no reason", "say why", func(m *gate.Mark) { m.Why = " " }},
		{"a long reason", "longer", func(m *gate.Mark) { m.Why = strings.Repeat("x", 513) }},
		{"a control character", "control", func(m *gate.Mark) { m.Why = "a\nb" }},
		{"no time", "needed", func(m *gate.Mark) { m.Time = time.Time{} }},
	} {
		m := markOn("contest:summer-quiz")
		c.spoil(&m)
		if err := m.Validate(); !errors.Is(err, gate.ErrInvalidEvent) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}
