package retention_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/internal/retention"
)

func TestOneGateTakesEachTurn(t *testing.T) {
	t.Parallel()
	s := gatetest.NewStore()
	clock := now()
	s.Now = func() time.Time { return clock }
	record(t, s, 1, events(t, "granted/active 4; withdrawn 3"))
	turn := func(owner string) retention.Report {
		t.Helper()
		if err := s.AppendBlocks(t.Context(), []gate.BlockEntry{{ID: owner, Time: ago(2)}}); err != nil {
			t.Fatal(err)
		}
		job := retention.Job{Store: s, Policy: policy(t), Now: clock, Periods: retention.Periods{Blocks: year, Evidence: year}}
		r, err := job.Turn(t.Context(), s, owner)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, c := range []struct {
		name string
		pass time.Duration
		want retention.Report
	}{
		{"the first gate", 0, retention.Report{Blocks: 1, Recipients: 1, Evidence: 1, Kept: 1}},
		{"another gate, a minute later", time.Minute, retention.Report{}},
		{"whoever comes first, an hour later", time.Hour, retention.Report{Blocks: 2}},
		{"whoever comes first, a day later", 24 * time.Hour, retention.Report{Blocks: 1, Recipients: 1}},
	} {
		clock = clock.Add(c.pass)
		if got := turn(c.name); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

func TestATurnThatFailedIsGivenBack(t *testing.T) {
	t.Parallel()
	s := gatetest.NewStore()
	job := retention.Job{Store: failing{s}, Policy: policy(t), Now: now(), Periods: retention.Periods{Inactive: year}}
	record(t, s, 1, events(t, "granted/active 4"))
	if _, err := job.Turn(t.Context(), s, "first"); !errors.Is(err, gate.ErrUnavailable) {
		t.Fatalf("Turn: %v", err)
	}
	job.Store = s
	if r, err := job.Turn(t.Context(), s, "second"); err != nil || r.Inactive != 1 {
		t.Errorf("the next turn: %+v, %v", r, err)
	}
}

// failing is a store that takes no rewrite.
type failing struct{ *gatetest.Store }

func (failing) Rewrite(context.Context, []gate.Rewrite) []error {
	return []error{gate.ErrUnavailable}
}
