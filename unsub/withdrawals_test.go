package unsub_test

import (
	"context"
	"errors"
	"os"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/internal/journal"
	"github.com/consentgate/consentgate/unsub"
)

var errDown = errors.New("connection refused")

// day is when the tests' clocks begin.
func day() time.Time { return time.Date(2026, 11, 1, 10, 0, 0, 0, time.UTC) }

// world is one gate's withdrawals over a store that others hold too.
type world struct {
	store       *gatetest.Store
	dir         string
	journal     *journal.Journal
	withdrawals *unsub.Withdrawals
}

func newWorld(t *testing.T, store *gatetest.Store, dir string) world {
	t.Helper()
	j, err := journal.Open(dir, journal.Options{
		Retention: unsub.Retention, Backoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond, Now: day,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	w, err := unsub.NewWithdrawals(unsub.WithdrawalsOptions{Journal: j, Store: store, Records: store, Now: day})
	if err != nil {
		t.Fatal(err)
	}
	return world{store: store, dir: dir, journal: j, withdrawals: w}
}

// run runs the background work until the test ends, or until the returned func is called.
func (w world) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.withdrawals.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func (w world) withdraw(t *testing.T, id gate.ID, want unsub.Result) {
	t.Helper()
	got, err := w.withdrawals.Withdraw(t.Context(), unsub.Withdrawal{ID: id, Purpose: "newsletter", Stream: "weekly"})
	if err != nil || got != want {
		t.Errorf("Withdraw = %v, %v, want %v", got, err, want)
	}
}

func state(t *testing.T, s *gatetest.Store, id gate.ID) gate.State {
	t.Helper()
	return person(t, s, id).Record.For("newsletter").State
}

func person(t *testing.T, s *gatetest.Store, id gate.ID) gate.Person {
	t.Helper()
	p, err := s.Person(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// grant gives an active consent at the time.
func grant(t *testing.T, s *gatetest.Store, id gate.ID, event string, at time.Time) {
	t.Helper()
	e := gate.Event{
		ID: event, Type: gate.Granted, Method: gate.MethodActive, Purpose: "newsletter", Time: at,
		DefaultState: gate.DefaultUnticked, Source: gate.Source{Kind: "form", ID: "footer"},
	}
	apply(t, s, id, e)
}

func apply(t *testing.T, s *gatetest.Store, id gate.ID, e gate.Event) {
	t.Helper()
	if a := s.Apply(t.Context(), []gate.Change{{ID: id, Event: e}})[0]; a.Err != nil {
		t.Fatal(a.Err)
	}
}

func TestWithdrawalIsAppliedAsALiveActOfThePerson(t *testing.T) {
	t.Parallel()
	id, s := gate.ID{1}, gatetest.NewStore()
	grant(t, s, id, "g", day().Add(time.Minute)) // by a machine whose clock runs ahead
	w := newWorld(t, s, t.TempDir())
	if _, err := w.withdrawals.Withdraw(t.Context(), unsub.Withdrawal{
		ID: id, Purpose: "newsletter", Stream: "weekly", Ref: "token 01", UserAgent: "Mail\r\n\x00é", Note: "one-click",
	}); err != nil {
		t.Fatal(err)
	}
	if got := state(t, s, id); got != gate.StateWithdrawn {
		t.Fatalf("state %s, want withdrawn", got)
	}
	e := person(t, s, id).Events[1]
	if e.Type != gate.Withdrawn || e.Actor != "person" || e.Source != (gate.Source{Kind: "unsubscribe", ID: "weekly"}) ||
		e.Evidence.Ref != "token 01" || e.UserAgent != "Mail" {
		t.Errorf("event %+v", e)
	}
	if err := e.Validate(day().Add(time.Hour)); err != nil {
		t.Error(err)
	}
	if w.withdrawals.Pending(id, "newsletter") {
		t.Error("applied and still pending")
	}
}

func TestWithdrawingAgainIsNoSecondEvent(t *testing.T) {
	t.Parallel()
	id, s := gate.ID{1}, gatetest.NewStore()
	w := newWorld(t, s, t.TempDir())
	w.withdraw(t, id, unsub.Applied)
	w.withdraw(t, id, unsub.Applied)
	s.Fail(errDown)
	other := gate.ID{2}
	w.withdraw(t, other, unsub.Accepted)
	w.withdraw(t, other, unsub.Accepted)
	s.Fail(nil)
	w.run(t)
	drain(t, w.journal)
	for _, id := range []gate.ID{id, other} {
		if n := len(person(t, s, id).Events); n != 1 {
			t.Errorf("%d events, want 1", n)
		}
	}
}

func TestWithdrawingAfterANewConsentCountsAgain(t *testing.T) {
	t.Parallel()
	id, s := gate.ID{1}, gatetest.NewStore()
	w := newWorld(t, s, t.TempDir())
	grant(t, s, id, "g", day().Add(-time.Hour))
	w.withdraw(t, id, unsub.Applied)
	confirm(t, s, id, day().Add(time.Second))
	if got := state(t, s, id); got == gate.StateWithdrawn {
		t.Fatal("the confirmation did not reopen")
	}
	w.withdraw(t, id, unsub.Applied)
	if got := state(t, s, id); got != gate.StateWithdrawn {
		t.Errorf("state %s, want withdrawn", got)
	}
}

// confirm is a request and, in the same moment, its confirmation from the mailbox.
func confirm(t *testing.T, s *gatetest.Store, id gate.ID, at time.Time) {
	t.Helper()
	apply(t, s, id, gate.Event{ID: "r", Type: gate.ConfirmationRequested, Purpose: "newsletter", Time: at})
	apply(t, s, id, gate.Event{
		ID: "c", Type: gate.Confirmed, Via: gate.ViaMailbox, Purpose: "newsletter", Time: at, Evidence: gate.Evidence{Ref: "page"},
	})
}

func drain(t *testing.T, j *journal.Journal) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := j.Drain(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestWithdrawalIsInForceHereWhileTheStoreIsDownAndReachesItLater(t *testing.T) {
	t.Parallel()
	id, s := gate.ID{1}, gatetest.NewStore()
	grant(t, s, id, "g", day().Add(-time.Hour))
	w := newWorld(t, s, t.TempDir())
	w.run(t)
	s.Fail(errDown)
	w.withdraw(t, id, unsub.Accepted)
	if !w.withdrawals.Pending(id, "newsletter") {
		t.Error("not pending while the store is down")
	}
	if w.withdrawals.Pending(id, "offers") || w.withdrawals.Pending(gate.ID{2}, "newsletter") {
		t.Error("pending for another purpose or recipient")
	}
	s.Fail(nil)
	gatetest.Eventually(t, "nothing is pending", func() bool { return !w.withdrawals.Pending(id, "newsletter") })
	if got := state(t, s, id); got != gate.StateWithdrawn {
		t.Errorf("state %s, want withdrawn", got)
	}
}

func TestWithdrawalFromEverythingIsPendingForEveryPurpose(t *testing.T) {
	t.Parallel()
	id, s := gate.ID{1}, gatetest.NewStore()
	w := newWorld(t, s, t.TempDir())
	s.Fail(errDown)
	if _, err := w.withdrawals.Withdraw(t.Context(), unsub.Withdrawal{ID: id, Purpose: gate.AllPurposes}); err != nil {
		t.Fatal(err)
	}
	if !w.withdrawals.Pending(id, "newsletter") || !w.withdrawals.Pending(id, "offers") {
		t.Error("not pending")
	}
}

func TestWithdrawalWaitsForAStoreThatHangsOnlySoLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := gatetest.NewStore()
		w := newWorld(t, s, t.TempDir())
		s.Freeze()
		gone, cancel := context.WithCancel(t.Context())
		cancel() // whoever hangs up has said no all the same
		start := time.Now()
		r, err := w.withdrawals.Withdraw(gone, unsub.Withdrawal{ID: gate.ID{1}, Purpose: "newsletter"})
		if err != nil || r != unsub.Accepted {
			t.Errorf("Withdraw = %v, %v, want Accepted", r, err)
		}
		if took := time.Since(start); took > 3*time.Second {
			t.Errorf("answered after %v", took)
		}
	})
}

func TestWithdrawalSurvivesAKillBetweenJournalAndStore(t *testing.T) {
	t.Parallel()
	id, s := gate.ID{1}, gatetest.NewStore()
	grant(t, s, id, "g", day().Add(-time.Hour))
	before := newWorld(t, s, t.TempDir())
	s.Fail(errDown)
	before.withdraw(t, id, unsub.Accepted)
	killed := t.TempDir() // what the disk holds at that moment
	if err := os.CopyFS(killed, os.DirFS(before.dir)); err != nil {
		t.Fatal(err)
	}

	after := newWorld(t, s, killed)
	if !after.withdrawals.Pending(id, "newsletter") {
		t.Error("not in force before anything is served")
	}
	after.run(t)
	s.Fail(nil)
	gatetest.Eventually(t, "nothing is pending", func() bool { return !after.withdrawals.Pending(id, "newsletter") })
	if got := state(t, s, id); got != gate.StateWithdrawn {
		t.Errorf("state %s, want withdrawn", got)
	}
}

func TestWithdrawalsThatAFailoverLostAreReplayed(t *testing.T) {
	t.Parallel()
	id, back, s := gate.ID{1}, gate.ID{2}, gatetest.NewStore()
	w := newWorld(t, s, t.TempDir())
	w.run(t)
	w.withdraw(t, id, unsub.Applied)
	w.withdraw(t, back, unsub.Applied)

	s.Empty() // the replica that took over had none of it
	if err := s.Init(t.Context(), gate.Meta{Schema: 1, Fingerprint: "gatetest", Created: day()}); err != nil {
		t.Fatal(err)
	}
	for _, r := range []gate.ID{id, back} {
		grant(t, s, r, "g", day().Add(-time.Hour))
	}
	confirm(t, s, back, day().Add(time.Second))
	w.withdrawals.Reconnected()
	gatetest.Eventually(t, "the withdrawal is back", func() bool { return state(t, s, id) == gate.StateWithdrawn })
	gatetest.Eventually(t, "the other one is back too", func() bool { return len(person(t, s, back).Events) == 4 })
	if got := state(t, s, back); got == gate.StateWithdrawn {
		t.Error("the replay undid what the person did since")
	}
}

func TestStoreThatTakesAWithdrawalAgainIsReplayedTo(t *testing.T) {
	t.Parallel()
	lost, id, s := gate.ID{1}, gate.ID{2}, gatetest.NewStore()
	w := newWorld(t, s, t.TempDir())
	w.run(t)
	w.withdraw(t, lost, unsub.Applied)
	s.Fail(errDown)
	w.withdraw(t, id, unsub.Accepted)
	s.Empty()
	s.Fail(nil)
	if err := s.Init(t.Context(), gate.Meta{Schema: 1, Fingerprint: "gatetest", Created: day()}); err != nil {
		t.Fatal(err)
	}
	gatetest.Eventually(t, "both withdrawals are in the store", func() bool {
		return state(t, s, lost) == gate.StateWithdrawn && state(t, s, id) == gate.StateWithdrawn
	})
}

func TestJournalThatCannotBeWrittenIsNoWithdrawal(t *testing.T) {
	t.Parallel()
	s := gatetest.NewStore()
	w := newWorld(t, s, t.TempDir())
	if err := w.journal.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := w.withdrawals.Withdraw(t.Context(), unsub.Withdrawal{ID: gate.ID{1}, Purpose: "newsletter"})
	if !errors.Is(err, journal.ErrClosed) {
		t.Errorf("Withdraw: %v, want the journal's error", err)
	}
	if w.withdrawals.Pending(gate.ID{1}, "newsletter") || len(person(t, s, gate.ID{1}).Events) > 0 {
		t.Error("in force although nobody may be told so")
	}
}

func TestRecordThatIsNoWithdrawalHoldsUpNothing(t *testing.T) {
	t.Parallel()
	id, s, dir := gate.ID{1}, gatetest.NewStore(), t.TempDir()
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(j.Append([]byte("not JSON"), true), j.Append([]byte("{}"), true), j.Close()); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, s, dir)
	s.Fail(errDown)
	w.withdraw(t, id, unsub.Accepted)
	s.Fail(nil)
	w.run(t)
	drain(t, w.journal)
	if got := state(t, s, id); got != gate.StateWithdrawn {
		t.Errorf("state %s, want withdrawn", got)
	}
}

func TestManyWithdrawalsOverAFlappingStoreAllArriveOnce(t *testing.T) {
	t.Parallel()
	const people = 64
	s := gatetest.NewStore()
	w := newWorld(t, s, t.TempDir())
	w.run(t)
	flapping, stop := context.WithCancel(t.Context())
	var flap, clicks sync.WaitGroup
	flap.Go(func() {
		for flapping.Err() == nil {
			s.Fail(syscall.ECONNREFUSED)
			s.Fail(nil)
		}
	})
	for i := range people {
		clicks.Go(func() {
			id := gate.ID{byte(i + 1)}
			for range 3 {
				x := unsub.Withdrawal{ID: id, Purpose: "newsletter"}
				if _, err := w.withdrawals.Withdraw(t.Context(), x); err != nil {
					t.Error(err)
				}
			}
		})
	}
	clicks.Wait()
	stop()
	flap.Wait()
	s.Fail(nil)
	gatetest.Eventually(t, "every withdrawal is in the store", func() bool {
		for i := range people {
			id := gate.ID{byte(i + 1)}
			if w.withdrawals.Pending(id, "newsletter") || state(t, s, id) != gate.StateWithdrawn {
				return false
			}
		}
		return true
	})
}

func BenchmarkPendingWhileNothingIs(b *testing.B) {
	j, err := journal.Open(b.TempDir(), journal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer j.Close()
	w, err := unsub.NewWithdrawals(unsub.WithdrawalsOptions{Journal: j, Store: gatetest.NewStore()})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			w.Pending(gate.ID{1}, "newsletter")
		}
	})
}
