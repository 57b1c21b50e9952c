package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/internal/testredis"
)

// frozen is a store of schema 1 as it was committed: the commands that make it, the sentinels apart.
func frozen(t *testing.T) *Store {
	t.Helper()
	s, err := Open(Options{Addrs: []string{testredis.Start(t).Addr}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	text, err := os.ReadFile("testdata/schema-1.json")
	if err != nil {
		t.Fatal(err)
	}
	var commands [][]any
	if err := json.Unmarshal(text, &commands); err != nil {
		t.Fatal(err)
	}
	for sentinel := range sentinels() {
		commands = append(commands, []any{"SET", sentinel, "1"})
	}
	p := s.patient.Pipeline()
	for _, c := range commands {
		p.Do(t.Context(), c...)
	}
	if _, err := p.Exec(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAStoreOfSchema1IsReadAndUsed(t *testing.T) {
	t.Parallel()
	gatetest.CheckFrozen(t, frozen(t))
}

func TestStepsLeadToTheSchemaOfTheProgram(t *testing.T) {
	t.Parallel()
	if schema != strconv.Itoa(len(steps())+1) {
		t.Errorf("%d steps do not lead from schema 1 to %s", len(steps()), schema)
	}
}

func TestAMigrationThatWasCutOffIsDoneAgainAndThenRefusesOlderPrograms(t *testing.T) {
	t.Parallel()
	s := frozen(t)
	runs, cut := 0, errors.New("cut off")
	made := []step{func(ctx context.Context, s *Store) error {
		if runs++; runs == 1 {
			return cut
		}
		return s.patient.HSet(ctx, "cg:n:2026-11-04", "blocked", 8).Err()
	}}
	if err := s.migrate(t.Context(), 1, made); !errors.Is(err, cut) {
		t.Fatalf("migrate: %v", err)
	}
	if _, err := s.Meta(t.Context()); err != nil {
		t.Errorf("the store that a migration left half-way: %v", err)
	}
	if err := s.migrate(t.Context(), 1, made); err != nil || runs != 2 {
		t.Fatalf("the second migration: %v, %d runs", err, runs)
	}
	_, err := s.Meta(t.Context())
	if !errors.Is(err, gate.ErrUnavailable) || !strings.Contains(err.Error(), `schema "2" and this program reads schema 1`) {
		t.Errorf("an older program on the newer store: %v", err)
	}
	for _, l := range s.Records(t.Context(), []gate.ID{{1, 2, 3}}) {
		if !errors.Is(l.Err, gate.ErrUnavailable) {
			t.Errorf("an older program about somebody unknown: %v", l.Err)
		}
	}
}

func TestOneProgramMigratesAtATime(t *testing.T) {
	t.Parallel()
	s := frozen(t)
	inside := []step{func(ctx context.Context, s *Store) error {
		if err := s.migrate(ctx, 1, nil); !errors.Is(err, errMigrating) {
			t.Errorf("a second program: %v", err)
		}
		return nil
	}}
	if err := s.migrate(t.Context(), 1, inside); err != nil {
		t.Fatal(err)
	}
}
