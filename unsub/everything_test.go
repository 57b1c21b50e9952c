package unsub_test

import (
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/unsub"
)

func TestWithdrawingFromEverythingAgainIsAnEventOnlyWhereSomethingReopened(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		since []gate.Event
		want  int
	}{
		"nothing since": {nil, 1},
		"a confirmation": {[]gate.Event{
			{ID: "r", Type: gate.ConfirmationRequested, Purpose: "newsletter"},
			{ID: "c", Type: gate.Confirmed, Via: gate.ViaMailbox, Purpose: "newsletter", Evidence: gate.Evidence{Ref: "page"}},
		}, 4},
		"a request":         {[]gate.Event{{ID: "r", Type: gate.ConfirmationRequested, Purpose: "newsletter"}}, 3},
		"a refusal by name": {[]gate.Event{{ID: "n", Type: gate.Refused, Purpose: "newsletter"}}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id, s := gate.ID{1}, gatetest.NewStore()
			w := newWorld(t, s, t.TempDir())
			everything := unsub.Withdrawal{ID: id, Purpose: gate.AllPurposes}
			if _, err := w.withdrawals.Withdraw(t.Context(), everything); err != nil {
				t.Fatal(err)
			}
			for _, e := range c.since {
				e.Time = day().Add(time.Second)
				apply(t, s, id, e)
			}
			if _, err := w.withdrawals.Withdraw(t.Context(), everything); err != nil {
				t.Fatal(err)
			}
			p := person(t, s, id)
			if len(p.Events) != c.want {
				t.Errorf("%d events, want %d", len(p.Events), c.want)
			}
			if r := p.Record.For("newsletter"); r.State != gate.StateWithdrawn || !r.Requested.IsZero() {
				t.Errorf("consent %+v, want withdrawn for good", r)
			}
		})
	}
}

func TestWithdrawingByNameCountsBehindAWithdrawalFromEverything(t *testing.T) {
	t.Parallel()
	id, s := gate.ID{1}, gatetest.NewStore()
	apply(t, s, id, gate.Event{ID: "all", Type: gate.Withdrawn, Purpose: gate.AllPurposes, Time: day().Add(-time.Hour)})
	w := newWorld(t, s, t.TempDir())
	w.withdraw(t, id, unsub.Applied)
	w.withdraw(t, id, unsub.Applied)
	p := person(t, s, id)
	if len(p.Events) != 2 {
		t.Errorf("%d events, want 2", len(p.Events))
	}
	// Mail of kind service passes a refusal that is ByAll.
	if c := p.Record.For("newsletter"); c.State != gate.StateWithdrawn || c.ByAll {
		t.Errorf("consent %+v, want withdrawn by name", c)
	}
}
