package gate_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
)

// undo is the restored event that takes w back so much later.
func undo(w gate.Event, after time.Duration) gate.Event {
	return gate.Event{
		ID: "undo", Type: gate.Restored, Purpose: w.Purpose, Time: w.Time.Add(after), Evidence: gate.Evidence{Ref: w.ID},
	}
}

func TestUndoBringsBackExactlyWhatStoodBefore(t *testing.T) {
	t.Parallel()
	for sentence, past := range map[string]string{
		"nothing":                                "",
		"a passive consent stays unconfirmed":    "1 granted passive proven",
		"an active consent":                      "1 granted active proven FR",
		"a double consent with its confirmation": "1 granted active proven; 2 confirmed mailbox",
		"a request that waits":                   "1 confirmation_requested",
		"a soft consent with its clock":          "1 granted soft sale=A category=books proven; 3 granted soft sale=A category=books proven",
		"an earlier refusal stays one":           "1 granted active; 2 refused",
		"a refusal behind a grant that waits":    "1 withdrawn; 2 granted active",
		"a refusal of all, and one reopened":     "1 withdrawn *; 2 confirmed mailbox; 2 granted active for=partners",
		"a complaint stays one":                  "1 complained; 2 confirmation_requested; 3 confirmed mailbox",
		"an invalidated source":                  "1 granted active; 2 invalidated",
	} {
		for _, scope := range []string{"", "*"} {
			t.Run(sentence+" "+scope, func(t *testing.T) {
				t.Parallel()
				events := history(t, past)
				before := gate.Fold(events)
				w := event(t, "5 withdrawn "+scope)
				after := gate.Fold(append(events, w, undo(w, 9*time.Minute)))
				if !cmp.Equal(before, after) {
					t.Errorf("before and after the undo:\n%s", cmp.Diff(before, after))
				}
			})
		}
	}
}

func TestUndoThatDoesNotFitIsNothing(t *testing.T) {
	t.Parallel()
	w := event(t, "5 withdrawn id=w")
	for sentence, later := range map[string][]gate.Event{
		"it names another event":              {func() gate.Event { e := undo(w, time.Minute); e.Evidence.Ref = "v"; return e }()},
		"it names none":                       {func() gate.Event { e := undo(w, time.Minute); e.Evidence.Ref = ""; return e }()},
		"it speaks of all":                    {func() gate.Event { e := undo(w, time.Minute); e.Purpose = "*"; return e }()},
		"it comes too late":                   {undo(w, gate.UndoWithin+time.Second)},
		"it comes in the same moment":         {undo(w, 0)},
		"it comes before":                     {undo(w, -time.Minute)},
		"the person said no again":            {at(event(t, "5 withdrawn id=x"), w, time.Second), undo(w, time.Minute)},
		"the person complained":               {at(event(t, "5 complained id=x"), w, time.Second), undo(w, time.Minute)},
		"everything was withdrawn since":      {at(event(t, "5 withdrawn * id=x"), w, time.Second), undo(w, time.Minute)},
		"the source was declared invalid":     {at(event(t, "5 invalidated id=x"), w, time.Second), undo(w, time.Minute)},
		"the person was erased in between":    {at(event(t, "5 erased * id=x"), w, time.Second), undo(w, time.Minute)},
		"a sync granted again in between":     {at(event(t, "5 granted soft id=x"), w, time.Second), undo(w, time.Minute)},
		"what it took back is withdrawn anew": {undo(w, time.Minute), at(event(t, "5 withdrawn id=x"), w, 2*time.Minute)},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			events := append(history(t, "1 granted active proven"), w)
			c := gate.Fold(append(events, later...)).For("newsletter")
			if c.State != gate.StateWithdrawn {
				t.Errorf("state %s, want withdrawn", c.State)
			}
		})
	}
}

// at moves an event to so long after another.
func at(e, other gate.Event, after time.Duration) gate.Event {
	e.Time = other.Time.Add(after)
	return e
}

func TestUndoOfARefusalIsNone(t *testing.T) {
	t.Parallel()
	for _, line := range []string{"5 refused id=w", "5 complained id=w"} {
		w := event(t, line)
		events := append(history(t, "1 granted active proven"), w, undo(w, time.Minute))
		if c := gate.Fold(events).For("newsletter"); c.State != gate.StateWithdrawn {
			t.Errorf("%s: undone, state %s", line, c.State)
		}
	}
}

func TestUndoOfEverythingLeavesPurposesAloneThatSomethingHappenedTo(t *testing.T) {
	t.Parallel()
	w := event(t, "5 withdrawn * id=w")
	refused := at(event(t, "5 refused for=partners id=x"), w, time.Second)
	events := append(history(t, "1 granted active proven; 1 granted active proven for=partners"), w, refused, undo(w, time.Minute))
	rec := gate.Fold(events)
	if got := rec.For("newsletter").State; got != gate.StateActiveSingle {
		t.Errorf("newsletter %s, want active_single", got)
	}
	if got := rec.For("partners").State; got != gate.StateWithdrawn {
		t.Errorf("partners %s, want withdrawn", got)
	}
}

func TestNobodyCanSendAnUndo(t *testing.T) {
	t.Parallel()
	e := undo(event(t, "5 withdrawn"), time.Minute)
	e.Recipient = "ann@example.com"
	if err := e.Validate(on(6)); err != nil {
		t.Fatal(err)
	}
	store := &memory{}
	out := gate.Intake{Store: store, Keys: readableKeys{}}.Apply(t.Context(), on(6), []gate.Event{e}, false)[0]
	if !errors.Is(out.Err, gate.ErrInvalidEvent) || len(store.changes) > 0 {
		t.Errorf("taken from outside: %v, %v", out.Err, store.changes)
	}
	e.Evidence.Ref = ""
	if err := e.Validate(on(6)); !errors.Is(err, gate.ErrInvalidEvent) {
		t.Errorf("an undo of nothing is valid: %v", err)
	}
}
