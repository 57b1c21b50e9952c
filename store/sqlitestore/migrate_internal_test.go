package sqlitestore

import (
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
)

// frozen copies a store of schema 1, as it was committed, to a place of the test's own.
func frozen(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("testdata/schema-1.db")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "consent.db")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func openStore(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestAFileOfSchema1IsReadAndUsed(t *testing.T) {
	t.Parallel()
	gatetest.CheckFrozen(t, openStore(t, frozen(t)))
}

func TestStepsLeadToTheSchemaOfTheProgram(t *testing.T) {
	t.Parallel()
	if len(steps())+1 != schema {
		t.Errorf("%d steps do not lead from schema 1 to %d", len(steps()), schema)
	}
}

func TestStepsRunOnceHoweverManyProgramsCome(t *testing.T) {
	t.Parallel()
	path := frozen(t)
	made := []string{"ALTER TABLE records ADD COLUMN seen INTEGER NOT NULL DEFAULT 7; UPDATE counts SET n = n + 1"}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			f, err := connect(path)
			if err == nil {
				err = errors.Join(f.migrate(t.Context(), made), f.close())
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	var version, seen, n int
	db := rawDB(t, path)
	for query, dst := range map[string]*int{
		"PRAGMA user_version": &version, "SELECT max(seen) FROM records": &seen, "SELECT n FROM counts": &n,
	} {
		if err := db.QueryRow(query).Scan(dst); err != nil {
			t.Fatal(err)
		}
	}
	if version != 2 || seen != 7 || n != 8 {
		t.Errorf("schema %d, new column %d, counter %d; want 2, 7 and 8", version, seen, n)
	}
	_, err := openStore(t, path).Meta(t.Context())
	if !errors.Is(err, gate.ErrUnavailable) || !strings.Contains(err.Error(), "schema 2 and this program reads schema 1") {
		t.Errorf("an older program on the newer file: %v", err)
	}
}

func TestAStepThatFailsLeavesTheFileAsItWas(t *testing.T) {
	t.Parallel()
	path := frozen(t)
	f, err := connect(path)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(f.migrate(t.Context(), []string{"UPDATE counts SET n = 0", "NO SQL"}), f.close())
	if err == nil || !strings.Contains(err.Error(), "from schema 2 to 3") {
		t.Errorf("migrate: %v", err)
	}
	gatetest.CheckFrozen(t, openStore(t, path))
}

func rawDB(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}
