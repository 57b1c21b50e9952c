package gate_test

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/consentgate/consentgate/gate"
)

// readableKeys is a Sealer whose ids are the start of the canonical address.
type readableKeys struct{ broken error }

func (readableKeys) ID(a gate.Address) (id gate.ID) {
	copy(id[:], a.Canonical())
	return id
}

func (k readableKeys) Seal(a gate.Address) (string, error) { return "sealed " + a.String(), k.broken }

// memory is an Applier that keeps what it was given and fails for one id.
type memory struct {
	changes []gate.Change
	down    gate.ID
}

func (m *memory) Apply(_ context.Context, changes []gate.Change) []gate.Applied {
	m.changes = append(m.changes, changes...)
	applied := make([]gate.Applied, len(changes))
	for i, c := range changes {
		if c.ID == m.down {
			applied[i].Err = gate.ErrUnavailable
			continue
		}
		applied[i].Record = gate.Fold([]gate.Event{c.Event})
	}
	return applied
}

func TestIntakeAppliesTheValidAndAnswersAllInOrder(t *testing.T) {
	t.Parallel()
	events := history(t, "1 granted active id=a; 1 granted id=b; 1 withdrawn * id=c; 1 erased * id=d; 1 granted passive id=e; 1 bounced id=f")
	for i, to := range []string{"Ann@Example.com", "ann@example.com", "ann@@example.com", "ann@example.com", "bob@example.com", "eve@example.com"} {
		events[i].Recipient = to
	}
	store := &memory{}
	copy(store.down[:], "bob@example.com")
	outcomes := gate.Intake{Store: store, Keys: readableKeys{}}.Apply(t.Context(), on(1), events, true)

	for i, want := range []error{nil, gate.ErrInvalidEvent, gate.ErrInvalidAddress, gate.ErrInvalidEvent, gate.ErrUnavailable, nil} {
		if o := outcomes[i]; !errors.Is(o.Err, want) || o.Event.ID != events[i].ID {
			t.Errorf("%s: outcome of %s with error %v, want %v", events[i].ID, o.Event.ID, o.Err, want)
		}
	}
	if !errors.Is(outcomes[2].Err, gate.ErrInvalidEvent) {
		t.Errorf("a bad recipient is no invalid event: %v", outcomes[2].Err)
	}
	if got := outcomes[0].Applied.Record.For("newsletter").State; got != gate.StateActiveSingle {
		t.Errorf("state %s is not the store's answer", got)
	}
	if string(outcomes[0].ID[:]) != "ann@example.com\x00" {
		t.Errorf("id %q is not of the canonical address", outcomes[0].ID[:])
	}
	var ids []string
	for _, c := range store.changes {
		ids = append(ids, c.Event.ID)
		if !c.Live || c.Event.Recipient != "" || c.Sealed == "" {
			t.Errorf("change %+v: want live, sealed and without the recipient", c)
		}
	}
	if !slices.Equal(ids, []string{"a", "e", "f"}) {
		t.Errorf("events %v reached the store, want a e f", ids)
	}
}

func TestIntakeOfNothingValidAsksNoStore(t *testing.T) {
	t.Parallel()
	outcomes := gate.Intake{Keys: readableKeys{}}.Apply(t.Context(), on(1), history(t, "1 granted active"), false)
	if len(outcomes) != 1 || !errors.Is(outcomes[0].Err, gate.ErrInvalidAddress) {
		t.Errorf("%+v", outcomes)
	}
}

func TestIntakeStoresNothingThatCannotBeSealed(t *testing.T) {
	t.Parallel()
	broken := errors.New("no key")
	events := history(t, "1 granted active")
	events[0].Recipient = "ann@example.com"
	store := &memory{}
	outcomes := gate.Intake{Store: store, Keys: readableKeys{broken}}.Apply(t.Context(), on(1), events, false)
	if !errors.Is(outcomes[0].Err, broken) || len(store.changes) != 0 {
		t.Errorf("error %v, changes %v", outcomes[0].Err, store.changes)
	}
}

func TestParseIDReadsWhatStringWrote(t *testing.T) {
	t.Parallel()
	id := gate.ID{1, 2, 254, 255}
	raw, err := id.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	var got gate.ID
	if err := got.UnmarshalText(raw); err != nil || got != id || got.IsZero() || len(raw) != 22 {
		t.Errorf("%s came back as %s, %v", raw, got, err)
	}
	for _, s := range []string{"", "short", string(raw) + "A", "!!!!!!!!!!!!!!!!!!!!!!"} {
		if err := got.UnmarshalText([]byte(s)); err == nil {
			t.Errorf("%q was read as an id", s)
		}
	}
	if !(gate.ID{}).IsZero() {
		t.Error("the zero id is not zero")
	}
}
