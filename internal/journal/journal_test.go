package journal_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/internal/journal"
)

func open(t *testing.T, dir string, o journal.Options) *journal.Journal {
	t.Helper()
	j, err := journal.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	return j
}

func appendAll(t *testing.T, j *journal.Journal, recs ...string) {
	t.Helper()
	for _, r := range recs {
		if err := j.Append([]byte(r), true); err != nil {
			t.Fatal(err)
		}
	}
}

func replay(t *testing.T, j *journal.Journal) []string {
	t.Helper()
	return collect(t, func(fn func(time.Time, []byte) error) error { return j.Replay(time.Time{}, fn) })
}

func collect(t *testing.T, each func(func(time.Time, []byte) error) error) []string {
	t.Helper()
	var got []string
	if err := each(func(_ time.Time, rec []byte) error {
		got = append(got, string(rec))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

func want(t *testing.T, got []string, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("records (-want +got):\n%s", d)
	}
}

func segments(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.log1"))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	return names
}

// crash copies the files of a journal that is still open, as a machine that lost power leaves them.
func crash(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

func TestRecordsStandInOrderAfterReopening(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, dir, journal.Options{})
	appendAll(t, j, "one", "", "three")
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = open(t, dir, journal.Options{})
	appendAll(t, j, "four")
	want(t, replay(t, j), "one", "", "three", "four")
}

func TestSecondHolderOfADirectoryIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, dir, journal.Options{})
	if _, err := journal.Open(dir, journal.Options{}); !errors.Is(err, journal.ErrHeld) {
		t.Fatalf("second Open: %v, want ErrHeld", err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, dir, journal.Options{})
}

func TestAppendAfterCloseIsAnError(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir(), journal.Options{})
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if err := j.Append([]byte("late"), false); !errors.Is(err, journal.ErrClosed) {
		t.Errorf("Append after Close: %v, want ErrClosed", err)
	}
}

func TestRecordLengthIsBounded(t *testing.T) {
	t.Parallel()
	j := open(t, t.TempDir(), journal.Options{})
	longest := string(bytes.Repeat([]byte("x"), journal.MaxRecord))
	appendAll(t, j, longest)
	if err := j.Append([]byte(longest+"x"), true); !errors.Is(err, journal.ErrTooLarge) {
		t.Errorf("Append of MaxRecord+1: %v, want ErrTooLarge", err)
	}
	want(t, replay(t, j), longest)
}

func TestWhatACrashLeftOfTheLastRecordIsCut(t *testing.T) {
	t.Parallel()
	whole := journal.Frame(time.Unix(1, 0), []byte("torn away"))
	for name, tail := range map[string][]byte{
		"half a head":                whole[:7],
		"a head without its record":  whole[:16],
		"all but the last octet":     whole[:len(whole)-1],
		"zeros of an unwritten page": make([]byte, 4096),
		"one wrong octet":            append(slices.Clone(whole[:len(whole)-1]), '!'),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			j := open(t, dir, journal.Options{})
			appendAll(t, j, "kept")
			dir = crash(t, dir)
			addTo(t, segments(t, dir)[0], tail)

			j = open(t, dir, journal.Options{})
			appendAll(t, j, "after")
			want(t, replay(t, j), "kept", "after")
			if d := j.Damage(); len(d) != 0 {
				t.Errorf("a torn tail is no damage, got %v", d)
			}
		})
	}
}

func addTo(t *testing.T, name string, b []byte) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(b)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestDamageInTheMiddleIsReportedAndTheRestIsRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	j := open(t, dir, journal.Options{})
	appendAll(t, j, "one", "two", "three")
	dir = crash(t, dir)
	spoil(t, segments(t, dir)[0], "two")

	j = open(t, dir, journal.Options{})
	want(t, replay(t, j), "one", "three")
	frame := int64(len(journal.Frame(time.Time{}, []byte("two"))))
	wantDamage := []journal.Damage{{File: segments(t, dir)[0], Offset: frame, Bytes: frame}}
	if d := cmp.Diff(wantDamage, j.Damage()); d != "" {
		t.Errorf("damage (-want +got):\n%s", d)
	}
}

func spoil(t *testing.T, name, word string) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(b, []byte(word))
	b[at] ^= 0xff
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFullDiskKeepsNoHalfRecordAndTheJournalWorksOnceThereIsSpace(t *testing.T) {
	t.Parallel()
	for name, truncates := range map[string]bool{
		"the half record is cut at once":                      true,
		"the half record is cut before the next one is added": false,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, f := t.TempDir(), new(journal.Faults)
			j := open(t, dir, journal.Inject(journal.Options{}, f))
			appendAll(t, j, "before")

			f.Write = func(n int) (int, error) { return n / 2, syscall.ENOSPC }
			if !truncates {
				f.Truncate = func() error { return syscall.EIO }
			}
			err := j.Append([]byte("does not fit"), true)
			if !errors.Is(err, journal.ErrFull) || !errors.Is(err, syscall.ENOSPC) {
				t.Fatalf("Append on a full disk: %v, want ErrFull and ENOSPC", err)
			}
			*f = journal.Faults{}
			appendAll(t, j, "after")

			want(t, replay(t, j), "before", "after")
			j = open(t, crash(t, dir), journal.Options{})
			want(t, replay(t, j), "before", "after")
			if d := j.Damage(); len(d) != 0 {
				t.Errorf("damage: %v", d)
			}
		})
	}
}

func TestFailedFsyncIsAnErrorForEveryRecordItCoveredAndTheNextSegmentWorks(t *testing.T) {
	t.Parallel()
	dir, f := t.TempDir(), new(journal.Faults)
	j := open(t, dir, journal.Inject(journal.Options{}, f))
	appendAll(t, j, "before")

	var fails atomic.Int32
	f.Sync = func() error {
		if fails.Add(1) == 1 { // as Linux does: it says so once and then forgets
			return syscall.EIO
		}
		return nil
	}
	if err := j.Append([]byte("unsure"), true); !errors.Is(err, syscall.EIO) {
		t.Fatalf("Append with a failing fsync: %v, want EIO", err)
	}
	appendAll(t, j, "after")
	if n := len(segments(t, dir)); n != 2 {
		t.Errorf("%d segments, want a second one after the failed fsync", n)
	}
	want(t, replay(t, j), "before", "unsure", "after")
}

func TestConcurrentDurableAppendsShareFsyncs(t *testing.T) {
	t.Parallel()
	const writers, each = 32, 20
	var syncs atomic.Int32
	f := &journal.Faults{Sync: func() error { syncs.Add(1); return nil }}
	j := open(t, t.TempDir(), journal.Inject(journal.Options{SegmentSize: 4 << 10}, f))
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				if err := j.Append(fmt.Appendf(nil, "%d/%d", w, i), true); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if got := replay(t, j); len(got) != writers*each {
		t.Errorf("%d records, want %d", len(got), writers*each)
	}
	if n := syncs.Load(); n > writers*each/2 {
		t.Errorf("%d fsyncs for %d records: appends do not share them", n, writers*each)
	}
}

func TestReplayBeginsAtSince(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_700_000_000, 0)
	j := open(t, t.TempDir(), journal.Options{Now: func() time.Time { return now }})
	appendAll(t, j, "old")
	since := now.Add(time.Hour)
	now = since
	appendAll(t, j, "new")
	want(t, collect(t, func(fn func(time.Time, []byte) error) error { return j.Replay(since, fn) }), "new")
}
