package gate_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
)

func TestWhatAnErasureLeaves(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		history []string
		want    []string // type, purpose, day
	}{
		"nothing of consent":             {[]string{"1 granted active", "2 confirmed mailbox", "3 activity"}, nil},
		"nothing of a bounce":            {[]string{"1 granted active", "2 bounced -"}, nil},
		"a withdrawal":                   {[]string{"1 granted active", "2 withdrawn"}, []string{"withdrawn newsletter 2", "erased  9"}},
		"a refusal behind a later grant": {[]string{"1 withdrawn", "2 granted active"}, []string{"withdrawn newsletter 1", "erased  9"}},
		"nothing of what was reopened":   {[]string{"1 withdrawn", "2 granted active", "3 confirmed mailbox"}, nil},
		"a refusal of everything":        {[]string{"1 granted active", "2 withdrawn *"}, []string{"withdrawn * 2", "erased  9"}},
		"everything, and one by name":    {[]string{"1 withdrawn for=partners", "2 withdrawn *"}, []string{"withdrawn * 2", "withdrawn partners 2", "erased  9"}},
		"a complaint":                    {[]string{"1 granted active", "2 complained"}, []string{"complained newsletter 2", "erased  9"}},
		"a suppression by hand":          {[]string{"1 suppressed -"}, []string{"suppressed * 1", "erased  9"}},
		"nothing of one that was lifted": {[]string{"1 suppressed -", "2 unsuppressed -"}, nil},
		"nothing of somebody unknown":    {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var got []string
			x := gate.Erasure{ID: "x", Time: on(9), Actor: "cli:anna"}
			for _, e := range x.Remains(history(t, strings.Join(tt.history, ";"))) {
				got = append(got, fmt.Sprint(e.Type, " ", e.Purpose, " ", int(e.Time.Sub(on(0)).Hours()/24)))
				if e.Recipient != "" || e.Source != (gate.Source{}) || e.Note != "" {
					t.Errorf("event tells more than a refusal: %+v", e)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("remains (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWhatArrivesAfterAnErasureChangesNothingThatWouldHaveBeenErased(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 2026))
	x := gate.Erasure{ID: "x", Time: on(40)}
	for range 2000 {
		events := anyHistory(t, r)
		left := x.Remains(events)
		if len(left) == 0 {
			continue // nothing tells that somebody was erased
		}
		late := events[r.IntN(len(events))]
		late.ID, late.Note, late.UserAgent = "late", "a note", "a browser"
		stored, got, dup := gate.Extend(left, gate.Change{Event: late})
		if dup || stored != (gate.Event{ID: "late", Type: late.Type, Purpose: late.Purpose, Time: late.Time}) {
			t.Fatalf("%+v is recorded as %+v", late, stored)
		}
		full := gate.Fold(append(slices.Clone(left), late))
		if diff := cmp.Diff(full.Consents, got.Consents); diff != "" {
			t.Fatalf("%+v after %+v: the bare fact counts otherwise (-full +bare):\n%s", late, left, diff)
		}
	}
}

// anyHistory is up to twelve events that may or may not make sense.
func anyHistory(t testing.TB, r *rand.Rand) (events []gate.Event) {
	t.Helper()
	lines := []string{
		"granted active unticked", "granted passive ticked", "granted double confirmed", "renewed active", "confirmation_requested",
		"confirmed mailbox", "confirmed phone", "refused", "withdrawn", "withdrawn *", "complained", "complained *", "bounced -",
		"suppressed -", "suppressed", "unsuppressed -", "unsuppressed", "invalidated", "activity", "withdrawn for=partners",
		"granted active for=partners", "confirmed mailbox for=partners",
	}
	for i := range r.IntN(12) {
		e := event(t, fmt.Sprintf("%d %s", r.IntN(8), lines[r.IntN(len(lines))]))
		e.ID = fmt.Sprint(i)
		events = append(events, e)
	}
	return events
}

func TestAnErasureNeverForgetsARefusalNorKeepsAConsent(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(6, 2026))
	for range 5_000 {
		events := anyHistory(t, r)
		x := gate.Erasure{ID: "x", Time: on(20), KeepProof: r.IntN(2) == 0}
		before, after := gate.Fold(events), gate.Fold(x.Remains(events))
		for _, purpose := range []string{"newsletter", "partners", "never-named", gate.AllPurposes} {
			was, is := before.For(purpose), after.For(purpose)
			refused := was.State == gate.StateWithdrawn || !was.Refused.IsZero()
			if refused && is.State != gate.StateWithdrawn {
				t.Fatalf("%s: the refusal was forgotten: %+v became %+v\n%s", purpose, was, is, told(events))
			}
			if is.State != gate.StateWithdrawn && is.State != gate.StateNone {
				t.Fatalf("%s: the erased person is %s\n%s", purpose, is.State, told(events))
			}
		}
		for _, s := range before.Suppressions {
			if s.Kind != gate.SuppressionHardBounced && !slices.Contains(after.Suppressions, s) {
				t.Fatalf("%s of %s was forgotten\n%s", s.Kind, s.Scope, told(events))
			}
		}
		again := gate.Erasure{ID: "y", Time: on(21), KeepProof: x.KeepProof}
		if twice := gate.Fold(again.Remains(x.Remains(events))); !sameRefusals(after, twice) {
			t.Fatalf("erased twice: %+v became %+v\n%s", after, twice, told(events))
		}
	}
}

func sameRefusals(a, b gate.Record) bool {
	for p := range a.Consents {
		if a.For(p) != b.For(p) {
			return false
		}
	}
	return slices.Equal(a.Suppressions, b.Suppressions)
}

func told(events []gate.Event) string {
	var b strings.Builder
	for _, e := range events {
		fmt.Fprintf(&b, "%s %s %s %s%s\n", e.Time.Format("2006-01-02"), e.Type, e.Purpose, e.Method, e.Via)
	}
	return b.String()
}

// The free texts of an event are where an application may have written the address.
func TestAProofKeepsNoFreeText(t *testing.T) {
	t.Parallel()
	e := event(t, "1 granted active proven")
	e.Recipient, e.IP, e.UserAgent, e.Note = "ann@example.com", "192.0.2.7", "ann@example.com", "ann@example.com"
	e.Source.URL = "https://example.com/?email=ann@example.com"
	for _, kept := range (gate.Erasure{ID: "x", Time: on(9), KeepProof: true}).Remains([]gate.Event{e}) {
		if strings.Contains(fmt.Sprintf("%+v", kept), "ann@") {
			t.Errorf("still there: %+v", kept)
		}
	}
}

func TestAnErasedBlockEntryTellsWhatWasDecidedAndOfNobody(t *testing.T) {
	t.Parallel()
	e := gate.BlockEntry{
		ID: "1", Recipient: "a***@example.com", Address: "sealed", MailFrom: "bounce+ann=example.com@news", MessageID: "<ann@x>",
		Reply: "550 ann@example.com", RecipientID: gate.ID{1}, Reason: gate.ReasonWithdrawn, Stream: "newsletter",
	}
	got := e.Erase()
	if want := (gate.BlockEntry{ID: "1", RecipientID: gate.ID{1}, Reason: gate.ReasonWithdrawn, Stream: "newsletter"}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v", got)
	}
	if e.Erased() || !got.Erased() {
		t.Error("Erased does not tell one from the other")
	}
}

// busy is a store in which somebody else is always quicker.
type busy struct {
	gate.EraserStore
	asked int
}

func (b *busy) Person(context.Context, gate.ID) (gate.Person, error) {
	return gate.Person{Events: []gate.Event{{ID: "1", Type: gate.Granted}}}, nil
}

func (b *busy) Rewrite(context.Context, []gate.Rewrite) []error {
	b.asked++
	return []error{gate.ErrChanged}
}

func TestAnErasureStartsAgainWhereTheRecipientChangesAndGivesUpInTheEnd(t *testing.T) {
	t.Parallel()
	b := &busy{}
	_, err := gate.Eraser{Store: b}.Erase(t.Context(), gate.ID{1}, gate.Erasure{ID: "x", Time: on(1)})
	if !errors.Is(err, gate.ErrUnavailable) || b.asked < 2 {
		t.Errorf("got %v after %d rounds", err, b.asked)
	}
}

func TestAWordingIsHashedAsItIsKept(t *testing.T) {
	t.Parallel()
	id := gate.Wording{ID: "nl", Version: "1", Language: "en"}
	a, err := gate.NewWording(id, "Yes, please.\r\nEvery week.\r\n\r\n", on(1))
	if err != nil {
		t.Fatal(err)
	}
	b, err := gate.NewWording(id, "Yes, please.\nEvery week.", on(2))
	if err != nil || a.SHA256 != b.SHA256 || a.Text != b.Text || a.Same(b) != nil {
		t.Errorf("%+v and %+v differ (%v)", a, b, err)
	}
	for name, w := range map[string]struct {
		id   gate.Wording
		text string
	}{
		"no id": {gate.Wording{Version: "1", Language: "en"}, "x"}, "no version": {gate.Wording{ID: "a", Language: "en"}, "x"},
		"no language": {gate.Wording{ID: "a", Version: "1"}, "x"}, "no text": {id, " \n"}, "no UTF-8": {id, "\xff"},
		"too long": {id, strings.Repeat("x", 65<<10)}, "a control character in the id": {gate.Wording{ID: "a\n", Version: "1", Language: "en"}, "x"},
	} {
		if _, err := gate.NewWording(w.id, w.text, on(1)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
