package stats_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/internal/stats"
)

// away is a store that takes no counters until it is back.
type away struct {
	*gatetest.Store
	gone bool
}

func (a *away) AddCounts(ctx context.Context, day time.Time, counts map[string]int64) error {
	if a.gone {
		return gate.ErrUnavailable
	}
	return a.Store.AddCounts(ctx, day, counts)
}

func TestWhatTheStoreDoesNotTakeWaitsForTheNextFlush(t *testing.T) {
	t.Parallel()
	store := &away{Store: gatetest.NewStore(), gone: true}
	now := noon
	sums := stats.NewSums(store, func() time.Time { return now })
	c := gate.Counter{What: gate.CountPermitted, Stream: "news"}
	sums.Add(c)
	if err := sums.Flush(t.Context()); !errors.Is(err, gate.ErrUnavailable) {
		t.Fatalf("Flush: %v, want ErrUnavailable", err)
	}
	store.gone = false
	now = now.AddDate(0, 0, 1)
	sums.Add(c)
	if err := sums.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	days, err := store.Counts(t.Context(), noon, now)
	if err != nil {
		t.Fatal(err)
	}
	for _, day := range []string{"2026-11-23", "2026-11-24"} {
		if got := days[day]["permitted/news//"]; got != 1 {
			t.Errorf("%s: %d, want the one of that day; all: %v", day, got, days)
		}
	}
	if got := sums.Totals()[c]; got != 2 {
		t.Errorf("totals: %d, want 2, each counted once", got)
	}
}

func TestADayHasAThousandSourcesAndTheRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 1500 {
		w.sums.Add(verdict(gate.CountPermitted, "", "", fmt.Sprint("form:", i)))
	}
	rows := w.report(stats.Query{By: stats.BySource}).Rows
	if len(rows) != 1001 || rows[0].Key != "other" || rows[0].Permitted != 500 {
		t.Errorf("%d rows, first %+v; want 1,000 sources and other with 500", len(rows), rows[0])
	}
	w.now = w.now.AddDate(0, 0, 1)
	w.sums.Add(verdict(gate.CountPermitted, "", "", "form:tomorrow"))
	if _, ok := byKey(w.report(stats.Query{By: stats.BySource}).Rows)["form:tomorrow"]; !ok {
		t.Error("the next day begins without the sources of this one")
	}
}

func TestConcurrentCountsAreAllThere(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 1000 {
				w.sums.Add(verdict(gate.CountPermitted, "", gate.MethodActive, "form:a"))
				if i%100 == 0 {
					if err := w.sums.Flush(t.Context()); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if got := w.report(stats.Query{By: stats.ByMethod}).Total.Permitted; got != 8000 {
		t.Errorf("%d, want 8000", got)
	}
}

func TestEventsCountOnceOnTheirOwnDay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var delays []time.Duration
	s := stats.Counting(w.store, w.sums, func() time.Time { return w.now }, func(d time.Duration) { delays = append(delays, d) })
	change := func(id string, at time.Time, typ gate.EventType, m gate.Method) gate.Change {
		return gate.Change{ID: gate.ID{1}, Live: typ == gate.Withdrawn, Event: gate.Event{
			ID: id, Type: typ, Method: m, Purpose: "newsletter", Time: at, Source: gate.Source{Kind: "form", ID: "a"},
		}}
	}
	changes := []gate.Change{
		change("1", noon.AddDate(-3, 0, 0), gate.Granted, gate.MethodPassive), // history that was brought in
		change("2", noon.AddDate(0, 0, -7), gate.Granted, gate.MethodActive),
		change("3", noon.Add(-time.Second), gate.Withdrawn, ""),
	}
	s.Apply(t.Context(), changes)
	s.Apply(t.Context(), changes) // again: duplicates
	rows := byKey(w.report(stats.Query{By: stats.ByWeek}).Rows)
	if rows["2026-W47"].Granted != 1 || rows["2026-W48"].Withdrawn != 1 || len(rows) != 2 {
		t.Errorf("rows %+v, want a grant last week and a withdrawal in this", rows)
	}
	if len(delays) != 1 || delays[0] != time.Second {
		t.Errorf("delays %v, want that of the live withdrawal", delays)
	}
}

func TestNothingInTheNamesIsBrokenBySlashes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	odd := "import:" + strings.Repeat("/", 5)
	w.sums.Add(event(gate.Granted, gate.MethodActive, odd))
	if got := byKey(w.report(stats.Query{By: stats.BySource}).Rows)[odd].Granted; got != 1 {
		t.Errorf("granted %d, want 1 for %s", got, odd)
	}
}

// The path of messages: no allocation for a counter that was seen since the last Flush.
func TestAddDoesNotAllocate(t *testing.T) {
	w := newWorld(t)
	c := verdict(gate.CountBlocked, gate.ReasonNoConsent, gate.MethodPassive, "contest:quiz")
	w.sums.Add(c)
	if n := testing.AllocsPerRun(100, func() { w.sums.Add(c) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAdd(b *testing.B) {
	w := newWorld(b)
	c := verdict(gate.CountBlocked, gate.ReasonNoConsent, gate.MethodPassive, "contest:quiz")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			w.sums.Add(c)
		}
	})
}
