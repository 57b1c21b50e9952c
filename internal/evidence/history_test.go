package evidence_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/evidence"
)

// of is a document about what happened, day by day.
func of(events ...gate.Event) evidence.Document {
	for i := range events {
		e := &events[i]
		e.ID, e.Time = string(rune('a'+i)), at(i+1)
		if e.Purpose == "" {
			e.Purpose = "newsletter"
		}
	}
	return evidence.Build(evidence.Material{Person: gate.Person{Events: events, Record: gate.Fold(events)}})
}

func grant(m gate.Method) gate.Event { return gate.Event{Type: gate.Granted, Method: m} }

func TestTheLawfulBasisIsWhatStoodBeforeThePersonRefused(t *testing.T) {
	t.Parallel()
	confirmed := gate.Event{Type: gate.Confirmed, Via: gate.ViaMailbox, Evidence: gate.Evidence{Ref: "page"}}
	no, noToAll := gate.Event{Type: gate.Withdrawn}, gate.Event{Type: gate.Withdrawn, Purpose: gate.AllPurposes}
	for name, tt := range map[string]struct {
		events  []gate.Event
		purpose string
		want    string
	}{
		"a pre-ticked box":                      {[]gate.Event{grant(gate.MethodPassive)}, "newsletter", evidence.BasisNone},
		"a pre-ticked box, confirmed":           {[]gate.Event{grant(gate.MethodPassive), confirmed}, "newsletter", evidence.BasisConsent},
		"and then refused":                      {[]gate.Event{grant(gate.MethodPassive), confirmed, no}, "newsletter", evidence.BasisConsent},
		"and refused twice":                     {[]gate.Event{grant(gate.MethodPassive), confirmed, no, noToAll}, "newsletter", evidence.BasisConsent},
		"a pre-ticked box, refused":             {[]gate.Event{grant(gate.MethodPassive), no}, "newsletter", evidence.BasisNone},
		"a sale, refused with everything":       {[]gate.Event{grant(gate.MethodSoft), noToAll}, "newsletter", evidence.BasisSoft},
		"nothing, refused":                      {[]gate.Event{no}, "newsletter", evidence.BasisRefused},
		"everything, of which nothing agreed":   {[]gate.Event{grant(gate.MethodActive), noToAll}, gate.AllPurposes, evidence.BasisRefused},
		"refused, and a grant since that waits": {[]gate.Event{no, grant(gate.MethodActive)}, "newsletter", evidence.BasisRefused},
		"an import":                             {[]gate.Event{grant(gate.MethodImported)}, "newsletter", evidence.BasisUnproven},
		"declared invalid":                      {[]gate.Event{grant(gate.MethodActive), {Type: gate.Invalidated}}, "newsletter", evidence.BasisInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, p := range of(tt.events...).Processing {
				if p.Purpose == tt.purpose && p.Basis != tt.want {
					t.Errorf("got %s, want %s", p.Basis, tt.want)
				}
			}
		})
	}
}

func TestAnInvalidSourceSaysWhyWhenAndByWhom(t *testing.T) {
	t.Parallel()
	m := material(t)
	m.Person.Events = append(m.Person.Events[:1:1], gate.Event{ID: "e4", Type: gate.Activity, Purpose: "newsletter", Time: at(4)})
	m.Marks = gate.StandingMarks([]gate.Mark{
		{ID: "m1", Source: "contest:quiz", Time: at(3), Why: "the box was ticked", Actor: "cli:dpo@mail"},
		{ID: "m2", Source: "form:footer", Time: at(3), Why: "not this person's", Actor: "cli:dpo@mail"},
	})
	m.Person.Record = m.Marks.Fold(m.Person.Events)
	d := evidence.Build(m)
	want := []evidence.Invalidation{{ID: "m1", Source: "contest:quiz", Time: at(3), Why: "the box was ticked", Actor: "cli:dpo@mail"}}
	if diff := cmp.Diff(want, d.Invalid); diff != "" {
		t.Errorf("invalidations (-want +got):\n%s", diff)
	}
	if p := d.Processing[0]; p.State != gate.StateInvalidated || p.InvalidBecause != "the box was ticked" {
		t.Errorf("processing %+v", p)
	}
	var log []string
	for _, e := range d.Events {
		log = append(log, e.ID+" "+string(e.State)+string(e.States["newsletter"]))
	}
	if diff := cmp.Diff([]string{"e1 passive_unconfirmed", "m1 invalidated", "e4 invalidated"}, log); diff != "" {
		t.Errorf("log (-want +got):\n%s", diff)
	}
	page := pageOf(t, d, "en")
	for _, text := range []string{"Declared invalid", "contest:quiz, 2026-10-03 10:00:00, cli:dpo@mail: the box was ticked"} {
		if !strings.Contains(page, text) {
			t.Errorf("the page lacks %q", text)
		}
	}
}

func TestThePageNamesWhatIsMissingOfTheProof(t *testing.T) {
	t.Parallel()
	d := of(grant(gate.MethodActive))
	if diff := cmp.Diff([]string{"source", "wording.id", "default_state", "controller"}, d.Processing[0].Missing); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if page := pageOf(t, d, "fr"); !strings.Contains(page, "manque (<code>source</code>, <code>wording.id</code>,") {
		t.Error("the page does not say what is missing")
	}
}

func TestAnEventOfAllPurposesSaysWhatBecameOfEach(t *testing.T) {
	t.Parallel()
	d := of(grant(gate.MethodActive), gate.Event{Type: gate.Activity, Purpose: gate.AllPurposes}, gate.Event{Type: gate.Withdrawn, Purpose: gate.AllPurposes})
	if s := d.Events[1].States; s["newsletter"] != gate.StateActiveSingle {
		t.Errorf("after the activity %v", s)
	}
	if e := d.Events[2]; e.State != gate.StateWithdrawn || e.States["newsletter"] != gate.StateWithdrawn {
		t.Errorf("after the withdrawal %s, %v", e.State, e.States)
	}
}

func TestAFrenchPageIsFrench(t *testing.T) {
	t.Parallel()
	m := material(t)
	m.Storage, m.Retention = evidence.Storage{Store: "redis", Addresses: "encrypted"}, evidence.Retention{Evidence: 730}
	page := pageOf(t, evidence.Build(m), "fr")
	for _, text := range []string{"730 jours", "redis, adresses chiffrées", "Par finalité"} {
		if !strings.Contains(page, text) {
			t.Errorf("the page lacks %q", text)
		}
	}
	for _, never := range []string{"forever", "encrypted;", "u.shop.example"} {
		if shown, _, _ := strings.Cut(page, "<details>"); strings.Contains(shown, never) {
			t.Errorf("the page shows %q", never)
		}
	}
}

func pageOf(t *testing.T, d evidence.Document, lang string) string {
	t.Helper()
	file, _, err := evidence.Sign(d, key{})
	if err != nil {
		t.Fatal(err)
	}
	page, err := evidence.Page(file, lang)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := evidence.Verify(bytes.Clone(page)); err != nil {
		t.Error(err)
	}
	return string(page)
}
