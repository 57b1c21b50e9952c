package gatetest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
)

var keeperContract = []contract{
	{"a new store is uninitialised and answers nobody", func(t *testing.T, b Backend) {
		ctx := testContext(t)
		wantUninitialised(t, b.Store)
		wantNobodyAnswered(ctx, t, b.Store)
	}},
	{"init makes a consent store and meta reads back", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		got, err := s.Meta(ctx)
		noError(t, "Meta", err)
		same(t, "Meta", got, testMeta())
		noError(t, "Ping", s.Ping(ctx))
		same(t, "record of somebody unknown", record(t, s, 1), gate.Record{})
		same(t, "somebody unknown", person(t, s, 1), gate.Person{ID: testID(1)})
	}},
	{"init shows on a handle that was open before", func(t *testing.T, b Backend) {
		other := b.Again()
		defer other.Close()
		wantUninitialised(t, other)
		ctx, _ := ready(t, b)
		_, err := other.Meta(ctx)
		noError(t, "Meta", err)
		same(t, "record of somebody unknown", record(t, other, 1), gate.Record{})
	}},
	{"init again with the same key changes nothing", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		apply(t, s, grant(1, "e1", day(1)))
		later := testMeta()
		later.Created = day(9)
		noError(t, "Init", s.Init(ctx, later))
		got, err := s.Meta(ctx)
		noError(t, "Meta", err)
		same(t, "Meta", got, testMeta())
		same(t, "events", len(person(t, s, 1).Events), 1)
	}},
	{"init with another key is refused", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		other := testMeta()
		other.Fingerprint = "another"
		if err := s.Init(ctx, other); err == nil {
			t.Error("Init with another fingerprint: no error")
		}
		got, err := s.Meta(ctx)
		noError(t, "Meta", err)
		same(t, "Meta", got, testMeta())
	}},
	{"an unfinished copy says so on every handle until the mark is taken away", func(t *testing.T, b Backend) {
		ctx, s := testContext(t), b.Store
		wantUnavailable(t, "SetUnfinished before Init", s.SetUnfinished(ctx, true))
		begun := testMeta()
		begun.Unfinished = true
		noError(t, "Init", s.Init(ctx, begun))
		noError(t, "Init again", s.Init(ctx, begun))
		other := b.Again()
		defer other.Close()
		for _, handle := range []gate.Store{s, other} {
			wantUnfinished(t, handle, begun)
		}
		noError(t, "SetUnfinished", s.SetUnfinished(ctx, false))
		got, err := other.Meta(ctx)
		noError(t, "Meta of a finished copy", err)
		same(t, "Meta of a finished copy", got, testMeta())
		noError(t, "SetUnfinished", s.SetUnfinished(ctx, true))
		noError(t, "SetUnfinished again", s.SetUnfinished(ctx, true))
		wantUnfinished(t, other, begun)
	}},
	{"init leaves a finished store finished", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		begun := testMeta()
		begun.Unfinished = true
		noError(t, "Init", s.Init(ctx, begun))
		_, err := s.Meta(ctx)
		noError(t, "Meta", err)
	}},
	{"an emptied store is an outage, not a refusal", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		apply(t, s, grant(1, "e1", day(1)))
		b.Empty()
		wantUninitialised(t, s)
		wantNobodyAnswered(ctx, t, s)
	}},
	{"an emptied store that is initialised again serves", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		b.Empty()
		noError(t, "Init", s.Init(ctx, testMeta()))
		apply(t, s, grant(1, "e1", day(1)))
		same(t, "version", record(t, s, 1).Version, uint64(1))
	}},
	{"a second handle reads what the first wrote", func(t *testing.T, b Backend) {
		_, s := ready(t, b)
		other := b.Again()
		defer other.Close()
		want := apply(t, s, grant(1, "e1", day(1)))[0].Record
		same(t, "record", record(t, other, 1), want)
	}},
	{"streams are remembered for ever", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		got, err := s.Streams(ctx)
		noError(t, "Streams", err)
		same(t, "Streams at first", got, map[string]string{})
		noError(t, "RememberStreams", s.RememberStreams(ctx, map[string]string{"aa": "newsletter", "bb": "offers"}))
		noError(t, "RememberStreams", s.RememberStreams(ctx, map[string]string{"cc": "receipts", "bb": "promotions"}))
		noError(t, "RememberStreams of none", s.RememberStreams(ctx, nil))
		got, err = s.Streams(ctx)
		noError(t, "Streams", err)
		same(t, "Streams", got, map[string]string{"aa": "newsletter", "bb": "promotions", "cc": "receipts"})
	}},
	{"a context that has ended is honoured by every call", func(t *testing.T, b Backend) {
		_, s := ready(t, b)
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		wantEveryCallRefused(ended, t, s)
	}},
	{"a stalled store is unavailable within the deadline and serves again after", func(t *testing.T, b Backend) {
		if b.Stall == nil {
			return
		}
		_, s := ready(t, b)
		apply(t, s, grant(1, "e1", day(1)))
		resume := b.Stall()
		wantPrompt(t, "Records", func(ctx context.Context) error {
			return s.Records(ctx, []gate.ID{testID(1)})[0].Err
		})
		wantPrompt(t, "Apply", func(ctx context.Context) error {
			return s.Apply(ctx, []gate.Change{withdrawal(2, "e2", day(2))})[0].Err
		})
		resume()
		Eventually(t, "the store serves again", func() bool {
			return s.Records(testContext(t), []gate.ID{testID(1)})[0].Err == nil
		})
	}},
}

func wantUninitialised(t *testing.T, s gate.Store) {
	t.Helper()
	_, err := s.Meta(testContext(t))
	if !errors.Is(err, gate.ErrUninitialised) {
		t.Errorf("Meta: got error %v, want one that wraps ErrUninitialised", err)
	}
	if errors.Is(err, gate.ErrUnavailable) {
		t.Errorf("Meta: error %v wraps ErrUnavailable too: nobody could tell an empty store from one that is down", err)
	}
}

// wantUnfinished proves that nobody takes the store for a finished one, and that a copy can go on with it.
func wantUnfinished(t *testing.T, s gate.Store, want gate.Meta) {
	t.Helper()
	ctx := testContext(t)
	got, err := s.Meta(ctx)
	wantUnavailable(t, "Meta", err)
	if !errors.Is(err, gate.ErrUnfinished) {
		t.Errorf("Meta: got error %v, want one that wraps ErrUnfinished", err)
	}
	same(t, "Meta", got, want)
	if err := s.Init(ctx, testMeta()); !errors.Is(err, gate.ErrUnfinished) {
		t.Errorf("Init of an unfinished copy: got error %v, want one that wraps ErrUnfinished", err)
	}
	p := person(t, s, 1)
	next := gate.Person{ID: testID(1), Events: append(p.Events, grant(1, fmt.Sprint("e", len(p.Events)), day(1)).Event)}
	next.Record = gate.Fold(next.Events)
	next.Record.Version = p.Record.Version + 1
	noError(t, "Rewrite", s.Rewrite(ctx, []gate.Rewrite{{Was: p.Record.Version, Person: next}})[0])
}

// wantNobodyAnswered proves that neither the known recipient 1 nor the unknown 2 gets an answer or a change.
func wantNobodyAnswered(ctx context.Context, t *testing.T, s gate.Store) {
	t.Helper()
	for i, l := range s.Records(ctx, []gate.ID{testID(1), testID(2)}) {
		wantUnavailable(t, "Records", l.Err)
		same(t, "record", l.Record, gate.Record{})
		_, err := s.Person(ctx, testID(i+1))
		wantUnavailable(t, "Person", err)
	}
	for _, a := range s.Apply(ctx, []gate.Change{grant(1, "x1", day(3)), grant(2, "x2", day(3))}) {
		wantUnavailable(t, "Apply", a.Err)
	}
	n := 0
	for _, err := range s.Persons(ctx) {
		n++
		wantUnavailable(t, "Persons", err)
	}
	same(t, "answers of Persons", n, 1)
}

// wantEveryCallRefused calls each port with a context that has ended.
func wantEveryCallRefused(ctx context.Context, t *testing.T, s gate.Store) {
	t.Helper()
	wantUnavailable(t, "Records", s.Records(ctx, []gate.ID{testID(1)})[0].Err)
	wantUnavailable(t, "Apply", s.Apply(ctx, []gate.Change{grant(1, "e1", day(1))})[0].Err)
	_, err := s.Person(ctx, testID(1))
	wantUnavailable(t, "Person", err)
	for _, err := range s.Persons(ctx) {
		wantUnavailable(t, "Persons", err)
	}
	wantUnavailable(t, "AppendBlocks", s.AppendBlocks(ctx, []gate.BlockEntry{entry(1, day(1))}))
	for _, err := range s.Blocks(ctx, gate.BlockQuery{}) {
		wantUnavailable(t, "Blocks", err)
	}
	wantUnavailable(t, "AddCounts", s.AddCounts(ctx, day(1), map[string]int64{"a": 1}))
	_, err = s.Counts(ctx, day(1), day(1))
	wantUnavailable(t, "Counts", err)
	_, _, err = s.Enter(ctx, "key", "owner", time.Minute)
	wantUnavailable(t, "Enter", err)
	wantUnavailable(t, "Leave", s.Leave(ctx, "key", "owner"))
	wantUnavailable(t, "Note", s.Note(ctx, "key", []string{"a"}, time.Minute))
	wantUnavailable(t, "Forget", s.Forget(ctx, "key", "owner", []string{"a"}))
	_, err = s.Open(ctx)
	wantUnavailable(t, "Open", err)
	wantUnavailable(t, "Mark", s.Mark(ctx, mark("m1", "contest:quiz")))
	_, err = s.Marks(ctx)
	wantUnavailable(t, "Marks", err)
	_, err = s.Meta(ctx)
	wantUnavailable(t, "Meta", err)
	wantUnavailable(t, "Init", s.Init(ctx, testMeta()))
	wantUnavailable(t, "SetUnfinished", s.SetUnfinished(ctx, true))
	wantUnavailable(t, "Ping", s.Ping(ctx))
	wantUnavailable(t, "RememberStreams", s.RememberStreams(ctx, map[string]string{"aa": "newsletter"}))
	_, err = s.Streams(ctx)
	wantUnavailable(t, "Streams", err)
}

// wantPrompt proves that call ends in ErrUnavailable soon after its 250 ms are over.
func wantPrompt(t *testing.T, what string, call func(ctx context.Context) error) {
	t.Helper()
	const budget, grace = 250 * time.Millisecond, 2 * time.Second
	ctx, cancel := context.WithTimeout(context.Background(), budget)
	defer cancel()
	start := time.Now()
	wantUnavailable(t, what, call(ctx))
	if took := time.Since(start); took > budget+grace {
		t.Errorf("%s took %v of a budget of %v", what, took, budget)
	}
}

// Eventually waits until cond holds and fails the test after ten seconds.
func Eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !cond() {
		if time.Now().After(deadline) {
			t.Fatalf("gave up waiting until %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
