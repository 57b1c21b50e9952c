package app

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
)

// fickle is a store whose word about itself a test decides.
type fickle struct {
	gate.Store
	meta  atomic.Pointer[gate.Meta] // nil: it does not answer
	empty atomic.Bool               // it answers that it holds nothing
}

func (f *fickle) Meta(context.Context) (gate.Meta, error) {
	if f.empty.Load() {
		return gate.Meta{}, gate.ErrUninitialised
	}
	if m := f.meta.Load(); m != nil && m.Unfinished {
		return *m, gate.ErrUnfinished
	} else if m != nil {
		return *m, nil
	}
	return gate.Meta{}, gate.ErrUnavailable
}

func newWatched(f *fickle, back func()) *watched {
	m := &marks{store: f, now: time.Now, log: slog.New(slog.DiscardHandler)}
	_ = m.read(context.Background())
	return &watched{Store: f, marks: m, fingerprint: "ours", back: back, log: slog.New(slog.DiscardHandler)}
}

func TestAStoreIsNotTrustedBeforeItsKeyWasCompared(t *testing.T) {
	t.Parallel()
	f := &fickle{Store: gatetest.NewStore()}
	w := newWatched(f, func() {})
	ids := []gate.ID{{1}, {2}}
	for _, l := range w.Records(t.Context(), ids) {
		if !errors.Is(l.Err, gate.ErrUnavailable) {
			t.Errorf("before: %v, want ErrUnavailable", l.Err)
		}
	}
	change := []gate.Change{{ID: ids[0], Event: gate.Event{ID: "e", Type: gate.Withdrawn, Purpose: "news", Time: time.Now()}}}
	if a := w.Apply(t.Context(), change)[0]; !errors.Is(a.Err, gate.ErrUnavailable) {
		t.Errorf("written before: %v, want ErrUnavailable", a.Err)
	}
	f.meta.Store(&gate.Meta{Fingerprint: "ours"})
	if err := w.verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, l := range w.Records(t.Context(), ids) {
		if l.Err != nil {
			t.Errorf("after: %v, want an answer", l.Err)
		}
	}
	if a := w.Apply(t.Context(), change)[0]; a.Err != nil || a.Duplicate {
		t.Errorf("written after: %+v", a)
	}
}

func TestAStoreThatACopyIsMadeIntoDefersUntilTheCopyIsVerified(t *testing.T) {
	t.Parallel()
	f := &fickle{Store: gatetest.NewStore()}
	w := newWatched(f, func() {})
	answers := func(want error) {
		t.Helper()
		if l := w.Records(t.Context(), []gate.ID{{1}})[0]; !errors.Is(l.Err, want) {
			t.Errorf("lookup: %v, want %v", l.Err, want)
		}
		if err := w.RememberStreams(t.Context(), map[string]string{"code": "news"}); !errors.Is(err, want) {
			t.Errorf("streams: %v, want %v", err, want)
		}
		if err := w.AppendBlocks(t.Context(), nil); !errors.Is(err, want) {
			t.Errorf("block entries: %v, want %v", err, want)
		}
	}
	for _, unfinished := range []bool{false, true, false} {
		f.meta.Store(&gate.Meta{Fingerprint: "ours", Unfinished: unfinished})
		err := w.verify(t.Context())
		var want error
		if unfinished {
			want = gate.ErrUnavailable
		}
		if errors.Is(err, gate.ErrUnfinished) != unfinished {
			t.Errorf("verify, unfinished %v: %v", unfinished, err)
		}
		answers(want)
	}
}

func TestAStoreThatComesBackWithAnotherKeyEndsTheProgram(t *testing.T) {
	t.Parallel()
	f := &fickle{Store: gatetest.NewStore()}
	w := newWatched(f, func() {})
	ended := make(chan error, 1)
	go func() { ended <- w.run(t.Context(), time.Millisecond) }()
	f.meta.Store(&gate.Meta{Fingerprint: "theirs"})
	if err := <-ended; !errors.Is(err, errOtherKey) {
		t.Errorf("run ended with %v, want errOtherKey", err)
	}
}

func TestAStoreThatIsEmptiedMeanwhileIsLoggedWithWhatToDo(t *testing.T) {
	t.Parallel()
	f := &fickle{Store: gatetest.NewStore()}
	f.meta.Store(&gate.Meta{Fingerprint: "ours"})
	w := newWatched(f, func() {})
	logged := make(chan string, 1)
	w.log = slog.New(slog.NewTextHandler(lines(logged), nil))
	if err := w.verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.run(ctx, time.Millisecond) }()
	f.empty.Store(true)
	if got := <-logged; !strings.Contains(got, "`consentgate store init --lost`") {
		t.Errorf("logged %q, want what to do", got)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// lines hands on each line that is logged.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	l <- string(p)
	return len(p), nil
}

func TestAStoreThatComesBackGetsTheWithdrawalsAgain(t *testing.T) {
	t.Parallel()
	f := &fickle{Store: gatetest.NewStore()}
	back := make(chan struct{})
	w := newWatched(f, func() { back <- struct{}{} })
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.run(ctx, time.Millisecond) }()
	f.meta.Store(&gate.Meta{Fingerprint: "ours"})
	<-back
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// shardAway is a Cluster of which the shard with the store's word about itself answers, and another does not.
type shardAway struct {
	*fickle
	away atomic.Bool
}

func (s *shardAway) Ping(context.Context) error {
	if s.away.Load() {
		return gate.ErrUnavailable
	}
	return nil
}

func TestAShardThatIsAwayByItselfIsNoticedThoughTheStoreSaysWhoItIs(t *testing.T) {
	t.Parallel()
	s := &shardAway{fickle: &fickle{Store: gatetest.NewStore()}}
	s.meta.Store(&gate.Meta{Fingerprint: "ours"})
	back, logged := make(chan struct{}), make(chan string, 2)
	w := newWatched(s.fickle, func() { back <- struct{}{} })
	w.Store, w.log = s, slog.New(slog.NewTextHandler(lines(logged), nil))
	if err := w.verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.run(ctx, time.Millisecond) }()
	s.away.Store(true)
	if got := <-logged; !strings.Contains(got, "store does not answer") {
		t.Errorf("logged %q, want that the store does not answer", got)
	}
	s.away.Store(false)
	if got := <-logged; !strings.Contains(got, "store answers") {
		t.Errorf("logged %q, want that the store answers", got)
	}
	<-back
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAStoreThatChangedHandsGetsTheWithdrawalsAgain(t *testing.T) {
	t.Parallel()
	f := &fickle{Store: gatetest.NewStore()}
	f.meta.Store(&gate.Meta{Fingerprint: "ours"})
	back := make(chan struct{})
	w := newWatched(f, func() { back <- struct{}{} })
	var line atomic.Pointer[string]
	first, second := "one", "two"
	line.Store(&first)
	asked := make(chan struct{}, 1)
	w.lineage = func(context.Context) (string, error) {
		select {
		case asked <- struct{}{}:
		default:
		}
		return *line.Load(), nil
	}
	if err := w.verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.run(ctx, 50*time.Millisecond) }()
	for range 3 { // the first look, and others that find the same
		select {
		case <-asked:
		case <-back:
			t.Fatal("withdrawals are applied again although nothing has changed")
		}
	}
	line.Store(&second)
	<-back
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
