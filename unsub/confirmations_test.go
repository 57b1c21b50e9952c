package unsub_test

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
	"github.com/consentgate/consentgate/internal/seal"
	"github.com/consentgate/consentgate/policies"
	"github.com/consentgate/consentgate/unsub"
)

// office sends messages to confirm over a store in which nobody is known, and keeps them.
type office struct {
	*unsub.Confirmations
	store *gatetest.Store
	keys  *seal.Keys
	ann   gate.Address
	later time.Duration // how much after day its clock stands

	counts counts

	mu   sync.Mutex
	fail error
	sent [][]byte
}

// counts is what an office counted.
type counts struct {
	mu sync.Mutex
	n  map[gate.Counted]int
}

func (c *counts) add(n gate.Counter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = make(map[gate.Counted]int)
	}
	c.n[n.What]++
}

func (c *counts) of(what gate.Counted) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[what]
}

func newOffice(t *testing.T, with ...func(*unsub.ConfirmationsOptions)) *office {
	t.Helper()
	o := &office{store: gatetest.NewStore(), keys: keys(t, t.TempDir()), ann: address(t, "ann@example.com")}
	opt := o.options(t)
	for _, f := range with {
		f(&opt)
	}
	o.Confirmations = unsub.NewConfirmations(opt)
	return o
}

func (o *office) options(t *testing.T) unsub.ConfirmationsOptions {
	t.Helper()
	packs, err := policies.Load()
	if err != nil {
		t.Fatal(err)
	}
	policy, err := gate.NewPolicy(packs, []string{"EU", "DE"}, "EU")
	if err != nil {
		t.Fatal(err)
	}
	links, err := unsub.NewLinks(unsub.Tokens{Keys: o.keys}, "https://u.example.com", "")
	if err != nil {
		t.Fatal(err)
	}
	return unsub.ConfirmationsOptions{
		Store: o.store, Keys: o.keys, Policy: policy, Mailer: post{o}, Links: links, From: address(t, "hello@example.com"),
		Streams: []*gate.Stream{weekly()}, Caps: gate.RequestCaps{Most: 3, Apart: 10 * time.Minute},
		Brand: unsub.Brand{Name: "Café Exemple", Address: "1 Main Street, 75001 Paris", Contact: "privacy@example.com"},
		Count: o.counts.add,
		Now:   func() time.Time { return day().Add(o.later) },
	}
}

// post implements unsub.Mailer for an office.
type post struct{ *office }

func (o post) Send(_ context.Context, from, to gate.Address, message []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fail != nil {
		return o.fail
	}
	if from.String() != "hello@example.com" || to != o.ann {
		return fmt.Errorf("from %s to %s", from, to)
	}
	o.sent = append(o.sent, message)
	return nil
}

func (o *office) id() gate.ID { return o.keys.ID(o.ann) }

func (o *office) signUp(t *testing.T, after time.Duration) {
	t.Helper()
	sealed, err := o.keys.Seal(o.ann)
	if err != nil {
		t.Fatal(err)
	}
	o.store.Apply(t.Context(), []gate.Change{{ID: o.id(), Sealed: sealed, Event: gate.Event{
		ID: "sign-up-" + after.String(), Type: gate.Granted, Method: gate.MethodDouble, Purpose: "newsletter", Time: day().Add(after),
		Source: gate.Source{Kind: "form", ID: "footer"}, DefaultState: gate.DefaultUnticked,
		Wording: gate.Wording{ID: "nl", Version: "3", Language: "fr"},
	}}})
}

func (o *office) ask(t *testing.T) (unsub.Asked, error) {
	t.Helper()
	return o.Request(t.Context(), unsub.Asking{Address: o.ann, Purpose: "newsletter", Actor: "test"})
}

func (o *office) requests(t *testing.T) int {
	t.Helper()
	n := 0
	for _, e := range person(t, o.store, o.id()).Events {
		if e.Type == gate.ConfirmationRequested {
			n++
		}
	}
	return n
}

func TestARequestIsRecordedWithItsSignUpAndMailedOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.signUp(t, 0)
	o.later = time.Hour
	asked, err := o.ask(t)
	if err != nil || asked.Again || asked.ID != o.id() {
		t.Fatalf("%+v, %v", asked, err)
	}
	if e := asked.Request; e.Source.ID != "footer" || e.Wording.ID != "nl" || e.Evidence.Ref != "event sign-up-0s" || e.Actor != "test" {
		t.Errorf("event %+v", e)
	}
	if _, err := o.ask(t); !errors.Is(err, gate.ErrNotAsked) || !strings.Contains(err.Error(), "wait until") {
		t.Errorf("at once again: %v", err)
	}
	if len(o.sent) != 1 || o.requests(t) != 1 {
		t.Errorf("%d messages for %d requests", len(o.sent), o.requests(t))
	}
}

func TestNobodyIsAskedWithoutAFreshSignUp(t *testing.T) {
	t.Parallel()
	event := func(typ gate.EventType, m gate.Method, after time.Duration) gate.Event {
		e := gate.Event{ID: string(typ), Type: typ, Method: m, Purpose: "newsletter", Time: day().Add(after), Source: gate.Source{Kind: "contest", ID: "quiz"}}
		if m == gate.MethodPassive {
			e.DefaultState = gate.DefaultTicked
		}
		return e
	}
	for name, c := range map[string]struct {
		events []gate.Event
		after  time.Duration
		want   string
	}{
		"a stranger":         {want: "no sign-up is logged"},
		"a ticked box":       {events: []gate.Event{event(gate.Granted, gate.MethodPassive, 0)}, want: "Flybe and Honda"},
		"an old sign-up":     {events: []gate.Event{event(gate.Granted, gate.MethodDouble, 0)}, after: 49 * time.Hour, want: "older than 48 hours"},
		"a withdrawal since": {events: []gate.Event{event(gate.Granted, gate.MethodDouble, 0), event(gate.Withdrawn, "", time.Minute)}, after: time.Hour, want: "refused"},
		"a dead mailbox":     {events: []gate.Event{event(gate.Granted, gate.MethodDouble, 0), event(gate.Bounced, "", time.Minute)}, after: time.Hour, want: "hard_bounced"},
		"a suppression":      {events: []gate.Event{event(gate.Granted, gate.MethodDouble, 0), event(gate.Suppressed, "", time.Minute)}, after: time.Hour, want: "suppressed"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			for _, e := range c.events {
				apply(t, o.store, o.id(), e)
			}
			o.later = c.after
			if _, err := o.ask(t); !errors.Is(err, gate.ErrNotAsked) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if len(o.sent) != 0 || o.requests(t) != 0 {
				t.Errorf("%d messages, %d requests", len(o.sent), o.requests(t))
			}
		})
	}
}

func TestAPurposeWithoutAStreamIsNotAskedFor(t *testing.T) {
	t.Parallel()
	o := newOffice(t, func(opt *unsub.ConfirmationsOptions) { opt.Streams = nil })
	o.signUp(t, 0)
	if _, err := o.ask(t); !errors.Is(err, gate.ErrNotAsked) || o.requests(t) != 0 {
		t.Errorf("got %v", err)
	}
}

func TestRequestsOfOnePersonAreCapped(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for i := range 4 {
		o.later = time.Duration(i) * time.Hour
		o.signUp(t, o.later)
		o.later += time.Minute
		if _, err := o.ask(t); (err == nil) != (i < 3) {
			t.Errorf("request %d: %v", i+1, err)
		}
	}
	if len(o.sent) != 3 {
		t.Errorf("%d messages, want 3", len(o.sent))
	}
}

func TestAMessageThatDidNotLeaveMayBeSentByAskingAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		fail  error
		again bool
	}{
		"refused":   {errDown, true},
		"uncertain": {fmt.Errorf("%w: closed", unsub.ErrUncertain), false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			o.signUp(t, 0)
			o.later, o.fail = time.Minute, c.fail
			if _, err := o.ask(t); !errors.Is(err, unsub.ErrNotSent) {
				t.Fatalf("got %v", err)
			}
			o.fail = nil
			asked, err := o.ask(t)
			if (err == nil) != c.again || asked.Again != c.again {
				t.Errorf("again: %+v, %v", asked, err)
			}
			if o.requests(t) != 1 || len(o.sent) != map[bool]int{true: 1}[c.again] {
				t.Errorf("%d requests, %d messages", o.requests(t), len(o.sent))
			}
		})
	}
}

func TestTwoGatesSendTheMessageOfARequestOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	apply(t, o.store, o.id(), gate.Event{
		ID: "r", Type: gate.ConfirmationRequested, Purpose: "newsletter", Time: day(), Source: gate.Source{Kind: "preference", ID: "weekly"},
	})
	r := unsub.ConfirmRequest{ID: o.id(), Address: o.ann, Purpose: "newsletter", Language: "en"}
	var both sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		both.Go(func() { errs[i] = o.Send(t.Context(), r) })
	}
	both.Wait()
	sent := 0
	for _, err := range errs {
		switch {
		case err == nil:
			sent++
		case !errors.Is(err, gate.ErrNotAsked):
			t.Error(err)
		}
	}
	if sent != 1 || len(o.sent) != 1 {
		t.Errorf("%d successes, %d messages", sent, len(o.sent))
	}
	if !strings.Contains(string(o.sent[0]), "your preference page") {
		t.Errorf("message:\n%s", o.sent[0])
	}
}

func TestClicksAtTheSameMomentAreOneRequest(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.signUp(t, 0)
	o.later = time.Minute
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			if _, err := o.ask(t); err != nil && !errors.Is(err, gate.ErrNotAsked) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if o.requests(t) != 1 || len(o.sent) != 1 {
		t.Errorf("%d requests, %d messages", o.requests(t), len(o.sent))
	}
}

func TestAStoreThatIsAwayAsksNobody(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	o.signUp(t, 0)
	o.store.Fail(fmt.Errorf("%w: down", gate.ErrUnavailable))
	if _, err := o.ask(t); !errors.Is(err, gate.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if err := o.Send(t.Context(), unsub.ConfirmRequest{ID: o.id(), Address: o.ann, Purpose: "newsletter"}); !errors.Is(err, gate.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if len(o.sent) != 0 {
		t.Error("a message left")
	}
}
