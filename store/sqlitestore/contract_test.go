package sqlitestore_test

import (
	"database/sql"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/store/sqlitestore"
)

// open opens a store that the test closes at its end.
func open(t testing.TB, o sqlitestore.Options) *sqlitestore.Store {
	t.Helper()
	s, err := sqlitestore.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestContractOnSQLite(t *testing.T) {
	t.Parallel()
	gatetest.TestStore(t, func(t *testing.T) gatetest.Backend {
		now := time.Now()
		o := sqlitestore.Options{
			Path: filepath.Join(t.TempDir(), "consent store ?#%.db"),
			Now:  func() time.Time { return now },
		}
		return gatetest.Backend{
			Store: open(t, o),
			Again: func() gate.Store { return open(t, o) },
			Empty: func() { empty(t, o.Path) },
			Pass:  func(d time.Duration) { now = now.Add(d) },
		}
	})
}

// empty deletes every row, as a restore that went wrong may.
func empty(t testing.TB, path string) {
	t.Helper()
	db := raw(t, path)
	for _, table := range []string{"meta", "streams", "records", "events", "blocks", "counts", "ledger", "leases", "audit", "wordings", "marks"} {
		if _, err := db.Exec("DELETE FROM " + table); err != nil {
			t.Fatal(err)
		}
	}
}

// raw opens the file beside the store.
func raw(t testing.TB, path string) *sql.DB {
	t.Helper()
	u := url.URL{Scheme: "file", Path: path, RawQuery: "_pragma=busy_timeout(5000)"}
	db, err := sql.Open("sqlite", u.String())
	if err != nil {
		t.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	t.Cleanup(func() { db.Close() })
	return db
}
