package unsub_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/internal/journal"
	"github.com/consentgate/consentgate/unsub"
)

// reported are a withdrawal and a complaint that a provider reports.
func reported(at time.Time) []gate.Change {
	source := gate.Source{Kind: "provider", ID: "sendgrid"}
	return []gate.Change{
		{ID: gate.ID{1}, Sealed: "sealed-ann", Event: gate.Event{
			ID: "sendgrid-1", Type: gate.Withdrawn, Purpose: "newsletter", Time: at, Actor: "hook:sendgrid", Source: source,
		}},
		{ID: gate.ID{2}, Sealed: "sealed-bob", Event: gate.Event{
			ID: "sendgrid-2", Type: gate.Complained, Purpose: gate.AllPurposes, Time: at, Actor: "hook:sendgrid", Source: source,
		}},
	}
}

func (w world) report(t *testing.T, refusals []gate.Change, want bool) {
	t.Helper()
	if applied, err := w.withdrawals.Report(t.Context(), refusals); err != nil || applied != want {
		t.Errorf("Report = %v, %v, want %v", applied, err, want)
	}
}

func TestReportedRefusalsReachTheStoreOnceWithTheAddress(t *testing.T) {
	t.Parallel()
	s := gatetest.NewStore()
	w := newWorld(t, s, t.TempDir())
	w.report(t, reported(day()), true)
	w.report(t, reported(day()), true)
	for id, sealed := range map[gate.ID]string{{1}: "sealed-ann", {2}: "sealed-bob"} {
		if p := person(t, s, id); len(p.Events) != 1 || p.Sealed != sealed {
			t.Errorf("person %+v", p)
		}
	}
}

func TestReportedRefusalsAreInForceWhileTheStoreIsDownAndReachItLater(t *testing.T) {
	t.Parallel()
	s, dir := gatetest.NewStore(), t.TempDir()
	w := newWorld(t, s, dir)
	s.Fail(errDown)
	w.report(t, reported(day()), false)
	w.report(t, reported(day()), false) // the provider repeats it
	if !w.withdrawals.Pending(gate.ID{1}, "newsletter") || !w.withdrawals.Pending(gate.ID{2}, "anything") {
		t.Error("not pending while the store is down")
	}
	if text := journaled(t, dir); strings.Contains(text, "sealed") || strings.Count(text, "sendgrid-1") != 1 {
		t.Errorf("the journal holds %q, want each once and no address", text)
	}
	s.Fail(nil)
	w.run(t)
	drain(t, w.journal)
	for _, id := range []gate.ID{{1}, {2}} {
		if p := person(t, s, id); len(p.Events) != 1 || w.withdrawals.Pending(id, "newsletter") {
			t.Errorf("person %+v", p)
		}
	}
}

// journaled is all that the journal's files hold.
func journaled(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

func TestALateReportDoesNotUndoWhatThePersonDidSince(t *testing.T) {
	t.Parallel()
	for name, down := range map[string]bool{"at once": false, "from the journal": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			id, s := gate.ID{1}, gatetest.NewStore()
			w := newWorld(t, s, t.TempDir())
			grant(t, s, id, "g", day().Add(-72*time.Hour))
			confirm(t, s, id, day().Add(-time.Hour))
			if down {
				s.Fail(errDown)
			}
			w.report(t, reported(day().Add(-48 * time.Hour))[:1], !down)
			s.Fail(nil)
			w.run(t)
			drain(t, w.journal)
			if got := state(t, s, id); got != gate.StateActiveDouble || len(person(t, s, id).Events) != 4 {
				t.Errorf("state %s after an old withdrawal and a newer confirmation, want active_double", got)
			}
		})
	}
}

func TestAReportedRefusalThatIsOlderThanAGrantStandsAllTheSame(t *testing.T) {
	t.Parallel()
	id, s := gate.ID{1}, gatetest.NewStore()
	w := newWorld(t, s, t.TempDir())
	grant(t, s, id, "g", day()) // a nightly sync, between the act and the report
	w.report(t, reported(day().Add(-time.Hour))[:1], true)
	if got := state(t, s, id); got != gate.StateActivePending {
		t.Errorf("state %s, want active_pending: a grant does not reopen", got)
	}
}

func TestAReportThatIsNotJournaledIsAnError(t *testing.T) {
	t.Parallel()
	s := gatetest.NewStore()
	w := newWorld(t, s, t.TempDir())
	if err := w.journal.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := w.withdrawals.Report(t.Context(), reported(day())); err == nil {
		t.Error("acknowledged without a journal")
	}
	if w.withdrawals.Pending(gate.ID{1}, "newsletter") || len(person(t, s, gate.ID{1}).Events) != 0 {
		t.Error("what was not acknowledged is in force")
	}
}

func TestReportedRefusalsOutliveTheProcess(t *testing.T) {
	t.Parallel()
	s, dir := gatetest.NewStore(), t.TempDir()
	j, err := journal.Open(dir, journal.Options{Retention: unsub.Retention, Now: day})
	if err != nil {
		t.Fatal(err)
	}
	first, err := unsub.NewWithdrawals(unsub.WithdrawalsOptions{Journal: j, Store: s, Now: day})
	if err != nil {
		t.Fatal(err)
	}
	s.Fail(errDown)
	world{store: s, journal: j, withdrawals: first}.report(t, reported(day()), false)
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, s, dir)
	if !w.withdrawals.Pending(gate.ID{2}, "newsletter") {
		t.Error("a complaint was forgotten over a restart")
	}
	s.Fail(nil)
	w.run(t)
	drain(t, w.journal)
	if got := person(t, s, gate.ID{2}).Events; len(got) != 1 || !got[0].Time.Equal(day()) {
		t.Errorf("events %+v", got)
	}
}

func TestRefusalsThatAnApplicationBringsOutliveAStoreThatForgetsThem(t *testing.T) {
	t.Parallel()
	s, dir := gatetest.NewStore(), t.TempDir()
	w := newWorld(t, s, dir)
	changes := reported(day())
	changes = append(changes, gate.Change{ID: gate.ID{3}, Event: gate.Event{
		ID: "grant", Type: gate.Granted, Method: gate.MethodPassive, Purpose: "newsletter", Time: day(), UserAgent: "Browser",
	}})
	for range 2 { // the nightly sync
		for i, a := range w.withdrawals.Apply(t.Context(), changes) {
			if a.Err != nil {
				t.Fatalf("change %d: %v", i, a.Err)
			}
		}
	}
	text := journaled(t, dir)
	if strings.Count(text, "sendgrid-1") != 1 || strings.Count(text, "sendgrid-2") != 1 || strings.Contains(text, "grant") || strings.Contains(text, "sealed") {
		t.Errorf("the journal holds %q, want each refusal once, nothing else and no address", text)
	}
	s.Empty()
	if err := s.Init(t.Context(), gate.Meta{Schema: 1, Fingerprint: "gatetest", Created: day()}); err != nil {
		t.Fatal(err)
	}
	w.run(t)
	gatetest.Eventually(t, "the refusals are back", func() bool {
		return len(person(t, s, gate.ID{1}).Events) == 1 && len(person(t, s, gate.ID{2}).Events) == 1
	})
	s.Fail(errDown)
	for _, a := range w.withdrawals.Apply(t.Context(), changes[:1]) {
		if !errors.Is(a.Err, gate.ErrUnavailable) {
			t.Errorf("a store that is down: %+v", a)
		}
	}
}
