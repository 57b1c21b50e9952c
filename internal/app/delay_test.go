package app

import (
	"context"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/internal/journal"
	"github.com/consentgate/consentgate/internal/metrics"
	"github.com/consentgate/consentgate/internal/stats"
	"github.com/consentgate/consentgate/unsub"
)

// A withdrawal that the store has at once took nothing; one that waited in the journal took as long as it waited, also
// over a restart of the gate; and what is applied a second time, after a failover, took no time again.
func TestTheOptOutDelayIsMeasuredOnceForEachWithdrawalHoweverItReachedTheStore(t *testing.T) {
	t.Parallel()
	fake, dir := gatetest.NewStore(), t.TempDir()
	var later atomic.Int64
	begun := time.Now()
	now := func() time.Time { return begun.Add(time.Duration(later.Load())) }
	m := metrics.New(metrics.Options{
		Totals:  func() map[gate.Counter]int64 { return nil },
		Streams: func() []string { return nil }, Gauges: func() []metrics.Gauge { return nil },
	})
	store := stats.Counting(fake, stats.NewSums(fake, now), now, m.Withdrawn)
	w, stop := runWithdrawals(t, dir, store, now)
	say := func(n byte) {
		t.Helper()
		if _, err := w.Withdraw(t.Context(), unsub.Withdrawal{ID: gate.ID{n}, Purpose: "newsletter"}); err != nil {
			t.Fatal(err)
		}
	}
	say(1)
	fake.Fail(gate.ErrUnavailable)
	say(2)
	wantDelays(t, m, "1", "0")
	later.Store(int64(90 * time.Second))
	fake.Fail(nil)
	gatetest.Eventually(t, "the second is in the store", func() bool { return !w.Pending(gate.ID{2}, "newsletter") })
	wantDelays(t, m, "2", "90")

	fake.Fail(gate.ErrUnavailable)
	say(3)
	stop()
	later.Store(int64(150 * time.Second))
	fake.Fail(nil)
	w, stop = runWithdrawals(t, dir, store, now)
	defer stop()
	gatetest.Eventually(t, "the third is in the store", func() bool { return !w.Pending(gate.ID{3}, "newsletter") })
	wantDelays(t, m, "3", "150")
	w.Reconnected()
	say(4)
	wantDelays(t, m, "4", "150")
}

func runWithdrawals(t *testing.T, dir string, store gate.Store, now func() time.Time) (*unsub.Withdrawals, func()) {
	t.Helper()
	j, err := journal.Open(dir, journal.Options{Retention: unsub.Retention, Backoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	w, err := unsub.NewWithdrawals(unsub.WithdrawalsOptions{Journal: j, Store: store, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	return w, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	}
}

// wantDelays looks at the histogram. The count is exact, and so is the sum, since the clock is the test's.
func wantDelays(t *testing.T, m *metrics.Metrics, count, seconds string) {
	t.Helper()
	r := httptest.NewRecorder()
	m.ServeHTTP(r, httptest.NewRequest("GET", "/metrics", nil))
	all := strings.Split(r.Body.String(), "\n")
	for _, want := range []string{"consentgate_withdrawal_seconds_count " + count, "consentgate_withdrawal_seconds_sum " + seconds} {
		if !slices.Contains(all, want) {
			t.Errorf("/metrics lacks %q:\n%s", want, r.Body)
		}
	}
}
