package bulk_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/bulk"
	"github.com/consentgate/consentgate/internal/seal"
	"github.com/consentgate/consentgate/internal/testredis"
	"github.com/consentgate/consentgate/store/redisstore"
)

// everything fills a store with one of each thing that it keeps, and n people.
func everything(t *testing.T, s gate.Store, n int) {
	t.Helper()
	keys, err := seal.Open(t.TempDir(), seal.Options{MayCreate: true})
	if err != nil {
		t.Fatal(err)
	}
	fill(t, s, keys, n)
	undone(t, s)
	w, err := gate.NewWording(gate.Wording{ID: "nl", Version: "1", Language: "en"}, "Yes, write to me.", now())
	for _, err := range []error{
		err,
		s.AddWording(t.Context(), w),
		s.Mark(t.Context(), gate.Mark{ID: "m1", Source: "contest:quiz", Time: now(), Why: "bought"}),
		s.RememberStreams(t.Context(), map[string]string{"abc": "newsletter"}),
		s.AddCounts(t.Context(), now(), map[string]int64{"blocked": 7}),
		s.AppendBlocks(t.Context(), []gate.BlockEntry{
			{ID: "b1", Time: now().AddDate(0, 0, -3)}, {ID: "b2", Time: now().AddDate(0, 0, -1)}, {ID: "b3", Time: now()},
		}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for i := range 3 {
		if _, err := s.AppendAct(t.Context(), gate.Act{Time: now(), Actor: "cli:ann", Name: fmt.Sprint("act", i)}); err != nil {
			t.Fatal(err)
		}
	}
}

// undone is somebody who withdrew and took it back, and somebody who was erased: what no import takes.
func undone(t *testing.T, s gate.Store) {
	t.Helper()
	history := []gate.Event{
		{ID: "g", Type: gate.Granted, Method: gate.MethodActive, Purpose: "newsletter", Time: now().AddDate(0, -1, 0)},
		{ID: "w", Type: gate.Withdrawn, Purpose: "newsletter", Time: now()},
		{ID: "r", Type: gate.Restored, Purpose: "newsletter", Time: now().Add(time.Minute), Evidence: gate.Evidence{Ref: "w"}},
	}
	for n, events := range [][]gate.Event{history, gate.Erasure{ID: "x", Time: now()}.Remains(history[:2])} {
		p := gate.Person{ID: gate.ID{byte(n), 1, 2}, Sealed: "sealed", Events: events, Record: gate.Fold(events)}
		p.Record.Version = uint64(len(events)) + 4
		for _, err := range s.Rewrite(t.Context(), []gate.Rewrite{{Person: p}}) {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestACopyHoldsEverythingAsItStood(t *testing.T) {
	t.Parallel()
	const people = 200
	from, to := stores(t), stores(t)
	for _, pair := range [][2]string{{"redis", "sqlite"}, {"sqlite", "redis"}, {"redis", "cluster"}, {"cluster", "sqlite"}} {
		if pair[0] == "redis" && pair[1] == "cluster" {
			from["redis"] = redisStore(t, redisstore.Options{Addrs: []string{testredis.Start(t).Addr}})
		}
		source, target := from[pair[0]], to[pair[1]]
		if pair == [2]string{"cluster", "sqlite"} {
			target = sqliteStore(t)
		}
		t.Run(pair[0]+" to "+pair[1], func(t *testing.T) {
			t.Parallel()
			everything(t, source, people)
			done, err := (&bulk.Copier{From: source, To: target, Now: now()}).Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want := bulk.Contents{Recipients: people + 2, Events: done.Holds.Events, Digest: done.Holds.Digest, Streams: 1, Wordings: 1, Marks: 1, Acts: done.Holds.Acts}
			if done.Holds != want || done.Written != people+2 || done.Blocks != 3 || done.Holds.Events != people+67+5 {
				t.Errorf("%+v", done)
			}
			wantSame(t, source, target)
			again, err := (&bulk.Copier{From: source, To: target, Now: now(), Update: true}).Run(t.Context())
			if err != nil || again.Written != 0 || again.Blocks != 0 || again.Holds != done.Holds {
				t.Errorf("the second run: %+v, %v", again, err)
			}
		})
	}
}

// wantSame compares two stores port by port.
func wantSame(t *testing.T, source, target gate.Store) {
	t.Helper()
	for p, err := range source.Persons(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		got, err := target.Person(t.Context(), p.ID)
		if diff := cmp.Diff(p, got); diff != "" || err != nil {
			t.Fatalf("person (-source +target): %v\n%s", err, diff)
		}
	}
	counts, _ := source.Counts(t.Context(), now(), now())
	got, err := target.Counts(t.Context(), now(), now())
	if diff := cmp.Diff(counts, got); diff != "" || err != nil {
		t.Errorf("counters (-source +target): %v\n%s", err, diff)
	}
	if diff := cmp.Diff(blocks(t, source), blocks(t, target)); diff != "" {
		t.Errorf("blocks (-source +target):\n%s", diff)
	}
	if _, err := gate.CheckTrail(target.Acts(t.Context(), 1), gate.AuditEntry{}); err != nil {
		t.Errorf("audit log: %v", err)
	}
}

func blocks(t *testing.T, s gate.Store) (ids []string) {
	t.Helper()
	for e, err := range s.Blocks(t.Context(), gate.BlockQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.ID)
	}
	return ids
}

func TestACopyThatWasStoppedIsGoneOnWith(t *testing.T) {
	t.Parallel()
	source, target := sqliteStore(t), sqliteStore(t)
	everything(t, source, 300)
	ctx, kill := context.WithCancel(t.Context())
	first := bulk.Copier{From: source, To: target, Now: now(), Progress: func(c bulk.Copied) {
		if c.Recipients == 150 {
			kill()
		}
	}}
	half, err := first.Run(ctx)
	if !errors.Is(err, context.Canceled) || half.Written == 0 || half.Written > 150 {
		t.Fatalf("stopped half-way: %+v, %v", half, err)
	}
	if _, err := target.Meta(t.Context()); !errors.Is(err, gate.ErrUnfinished) {
		t.Fatalf("half a copy calls itself a store: %v, want ErrUnfinished", err)
	}
	if _, err := (&bulk.Copier{From: target, To: sqliteStore(t), Now: now()}).Run(t.Context()); !errors.Is(err, gate.ErrUnfinished) {
		t.Fatalf("a copy of half a copy: %v, want ErrUnfinished", err)
	}
	if _, err := (&bulk.Copier{From: source, To: target, Now: now()}).Run(t.Context()); !errors.Is(err, bulk.ErrNotEmpty) {
		t.Fatalf("without Update: %v, want ErrNotEmpty", err)
	}
	rest, err := (&bulk.Copier{From: source, To: target, Now: now(), Update: true}).Run(t.Context())
	if err != nil || half.Written+rest.Written != 302 {
		t.Fatalf("half %+v and then %+v, %v", half, rest, err)
	}
	wantSame(t, source, target)
	wantFinished(t, target)
}

func TestACopyFollowsASourceInUseAndNoTargetInUse(t *testing.T) {
	t.Parallel()
	source, target := sqliteStore(t), sqliteStore(t)
	everything(t, source, 20)
	during := bulk.Copier{From: source, To: target, Now: now(), Progress: func(c bulk.Copied) {
		if c.Recipients == 22 {
			change(t, source, "while it was copied")
		}
	}}
	if _, err := during.Run(t.Context()); !errors.Is(err, bulk.ErrDiffers) {
		t.Fatalf("a source that changes: %v, want ErrDiffers", err)
	}
	if _, err := target.Meta(t.Context()); !errors.Is(err, gate.ErrUnfinished) {
		t.Fatalf("a copy that differs calls itself a store: %v, want ErrUnfinished", err)
	}
	update := func() (bulk.Copied, error) {
		return (&bulk.Copier{From: source, To: target, Now: now(), Update: true}).Run(t.Context())
	}
	if done, err := update(); err != nil || done.Written != 1 {
		t.Fatalf("brought up to date: %+v, %v", done, err)
	}
	wantFinished(t, target)
	change(t, target, "by a gate that uses the target")
	change(t, source, "and the source")
	if done, err := update(); !errors.Is(err, bulk.ErrTargetUsed) || done.Written != 0 {
		t.Errorf("a target in use: %+v, %v, want ErrTargetUsed", done, err)
	}
	wantFinished(t, target) // the gate that uses it goes on
}

func wantFinished(t *testing.T, s gate.Store) {
	t.Helper()
	if _, err := s.Meta(t.Context()); err != nil {
		t.Errorf("the target is no store: %v", err)
	}
}

func TestACopyIsNotedInBothStoresBeforeAnythingIsWritten(t *testing.T) {
	t.Parallel()
	source, target := sqliteStore(t), emptyStore(t)
	everything(t, source, 5)
	job := bulk.Copier{From: source, To: target, Now: now(), Note: func(context.Context) error { return errors.New("not noted") }}
	_, err := job.Run(t.Context())
	if _, meta := target.Meta(t.Context()); err == nil || !errors.Is(meta, gate.ErrUninitialised) {
		t.Fatalf("what cannot be noted: %v; the target: %v, want it untouched", err, meta)
	}
	job.Note = func(ctx context.Context) error {
		_, err := source.AppendAct(ctx, gate.Act{Time: now(), Actor: "cli:ann", Name: "store.copy"})
		return err
	}
	if _, err := job.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]gate.Store{"source": source, "target": target} {
		if head, err := gate.CheckTrail(s.Acts(t.Context(), 1), gate.AuditEntry{}); err != nil || head.Name != "store.copy" {
			t.Errorf("%s: the audit log ends in %q, %v", name, head.Name, err)
		}
	}
}

// change records one more act of somebody.
func change(t *testing.T, s gate.Store, id string) {
	t.Helper()
	for _, a := range s.Apply(t.Context(), []gate.Change{{ID: gate.ID{0, 1, 2}, Event: gate.Event{
		ID: id, Type: gate.Withdrawn, Purpose: "newsletter", Time: now().Add(time.Hour),
	}}}) {
		if a.Err != nil {
			t.Fatal(a.Err)
		}
	}
}

func TestATargetOfAnotherIDKeyIsRefused(t *testing.T) {
	t.Parallel()
	source := sqliteStore(t)
	other := redisStoreOf(t, "fedcba9876543210")
	if _, err := (&bulk.Copier{From: source, To: other, Now: now()}).Run(t.Context()); !errors.Is(err, bulk.ErrOtherKey) {
		t.Errorf("Run: %v, want ErrOtherKey", err)
	}
}

func redisStoreOf(t *testing.T, fingerprint string) gate.Store {
	t.Helper()
	s, err := redisstore.Open(redisstore.Options{Addrs: []string{testredis.Start(t).Addr}})
	if err == nil {
		err = s.Init(t.Context(), gate.Meta{Fingerprint: fingerprint, Created: now()})
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
