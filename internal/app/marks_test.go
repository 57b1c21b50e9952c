package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/consentgate/consentgate/admin"
	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
)

func TestMarksAreDoubtedOnceTheyAreTooOld(t *testing.T) {
	t.Parallel()
	store, now := gatetest.NewStore(), time.Now()
	m := &marks{store: store, now: func() time.Time { return now }, log: slog.New(slog.DiscardHandler)}
	if _, err := m.standing(); !errors.Is(err, gate.ErrUnavailable) {
		t.Errorf("never read: error %v, want ErrUnavailable", err)
	}
	if err := store.Mark(t.Context(), gate.Mark{ID: "m", Source: "contest", Time: now, Why: "ticked"}); err != nil {
		t.Fatal(err)
	}
	if err := m.read(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		age  time.Duration
		want error
	}{{0, nil}, {marksAge, nil}, {marksAge + 1, gate.ErrUnavailable}} {
		now = m.last.Load().at.Add(c.age)
		got, err := m.standing()
		if !errors.Is(err, c.want) || len(got["contest"]) != 1 {
			t.Errorf("%v old: %v, error %v, want the mark and error %v", c.age, got, err, c.want)
		}
	}
	store.Fail(errors.New("away"))
	if err := m.read(t.Context()); err == nil {
		t.Error("a store that is away gives marks")
	}
	if got, err := m.standing(); err == nil || len(got["contest"]) != 1 {
		t.Errorf("after a failed read: %v, error %v, want the old mark and an error", got, err)
	}
}

func TestAGateFollowsMarksUntilItEnds(t *testing.T) {
	t.Parallel()
	store := gatetest.NewStore()
	m := &marks{store: store, now: time.Now, log: slog.New(slog.DiscardHandler)}
	ctx, stop := context.WithCancel(t.Context())
	var ended atomic.Bool
	done := make(chan struct{})
	go func() { m.run(ctx, time.Millisecond); ended.Store(true); close(done) }()
	gatetest.Eventually(t, "the marks are read", func() bool { _, err := m.standing(); return err == nil })
	_ = store.Mark(t.Context(), gate.Mark{ID: "m", Source: "contest", Time: time.Now(), Why: "ticked"})
	gatetest.Eventually(t, "the mark is seen", func() bool { got, _ := m.standing(); return len(got) == 1 })
	if ended.Load() {
		t.Error("ended before its context")
	}
	stop()
	<-done
}

func TestWhatTheGateReadsIsAsTheMarksLeaveIt(t *testing.T) {
	t.Parallel()
	f := &fickle{Store: gatetest.NewStore()}
	f.meta.Store(&gate.Meta{Fingerprint: "ours"})
	w := newWatched(f, func() {})
	if err := w.verify(t.Context()); err != nil {
		t.Fatal(err)
	}
	id, at := gate.ID{1}, time.Now().Add(-time.Hour)
	f.Apply(t.Context(), []gate.Change{{ID: id, Event: gate.Event{
		ID: "e", Type: gate.Granted, Method: gate.MethodActive, Purpose: "newsletter", Time: at,
		Source: gate.Source{Kind: "contest", ID: "quiz"},
	}}})
	state := func() gate.State { return w.Records(t.Context(), []gate.ID{id})[0].Record.For("newsletter").State }
	_ = w.marks.read(t.Context())
	if got := state(); got != gate.StateActiveSingle {
		t.Errorf("before the mark: %s", got)
	}
	_ = f.Mark(t.Context(), gate.Mark{ID: "m", Source: "contest:quiz", Time: time.Now(), Why: "ticked"})
	_ = w.marks.read(t.Context())
	p, err := w.Person(t.Context(), id)
	if got := state(); err != nil || got != gate.StateInvalidated || p.Record.For("newsletter").State != got {
		t.Errorf("after the mark: record %s, person %s, error %v", got, p.Record.For("newsletter").State, err)
	}
}

// Whoever sends what an invalidated source says again hears what the gate would say: that it is nothing.
func TestTheAnswerToAnEventIsAsTheMarksLeaveIt(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	defer s.stop()
	mark := gate.Mark{ID: "m", Source: "contest:quiz", Time: time.Now().Add(-time.Minute), Why: "the box was ticked"}
	if err := s.store.Mark(t.Context(), mark); err != nil {
		t.Fatal(err)
	}
	if err := s.marks.read(t.Context()); err != nil {
		t.Fatal(err)
	}
	const event = `{"id":%q,"recipient":"ann@example.com","purpose":"newsletter","type":%q,"method":%q,"default_state":%q,` +
		`"time":%q,"source":{"kind":%q,"id":%q}}`
	for _, step := range []struct {
		sentence, event string
		want            gate.State
	}{
		{
			"a grant from before the mark", fmt.Sprintf(event, "1", "granted", "active", "unticked", "2026-01-02T00:00:00Z", "contest", "quiz"),
			gate.StateInvalidated,
		},
		{
			"the same once more", fmt.Sprintf(event, "2", "granted", "active", "unticked", "2026-01-03T00:00:00Z", "contest", "quiz"),
			gate.StateInvalidated,
		},
		{
			"another source", fmt.Sprintf(event, "3", "granted", "active", "unticked", time.Now().UTC().Format(time.RFC3339), "form", "footer"),
			gate.StateActiveSingle,
		},
	} {
		answer := s.send(t, step.event)
		if !strings.Contains(answer, fmt.Sprintf(`"state":%q`, step.want)) {
			t.Errorf("%s: %s, want state %s", step.sentence, answer, step.want)
		}
	}
}

// send posts an event as an application does and returns the answer.
func (s *served) send(t *testing.T, event string) string {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/api/v1/events", strings.NewReader(event))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+s.tokens[admin.RoleIngest])
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}
