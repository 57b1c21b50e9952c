package gatetest

import (
	"cmp"
	"slices"
	"sync"
	"testing"

	"github.com/consentgate/consentgate/gate"
)

var markContract = []contract{
	{"a new store has no marks", func(t *testing.T, b Backend) {
		_, s := ready(t, b)
		same(t, "marks", marks(t, s), nil)
	}},
	{"a mark is kept whole, and every handle reads it", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		other := b.Again()
		defer other.Close()
		one, two := mark("m1", "contest:summer quiz: \"1\""), mark("m2", "contest")
		two.Lift = true
		for _, m := range []gate.Mark{two, one, two} {
			noError(t, "Mark", s.Mark(ctx, m))
		}
		same(t, "marks", marks(t, s), []gate.Mark{one, two})
		same(t, "marks read by another", marks(t, other), []gate.Mark{one, two})
	}},
	{"marks set at the same time all stand", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		var wg sync.WaitGroup
		for _, id := range []string{"m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8"} {
			wg.Go(func() { noProblem(t, "Mark", s.Mark(ctx, mark(id, "contest:quiz"))) })
		}
		wg.Wait()
		same(t, "marks", len(marks(t, s)), 8)
	}},
	{"marks change no record", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		before := apply(t, s, grant(1, "e1", day(1)))[0].Record
		noError(t, "Mark", s.Mark(ctx, mark("m1", "form:footer")))
		same(t, "record", record(t, s, 1), before)
	}},
	{"an emptied store has lost its marks and says so", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		noError(t, "Mark", s.Mark(ctx, mark("m1", "contest:quiz")))
		b.Empty()
		_, err := s.Marks(ctx)
		wantUnavailable(t, "Marks", err)
		wantUnavailable(t, "Mark", s.Mark(ctx, mark("m2", "contest:quiz")))
	}},
}

func mark(id, source string) gate.Mark {
	return gate.Mark{ID: id, Source: source, Time: day(2, 7), Why: "the box was ticked", Actor: "cli:ann"}
}

// marks are the marks in the order of their ids.
func marks(t *testing.T, s gate.Store) []gate.Mark {
	t.Helper()
	all, err := s.Marks(testContext(t))
	noError(t, "Marks", err)
	slices.SortFunc(all, func(a, b gate.Mark) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// noProblem is noError for goroutines.
func noProblem(t *testing.T, what string, err error) {
	t.Helper()
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
}
