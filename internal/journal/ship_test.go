package journal_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/consentgate/consentgate/internal/journal"
)

// quick is a journal whose pauses and segments are short.
func quick() journal.Options {
	return journal.Options{SegmentSize: 64, BatchRecords: 3, Backoff: time.Millisecond, MaxBackoff: 2 * time.Millisecond}
}

// receiver is what records are shipped to.
type receiver struct {
	mu      sync.Mutex
	got     []string
	largest int
	refuse  func(batch [][]byte) error
}

func (r *receiver) deliver(_ context.Context, batch [][]byte) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse != nil {
		if err := r.refuse(batch); err != nil {
			return err
		}
	}
	r.largest = max(r.largest, len(batch))
	for _, rec := range batch {
		r.got = append(r.got, string(rec))
	}
	return nil
}

func (r *receiver) records() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.got
}

// ship runs Ship until the returned func is called.
func ship(t *testing.T, j *journal.Journal, r *receiver) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- j.Ship(ctx, r.deliver) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Ship: %v", err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func drain(t *testing.T, j *journal.Journal) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := j.Drain(ctx); err != nil {
		t.Fatal(err)
	}
}

func numbered(n int) []string {
	recs := make([]string, n)
	for i := range recs {
		recs[i] = fmt.Sprintf("record %02d", i)
	}
	return recs
}

func TestShipDeliversInOrderInBoundedBatchesAndRemovesWhatIsShipped(t *testing.T) {
	t.Parallel()
	dir, r, recs := t.TempDir(), new(receiver), numbered(40)
	j := open(t, dir, quick())
	appendAll(t, j, recs[:20]...)
	stop := ship(t, j, r)
	appendAll(t, j, recs[20:]...)
	drain(t, j)
	stop()
	want(t, r.records(), recs...)
	if r.largest > 3 {
		t.Errorf("a batch of %d records, want at most 3", r.largest)
	}
	if n := len(segments(t, dir)); n != 1 {
		t.Errorf("%d segments stay, want the one being written", n)
	}
}

func TestBehindIsWhatIsYetToBeDelivered(t *testing.T) {
	t.Parallel()
	r := new(receiver)
	j := open(t, t.TempDir(), quick())
	if n := j.Behind(); n != 0 {
		t.Errorf("an empty journal is %d octets behind", n)
	}
	appendAll(t, j, numbered(10)...) // several segments
	all := j.Behind()
	if all < 10*int64(len("record 00")) {
		t.Errorf("%d octets behind, want at least what the records hold", all)
	}
	stop := ship(t, j, r)
	drain(t, j)
	stop()
	if n := j.Behind(); n != 0 {
		t.Errorf("%d octets behind when all is delivered", n)
	}
	appendAll(t, j, "one")
	if n := j.Behind(); n <= 0 || n >= all {
		t.Errorf("%d octets behind with one record, %d with ten", n, all)
	}
}

func TestShipRemembersHowFarItCame(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := new(receiver)
	j := open(t, dir, journal.Options{})
	appendAll(t, j, "one", "two")
	stop := ship(t, j, first)
	drain(t, j)
	stop()
	appendAll(t, j, "three")
	want(t, collect(t, j.Unshipped), "three")

	second := new(receiver)
	j = open(t, crash(t, dir), journal.Options{})
	ship(t, j, second)
	drain(t, j)
	want(t, first.records(), "one", "two")
	want(t, second.records(), "three")
}

func TestRefusedBatchIsDeliveredAgainUntilItIsTaken(t *testing.T) {
	t.Parallel()
	tries := 0
	r := &receiver{refuse: func([][]byte) error {
		if tries++; tries <= 5 {
			return errors.New("the store is down")
		}
		return nil
	}}
	j := open(t, t.TempDir(), quick())
	appendAll(t, j, "one", "two")
	ship(t, j, r)
	drain(t, j)
	want(t, r.records(), "one", "two")
	if tries < 6 {
		t.Errorf("%d tries, want at least 6", tries)
	}
}

func TestCloseEndsAShipThatCannotDeliver(t *testing.T) {
	t.Parallel()
	refused := make(chan struct{}, 1)
	r := &receiver{refuse: func([][]byte) error {
		select {
		case refused <- struct{}{}:
		default:
		}
		return errors.New("the store is down")
	}}
	dir := t.TempDir()
	j := open(t, dir, quick())
	appendAll(t, j, "one")
	ship(t, j, r)
	<-refused
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	want(t, collect(t, open(t, dir, quick()).Unshipped), "one")
}

func TestSecondShipIsRefused(t *testing.T) {
	t.Parallel()
	r := new(receiver)
	j := open(t, t.TempDir(), quick())
	appendAll(t, j, "one")
	ship(t, j, r)
	drain(t, j)
	if err := j.Ship(t.Context(), r.deliver); !errors.Is(err, journal.ErrShipping) {
		t.Errorf("second Ship: %v, want ErrShipping", err)
	}
}

func TestShippedSegmentsStayForTheRetention(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	now := time.Unix(1_700_000_000, 0)
	o := quick()
	o.Retention = 7 * 24 * time.Hour
	o.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	dir, recs := t.TempDir(), numbered(20)
	j := open(t, dir, o)
	ship(t, j, new(receiver))
	appendAll(t, j, recs...)
	drain(t, j)
	want(t, replay(t, j), recs...)

	mu.Lock()
	now = now.Add(o.Retention + time.Hour)
	mu.Unlock()
	appendAll(t, j, "much later")
	drain(t, j)
	deadline := time.Now().Add(10 * time.Second)
	for len(segments(t, dir)) > 1 {
		if time.Now().After(deadline) {
			t.Fatalf("segments past retention stay: %v", segments(t, dir))
		}
		time.Sleep(time.Millisecond)
	}
	want(t, replay(t, j), "much later")
}

func TestDamagedSegmentIsKeptWhenItsRecordsAreShipped(t *testing.T) {
	t.Parallel()
	dir, r := t.TempDir(), new(receiver)
	j := open(t, dir, quick())
	appendAll(t, j, numbered(6)...)
	dir = crash(t, dir)
	spoil(t, segments(t, dir)[0], "record 00")

	j = open(t, dir, quick())
	stop := ship(t, j, r)
	drain(t, j)
	stop()
	want(t, r.records(), numbered(6)[1:]...)
	if kept, _ := filepath.Glob(filepath.Join(dir, "*.damaged")); len(kept) != 1 {
		t.Errorf("kept for inspection: %v, want one file", kept)
	}
}

func TestLostCursorMeansDeliveredAgain(t *testing.T) {
	t.Parallel()
	for name, content := range map[string][]byte{
		"removed":   nil,
		"torn":      []byte("\x01\x00\x00"),
		"not a one": []byte("twenty octets of old"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			j := open(t, dir, journal.Options{})
			appendAll(t, j, "one")
			stop := ship(t, j, new(receiver))
			drain(t, j)
			stop()
			dir = crash(t, dir)
			if err := os.WriteFile(filepath.Join(dir, "cursor"), content, 0o600); err != nil {
				t.Fatal(err)
			}
			want(t, collect(t, open(t, dir, journal.Options{}).Unshipped), "one")
		})
	}
}

func TestCursorBehindTheEndDoesNotHideNewRecords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, dir, journal.Options{})
	appendAll(t, j, "one", "two")
	stop := ship(t, j, new(receiver))
	drain(t, j)
	stop()
	dir = crash(t, dir)
	if err := os.Truncate(segments(t, dir)[0], 5); err != nil { // what was never fsynced is gone
		t.Fatal(err)
	}
	j = open(t, dir, journal.Options{})
	appendAll(t, j, "three")
	want(t, collect(t, j.Unshipped), "three")
}

func TestCursorOfSegmentsThatAreGoneDoesNotHideNewRecords(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, dir, quick())
	appendAll(t, j, numbered(20)...)
	stop := ship(t, j, new(receiver))
	drain(t, j)
	stop()
	dir = crash(t, dir)
	for _, name := range segments(t, dir) {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	j = open(t, dir, quick())
	appendAll(t, j, "new")
	want(t, collect(t, j.Unshipped), "new")
}

func TestDrainEndsWithItsContext(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir(), quick())
	appendAll(t, j, "nobody ships this")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := j.Drain(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Drain: %v, want context.Canceled", err)
	}
}
