package stats_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/internal/stats"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// world is a store with what was counted in it.
type world struct {
	tb    testing.TB
	store *gatetest.Store
	sums  *stats.Sums
	now   time.Time
}

func newWorld(tb testing.TB) *world {
	w := &world{tb: tb, store: gatetest.NewStore(), now: noon}
	w.sums = stats.NewSums(w.store, func() time.Time { return w.now })
	return w
}

func (w *world) add(n int, c gate.Counter) {
	for range n {
		w.sums.Add(c)
	}
}

func (w *world) report(q stats.Query) stats.Report {
	w.tb.Helper()
	if err := w.sums.Flush(w.tb.Context()); err != nil {
		w.tb.Fatal(err)
	}
	from, to := stats.Days(w.now, 30*24*time.Hour)
	days, err := w.store.Counts(w.tb.Context(), from, to)
	if err != nil {
		w.tb.Fatal(err)
	}
	r, err := stats.Summarise(days, from, to, q)
	if err != nil {
		w.tb.Fatal(err)
	}
	return r
}

func event(t gate.EventType, m gate.Method, source string) gate.Counter {
	return gate.Counter{What: gate.CountEvent, Purpose: "newsletter", Event: t, Method: m, Source: source}
}

func verdict(what gate.Counted, r gate.Reason, m gate.Method, source string) gate.Counter {
	return gate.Counter{What: what, Stream: "news", Reason: r, Method: m, Source: source}
}

// fill counts a month in which the passive records came from a contest and the active ones from a form.
func (w *world) fill() {
	const contest, form = "contest:quiz", "form:footer"
	w.add(97, event(gate.Granted, gate.MethodPassive, contest))
	w.add(3, event(gate.Refused, gate.MethodPassive, contest))
	w.add(40, event(gate.Granted, gate.MethodDouble, form))
	w.add(60, event(gate.Refused, gate.MethodDouble, form))
	await := event(gate.Granted, gate.MethodPassive, contest)
	await.What = gate.CountAwaiting
	w.add(97, await)
	await.Method, await.Source = gate.MethodDouble, form
	w.add(40, await)
	w.add(2, event(gate.Confirmed, gate.MethodPassive, contest))
	w.add(36, event(gate.Confirmed, gate.MethodDouble, form))
	w.add(5, event(gate.Withdrawn, gate.MethodPassive, contest))
	w.add(1, event(gate.Restored, gate.MethodPassive, contest))
	w.add(1, event(gate.Withdrawn, gate.MethodDouble, form))
	w.add(1, event(gate.Complained, gate.MethodPassive, contest))
	w.add(10, verdict(gate.CountPermitted, "", gate.MethodPassive, contest))
	w.add(90, verdict(gate.CountBlocked, gate.ReasonPassiveUnconfirmed, gate.MethodPassive, contest))
	w.add(100, verdict(gate.CountPermitted, "", gate.MethodDouble, form))
	w.add(5, verdict(gate.CountBlockedLate, gate.ReasonWithdrawn, gate.MethodDouble, form))
	w.add(20, verdict(gate.CountBlocked, gate.ReasonNoConsent, "", ""))
	w.add(7, gate.Counter{What: gate.CountDeferred, Stream: "news", Reason: gate.ReasonStoreUnavailable})
}

func byKey(rows []stats.Row) map[string]stats.Row {
	out := make(map[string]stats.Row, len(rows))
	for _, r := range rows {
		out[r.Key] = r
	}
	return out
}

func percent(p *float64) string {
	if p == nil {
		return "n/a"
	}
	return fmt.Sprintf("%.1f", *p*100)
}

func TestRatesStandBesideEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fill()
	r := w.report(stats.Query{By: stats.ByMethod, Price: stats.Price{Amount: 0.01, Currency: "EUR"}})
	got := map[string][]string{}
	for _, row := range append(r.Classes, r.Total) {
		got[row.Key] = []string{
			percent(row.OptIn), percent(row.Confirmation), percent(row.Block), percent(row.Unsubscribe), percent(row.Complaint),
		}
	}
	want := map[string][]string{
		"passive": {"97.0", "2.1", "90.0", "40.0", "10.0"},
		"active":  {"40.0", "90.0", "5.0", "1.1", "0.0"},
		"other":   {"n/a", "n/a", "100.0", "n/a", "n/a"},
		"total":   {"68.5", "27.7", "52.3", "4.8", "1.0"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("opt-in, confirmation, block, unsubscribe, complaint (-want +got):\n%s", diff)
	}
	if r.PassiveWouldAdd != 90 || percent(r.PassiveShare) != "85.7" {
		t.Errorf("passive records would have added %d, %s %%", r.PassiveWouldAdd, percent(r.PassiveShare))
	}
	if r.NotSent != 115 || r.NotSentCost.Currency != "EUR" || fmt.Sprintf("%.2f", r.NotSentCost.Amount) != "1.15" {
		t.Errorf("not sent %d for %v", r.NotSent, r.NotSentCost)
	}
}

// A thousand receipts leave every rate what it was, whatever the rows are, and stand in the counts.
func TestMailThatNeedsNoConsentThinsNoRate(t *testing.T) {
	t.Parallel()
	for _, by := range stats.Breakdowns() {
		w := newWorld(t)
		w.fill()
		q := stats.Query{By: by, Exempt: map[string]bool{"receipts": true}}
		before := w.report(q)
		w.add(1000, gate.Counter{What: gate.CountPermitted, Stream: "receipts"})
		w.add(3, gate.Counter{What: gate.CountBlocked, Stream: "receipts", Reason: gate.ReasonHardBounced})
		w.add(1, gate.Counter{What: gate.CountBlockedLate, Stream: "receipts", Reason: gate.ReasonHardBounced})
		after := w.report(q)
		if diff := cmp.Diff(before.Total.Rates, after.Total.Rates); diff != "" {
			t.Errorf("by %s: rates of the total (-without +with receipts):\n%s", by, diff)
		}
		if diff := cmp.Diff(before.PassiveShare, after.PassiveShare); diff != "" {
			t.Errorf("by %s: share of passive records (-without +with receipts):\n%s", by, diff)
		}
		if got := after.Total.Permitted - before.Total.Permitted; got != 999 {
			t.Errorf("by %s: %d receipts counted as permitted, want 999", by, got)
		}
		var rows stats.Needing
		for _, r := range after.Rows {
			rows.Permitted += r.Needing.Permitted
			rows.Blocked += r.Needing.Blocked
		}
		if rows != after.Total.Needing {
			t.Errorf("by %s: rows need consent for %+v, the total for %+v", by, rows, after.Total.Needing)
		}
	}
}

func TestABlockInDataIsOnePermitLess(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.fill()
	rows := byKey(w.report(stats.Query{By: stats.ByReason}).Rows)
	if got := rows[stats.None].Permitted; got != 105 {
		t.Errorf("permitted %d, want 110 less 5", got)
	}
	if got := rows["withdrawn"]; got.Blocked != 5 || got.Permitted != 0 {
		t.Errorf("withdrawn: blocked %d, permitted %d; want 5 and 0", got.Blocked, got.Permitted)
	}
}

func TestEventsBelongToTheOnlyStreamOfTheirPurpose(t *testing.T) {
	t.Parallel()
	for sentence, tc := range map[string]struct {
		streams map[string]string
		counter gate.Counter
		want    string
	}{
		"the only one":                   {map[string]string{"news": "newsletter"}, event(gate.Withdrawn, "", ""), "news"},
		"one of two":                     {map[string]string{"news": "newsletter", "extra": "newsletter"}, event(gate.Withdrawn, "", ""), "purpose newsletter"},
		"one of two, and the event says": {map[string]string{"news": "newsletter", "extra": "newsletter"}, gate.Counter{What: gate.CountEvent, Event: gate.Withdrawn, Purpose: "newsletter", Stream: "extra"}, "extra"},
		"none":                           {nil, event(gate.Withdrawn, "", ""), "purpose newsletter"},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.add(1, tc.counter)
			rows := w.report(stats.Query{By: stats.ByStream, Streams: tc.streams}).Rows
			if len(rows) != 1 || rows[0].Key != tc.want || rows[0].Withdrawn != 1 {
				t.Errorf("rows %+v, want one of %s", rows, tc.want)
			}
		})
	}
}

func TestWeeksAreISOWeeksInOrder(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, day := range []string{"2026-12-28", "2027-01-01", "2027-01-03", "2027-01-04"} {
		w.now, _ = time.Parse(time.DateOnly, day)
		w.add(1, verdict(gate.CountPermitted, "", "", ""))
		if err := w.sums.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, r := range w.report(stats.Query{By: stats.ByWeek}).Rows {
		got = append(got, fmt.Sprint(r.Key, " ", r.Permitted))
	}
	if diff := cmp.Diff([]string{"2026-W53 3", "2027-W01 1"}, got); diff != "" {
		t.Errorf("weeks (-want +got):\n%s", diff)
	}
}

func TestAnUnknownBreakdownIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := stats.Summarise(nil, noon, noon, stats.Query{By: "colour"}); err == nil {
		t.Error("no error")
	}
}

// Whatever was counted, the rows add up to the total, and so do the classes, in every breakdown.
func TestRowsAddUpToTheTotal(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(t)
		for range 200 {
			w.now = noon.AddDate(0, 0, -rnd.IntN(30))
			w.sums.Add(anything(rnd))
			if err := w.sums.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		w.now = noon
		var total stats.Figures
		for i, by := range stats.Breakdowns() {
			r := w.report(stats.Query{By: by, Streams: map[string]string{"news": "newsletter"}})
			if i == 0 {
				total = r.Total.Figures
			}
			for what, rows := range map[string][]stats.Row{"rows": r.Rows, "classes": r.Classes, "total": {r.Total}} {
				if diff := cmp.Diff(total, sum(rows)); diff != "" {
					t.Fatalf("seed %d, %s by %s do not add up (-want +got):\n%s", seed, what, by, diff)
				}
			}
		}
	}
}

func sum(rows []stats.Row) stats.Figures {
	var f stats.Figures
	for _, r := range rows {
		f = f.Plus(r.Figures)
	}
	return f
}

func pick[T any](rnd *rand.Rand, of ...T) T { return of[rnd.IntN(len(of))] }

func anything(rnd *rand.Rand) gate.Counter {
	method := pick(rnd, "", gate.MethodPassive, gate.MethodActive, gate.MethodDouble, gate.MethodSoft)
	source := pick(rnd, "", "contest", "form:a/b", "contest:été 2026", "import:x/y/z")
	if rnd.IntN(2) == 0 {
		return gate.Counter{
			What:    pick(rnd, gate.CountEvent, gate.CountRepeated, gate.CountAwaiting),
			Purpose: pick(rnd, "newsletter", "a.b-c", "*"), Stream: pick(rnd, "", "news"), Method: method, Source: source,
			Event: pick(rnd, gate.Granted, gate.Refused, gate.Confirmed, gate.Withdrawn, gate.Complained, gate.Bounced),
		}
	}
	what := pick(rnd, gate.CountPermitted, gate.CountBlocked, gate.CountBlockedLate, gate.CountDeferred, gate.CountWouldBlock)
	c := gate.Counter{What: what, Stream: pick(rnd, "news", "re.ceipts"), Method: method, Source: source}
	if what != gate.CountPermitted {
		c.Reason = pick(rnd, gate.ReasonNoConsent, gate.ReasonPassiveUnconfirmed, gate.ReasonWithdrawn)
	}
	return c
}

func TestAPriceHasNoMoreDigitsThanItNeeds(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	r, err := stats.Summarise(map[string]map[string]int64{"2026-11-01": {"blocked/newsletter/no_consent/": 3}}, day, day,
		stats.Query{By: stats.ByMethod, Price: stats.Price{Amount: 0.0004, Currency: "EUR"}})
	if err != nil || r.NotSentCost == nil || r.NotSentCost.Amount != 0.0012 {
		t.Errorf("got %+v, error %v, want 0.0012", r.NotSentCost, err)
	}
}
