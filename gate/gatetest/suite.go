package gatetest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/consentgate/consentgate/gate"
)

// Backend is a store under test together with what only its test knows how to do to it.
type Backend struct {
	Store gate.Store             // never initialised
	Again func() gate.Store      // opens another handle on the same data; the test closes it
	Empty func()                 // loses everything, as a FLUSHALL or a lost disk does
	Pass  func(d time.Duration)  // lets d pass for times to live; nil: d passes by itself
	Stall func() (resume func()) // makes every call hang or fail; nil: nothing does that to this store
}

// TestStore proves the contract of [gate.Store]. open returns a fresh backend each time it is called.
func TestStore(t *testing.T, open func(t *testing.T) Backend) {
	for _, group := range []struct {
		name  string
		tests []contract
	}{
		{"keeper", keeperContract},
		{"apply", applyContract},
		{"read", readContract},
		{"rewrite", rewriteContract},
		{"blocks", blockContract},
		{"counters", counterContract},
		{"ledger", ledgerContract},
		{"marks", markContract},
		{"trail", trailContract},
		{"wordings", wordingContract},
		{"erase", eraseContract},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.tests {
				t.Run(c.sentence, func(t *testing.T) {
					b := open(t)
					c.prove(t, b)
					if err := b.Store.Close(); err != nil {
						t.Errorf("Close: %v", err)
					}
				})
			}
		})
	}
}

// contract is one sentence about a store and its proof.
type contract struct {
	sentence string
	prove    func(t *testing.T, b Backend)
}

// Meta is what the suite initialises stores with.
func testMeta() gate.Meta {
	return gate.Meta{Schema: 1, Fingerprint: "0123456789abcdef", Created: day(1)}
}

// day returns noon of a day in November 2026; offsets in minutes may follow.
func day(d int, minutes ...int) time.Time {
	t := time.Date(2026, 11, d, 12, 0, 0, 0, time.UTC)
	for _, m := range minutes {
		t = t.Add(time.Duration(m) * time.Minute)
	}
	return t
}

// testID returns the id of the n-th test recipient; ids are spread as real ones are.
func testID(n int) gate.ID {
	sum := sha256.Sum256(fmt.Append(nil, "recipient ", n))
	return gate.ID(sum[:16])
}

// testContext ends late enough for any healthy store and early enough for a test.
func testContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// ready initialises the backend and returns its store with a context.
func ready(t *testing.T, b Backend) (context.Context, gate.Store) {
	t.Helper()
	ctx := testContext(t)
	if err := b.Store.Init(ctx, testMeta()); err != nil {
		t.Fatalf("Init: %v", err)
	}
	return ctx, b.Store
}

// grant is an active grant for the newsletter.
func grant(n int, id string, at time.Time) gate.Change {
	return gate.Change{ID: testID(n), Sealed: fmt.Sprint("sealed:", n), Event: gate.Event{
		ID: id, Type: gate.Granted, Method: gate.MethodActive, Purpose: "newsletter", Time: at,
		Source: gate.Source{Kind: "form", ID: "footer"}, DefaultState: gate.DefaultUnticked,
	}}
}

// withdrawal is the person's no for the newsletter.
func withdrawal(n int, id string, at time.Time) gate.Change {
	return gate.Change{ID: testID(n), Sealed: fmt.Sprint("sealed:", n), Event: gate.Event{
		ID: id, Type: gate.Withdrawn, Purpose: "newsletter", Time: at,
		Source: gate.Source{Kind: "unsubscribe"},
	}}
}

// apply applies changes that must all be taken.
func apply(t *testing.T, s gate.Store, changes ...gate.Change) []gate.Applied {
	t.Helper()
	out := s.Apply(testContext(t), changes)
	if len(out) != len(changes) {
		t.Fatalf("Apply answered %d of %d changes", len(out), len(changes))
	}
	for i, a := range out {
		if a.Err != nil {
			t.Fatalf("Apply, change %d: %v", i, a.Err)
		}
	}
	return out
}

// person reads the n-th recipient.
func person(t *testing.T, s gate.Store, n int) gate.Person {
	t.Helper()
	p, err := s.Person(testContext(t), testID(n))
	if err != nil {
		t.Fatalf("Person: %v", err)
	}
	return p
}

// record looks the n-th recipient up.
func record(t *testing.T, s gate.Store, n int) gate.Record {
	t.Helper()
	l := s.Records(testContext(t), []gate.ID{testID(n)})[0]
	if l.Err != nil {
		t.Fatalf("Records: %v", l.Err)
	}
	return l.Record
}

func wantUnavailable(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, gate.ErrUnavailable) {
		t.Errorf("%s: got error %v, want one that wraps ErrUnavailable", what, err)
	}
}

func noError(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// same compares values; an empty map or slice equals a nil one.
func same[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}
