package unsub

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
)

func TestWhatWasSaidIsWhatTheConsentRestsOn(t *testing.T) {
	t.Parallel()
	on := func(day int) time.Time { return time.Date(2026, 3, day, 12, 0, 0, 500, time.UTC) }
	form, sale := gate.Source{Kind: "form", ID: "footer"}, gate.Source{Kind: "checkout"}
	active := func(id string, day int) gate.Event {
		return gate.Event{
			ID: id, Type: gate.Granted, Method: gate.MethodActive, Purpose: "news", Time: on(day), Source: form,
			Wording: gate.Wording{ID: "w-" + id, Language: "en"},
		}
	}
	soft := func(id string, day int) gate.Event {
		return gate.Event{ID: id, Type: gate.Granted, Method: gate.MethodSoft, Purpose: "news", Time: on(day), Source: sale}
	}
	event := func(typ gate.EventType, day int) gate.Event {
		return gate.Event{ID: string(typ), Type: typ, Purpose: "news", Time: on(day), Via: gate.ViaMailbox}
	}
	for name, c := range map[string]struct {
		events []gate.Event
		want   *said
	}{
		"nothing":                          {nil, nil},
		"something about another":          {[]gate.Event{{ID: "x", Type: gate.Granted, Method: gate.MethodActive, Purpose: "other", Time: on(1)}}, nil},
		"a grant":                          {[]gate.Event{active("a", 1)}, &said{Date: "1 March 2026", How: "You ticked a box yourself", Where: "a form (footer)", Wording: "w-a, en"}},
		"the later of two grants":          {[]gate.Event{active("b", 4), active("a", 1)}, &said{Date: "4 March 2026", How: "You ticked a box yourself", Where: "a form (footer)", Wording: "w-b, en"}},
		"a sale told again and again":      {[]gate.Event{soft("a", 1), soft("b", 2), soft("c", 3)}, &said{Date: "1 March 2026", How: "You gave the address with a purchase", Where: "an order"}},
		"a weaker grant behind it":         {[]gate.Event{active("a", 1), soft("b", 2)}, &said{Date: "1 March 2026", How: "You ticked a box yourself", Where: "a form (footer)", Wording: "w-a, en"}},
		"a grant, confirmed":               {[]gate.Event{active("a", 1), event(gate.Confirmed, 2)}, &said{Date: "1 March 2026", How: "You ticked a box yourself", Where: "a form (footer)", Wording: "w-a, en", Confirmed: "2 March 2026 from your mailbox"}},
		"a grant, withdrawn":               {[]gate.Event{active("a", 1), event(gate.Withdrawn, 3)}, &said{Date: "1 March 2026", How: "You ticked a box yourself", Where: "a form (footer)", Wording: "w-a, en", Stopped: "3 March 2026"}},
		"a withdrawal alone":               {[]gate.Event{event(gate.Withdrawn, 3)}, &said{Stopped: "3 March 2026"}},
		"what a sync says after the no":    {[]gate.Event{soft("a", 1), event(gate.Withdrawn, 2), soft("b", 3)}, &said{Date: "1 March 2026", How: "You gave the address with a purchase", Where: "an order", Stopped: "2 March 2026"}},
		"a source of no kind that we know": {[]gate.Event{{ID: "a", Type: gate.Granted, Method: gate.MethodPassive, Purpose: "news", Time: on(1), Source: gate.Source{Kind: "carrier"}}}, &said{Date: "1 March 2026", How: "A box that was already ticked"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := saidOf(loaded(t)["en"], c.events, "news", gate.Fold(c.events).For("news"))
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("said (-want +got):\n%s", diff)
			}
		})
	}
}
