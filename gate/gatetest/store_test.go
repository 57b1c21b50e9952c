package gatetest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
)

func TestFakeKeepsTheContract(t *testing.T) {
	t.Parallel()
	gatetest.TestStore(t, func(*testing.T) gatetest.Backend {
		now := time.Now()
		s := gatetest.NewEmptyStore()
		s.Now = func() time.Time { return now }
		return gatetest.Backend{
			Store: s,
			Again: func() gate.Store { return s },
			Empty: s.Empty,
			Pass:  func(d time.Duration) { now = now.Add(d) },
			Stall: func() func() { s.Freeze(); return s.Thaw },
		}
	})
}

func TestFailReachesEveryCallUntilItIsLifted(t *testing.T) {
	t.Parallel()
	s, ctx, cause := gatetest.NewStore(), context.Background(), errors.New("cable cut")
	s.Fail(cause)
	err := s.Records(ctx, make([]gate.ID, 1))[0].Err
	if !errors.Is(err, cause) || !errors.Is(err, gate.ErrUnavailable) {
		t.Errorf("got error %v, want one that wraps ErrUnavailable and its cause", err)
	}
	s.Fail(nil)
	if err := s.Ping(ctx); err != nil {
		t.Errorf("Ping after the trouble: %v", err)
	}
}
