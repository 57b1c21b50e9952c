package gate_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
)

const arrived = `{"recipient":"ann@example.com","purpose":"newsletter","type":"withdrawn","time":"2026-11-09T10:00:00Z"}`

func TestAnArrivalIsAppliedOnceHoweverOftenItIsSeen(t *testing.T) {
	t.Parallel()
	store := gatetest.NewStore()
	in := gate.Intake{Store: store, Keys: readableKeys{}}
	arrival := gate.Arrival{Entry: "1790000000000-0", Event: arrived}
	for range 3 {
		done, rejects, err := in.Arrived(t.Context(), marked, []gate.Arrival{arrival})
		if err != nil || len(rejects) > 0 || !cmp.Equal(done, []string{arrival.Entry}) {
			t.Fatalf("done %v, rejects %v, error %v", done, rejects, err)
		}
	}
	addr, _ := gate.ParseAddress("ann@example.com")
	p, err := store.Person(t.Context(), readableKeys{}.ID(addr))
	if err != nil || len(p.Events) != 1 || p.Record.For("newsletter").State != gate.StateWithdrawn {
		t.Errorf("got %+v, error %v, want one withdrawal", p, err)
	}
}

func TestTheActorOfAnArrivalIsWhatTheInboxKnowsAndThenAClaim(t *testing.T) {
	t.Parallel()
	for claim, want := range map[string]string{
		"":                       "redis:inbox",
		"token:dpo":              "redis:inbox/token:dpo",
		"cli:root@vm":            "redis:inbox/cli:root@vm",
		strings.Repeat("é", 100): "redis:inbox/" + strings.Repeat("é", 58),
	} {
		store := gatetest.NewStore()
		event := strings.Replace(arrived, `{`, `{"actor":"`+claim+`",`, 1)
		_, rejects, err := gate.Intake{Store: store, Keys: readableKeys{}}.Arrived(t.Context(), marked, []gate.Arrival{{Entry: "1-0", Event: event}})
		if err != nil || len(rejects) > 0 {
			t.Fatal(rejects, err)
		}
		addr, _ := gate.ParseAddress("ann@example.com")
		if p, _ := store.Person(t.Context(), readableKeys{}.ID(addr)); len(p.Events) != 1 || p.Events[0].Actor != want {
			t.Errorf("%q is recorded as %+v, want %q", claim, p.Events, want)
		}
	}
}

func TestARejectSaysWhyAndHoldsNoAddress(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ event, recipient, reason string }{
		{"", "", "XADD cg:in * event JSON"},
		{"ann@example.com", "", "no JSON object"},
		{`{"recipient":"ann@example.com"}`, "a***@example.com", "time: missing"},
		{strings.Replace(arrived, "withdrawn", "removed", 1), "a***@example.com", `type: "removed" is unknown`},
		{strings.Replace(arrived, "ann@", "ann@@", 1), "", "recipient: invalid address"},
		{strings.Replace(arrived, "ann@example.com", "ann", 1), "", "recipient: invalid address: no @; write it as local@domain"},
		{strings.Replace(arrived, `"newsletter"`, `"ann@example.com"`, 1), "a***@example.com", "purpose: *** is no name"},
		{strings.Replace(arrived, `"purpose"`, `"ann@example.com"`, 1), "", "there is no such field"},
		{strings.Replace(arrived, `"withdrawn"`, `"erased"`, 1), "a***@example.com", "erase the recipient instead"},
		{strings.Replace(arrived, `"withdrawn"`, `"confirmed","via":"mailbox"`, 1), "a***@example.com", "evidence.ref: missing"},
		{strings.Replace(arrived, `{`, `{"id":"ann@example.com",`, 1) + "x", "", "more than one JSON object"},
	} {
		in := gate.Intake{Store: gatetest.NewStore(), Keys: readableKeys{}}
		done, rejects, err := in.Arrived(t.Context(), marked, []gate.Arrival{{Entry: "1-0", Event: c.event}})
		if err != nil || len(done) != 1 || len(rejects) != 1 {
			t.Errorf("%s: done %v, rejects %v, error %v", c.event, done, rejects, err)
			continue
		}
		r := rejects[0]
		if r.Entry != "1-0" || !r.Time.Equal(marked) || r.Recipient != c.recipient || !strings.Contains(r.Reason, c.reason) {
			t.Errorf("%s: got %+v, want %q in the reason", c.event, r, c.reason)
		}
		if strings.Contains(r.Reason+r.EventID, "ann") {
			t.Errorf("%s: the reject shows the address: %+v", c.event, r)
		}
	}
}

func TestWhatTheStoreDoesNotTakeStaysInTheInbox(t *testing.T) {
	t.Parallel()
	store := gatetest.NewStore()
	store.Fail(errors.New("away"))
	in := gate.Intake{Store: store, Keys: readableKeys{}}
	done, rejects, err := in.Arrived(t.Context(), marked.Add(time.Hour), []gate.Arrival{
		{Entry: "1-0", Event: arrived}, {Entry: "2-0", Event: "{"},
	})
	if !errors.Is(err, gate.ErrUnavailable) || !cmp.Equal(done, []string{"2-0"}) || len(rejects) != 1 {
		t.Errorf("done %v, rejects %v, error %v; want only the second, rejected", done, rejects, err)
	}
}
