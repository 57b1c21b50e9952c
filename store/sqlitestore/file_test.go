package sqlitestore_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/store/sqlitestore"
)

// ready returns an initialised store and its path.
func ready(t testing.TB) (*sqlitestore.Store, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "consent.db")
	s := open(t, sqlitestore.Options{Path: path})
	if err := s.Init(t.Context(), gate.Meta{Fingerprint: "f", Created: time.Unix(1, 0)}); err != nil {
		t.Fatal(err)
	}
	return s, path
}

// grant is a grant to the recipient whose id starts with n.
func grant(n byte, event string) gate.Change {
	return gate.Change{ID: gate.ID{n}, Sealed: "sealed", Event: gate.Event{
		ID: event, Type: gate.Granted, Method: gate.MethodActive, Purpose: "newsletter",
		Time: time.Unix(1_790_000_000, 0), Source: gate.Source{Kind: "form", ID: "footer"},
	}}
}

func TestAFileOfAnotherSchemaIsRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	s, path := ready(t)
	s.Close()
	if _, err := raw(t, path).Exec("PRAGMA user_version = 7"); err != nil {
		t.Fatal(err)
	}
	other := open(t, sqlitestore.Options{Path: path})
	_, metaErr := other.Meta(t.Context())
	for what, err := range map[string]error{
		"Meta":    metaErr,
		"Records": other.Records(t.Context(), make([]gate.ID, 1))[0].Err,
		"Apply":   other.Apply(t.Context(), []gate.Change{grant(1, "e1")})[0].Err,
		"Init":    other.Init(t.Context(), gate.Meta{Fingerprint: "f"}),
	} {
		if !errors.Is(err, gate.ErrUnavailable) || !strings.Contains(err.Error(), "schema 7") {
			t.Errorf("%s: got error %v, want ErrUnavailable that names schema 7", what, err)
		}
	}
}

func TestAFileThatIsNoDatabaseIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "notes.txt")
	text := strings.Repeat("not a database\n", 100)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, sqlitestore.Options{Path: path})
	if _, err := s.Meta(t.Context()); !errors.Is(err, gate.ErrUnavailable) {
		t.Errorf("Meta: got error %v, want ErrUnavailable", err)
	}
	if err := s.Init(t.Context(), gate.Meta{Fingerprint: "f"}); err == nil {
		t.Error("Init took a text file for a store")
	}
	if got, _ := os.ReadFile(path); string(got) != text {
		t.Error("the text file was changed")
	}
}

// TestAFileThatIsReplacedInUseAnswersNothing: a withdrawal that another process writes to the new file would not be seen.
func TestAFileThatIsReplacedInUseAnswersNothing(t *testing.T) {
	t.Parallel()
	s, path := ready(t)
	ask := func() error {
		t.Helper()
		_, metaErr := s.Meta(t.Context())
		err := s.Records(t.Context(), make([]gate.ID, 1))[0].Err
		if (metaErr == nil) != (err == nil) {
			t.Errorf("Meta says %v, Records say %v", metaErr, err)
		}
		return err
	}
	if err := os.Rename(path, path+".away"); err != nil {
		t.Fatal(err)
	}
	if err := ask(); !errors.Is(err, gate.ErrUnavailable) {
		t.Errorf("removed: %v, want ErrUnavailable", err)
	}
	other := open(t, sqlitestore.Options{Path: path})
	if err := other.Init(t.Context(), gate.Meta{Fingerprint: "f", Created: time.Unix(1, 0)}); err != nil {
		t.Fatal(err)
	}
	if err := ask(); !errors.Is(err, gate.ErrUnavailable) {
		t.Errorf("replaced: %v, want ErrUnavailable", err)
	}
	if err := os.Rename(path+".away", path); err != nil {
		t.Fatal(err)
	}
	if err := ask(); err != nil {
		t.Errorf("put back: %v, want an answer", err)
	}
}

func TestTheFileIsReadableByItsOwnerOnly(t *testing.T) {
	t.Parallel()
	s, path := ready(t)
	s.Apply(t.Context(), []gate.Change{grant(1, "e1")})
	files, _ := filepath.Glob(path + "*")
	if len(files) < 2 {
		t.Fatalf("found %v, want the file and its log", files)
	}
	for _, f := range files {
		if info, err := os.Stat(f); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, error %v; want 0600", f, info.Mode(), err)
		}
	}
}

func TestAWriteBehindAHeldLockEndsWithItsDeadline(t *testing.T) {
	t.Parallel()
	s, path := ready(t)
	db := raw(t, path)
	if _, err := db.Exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	start := time.Now()
	if err := s.Apply(ctx, []gate.Change{grant(1, "e1")})[0].Err; !errors.Is(err, gate.ErrUnavailable) {
		t.Errorf("got error %v, want ErrUnavailable", err)
	}
	if took := time.Since(start); took > 2*time.Second {
		t.Errorf("took %v of 100 ms", took)
	}
	if l := s.Records(t.Context(), make([]gate.ID, 1))[0]; l.Err != nil {
		t.Errorf("a lookup waits for the writer: %v", l.Err)
	}
	if _, err := db.Exec("ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), []gate.Change{grant(1, "e1")})[0].Err; err != nil {
		t.Errorf("after the lock was given back: %v", err)
	}
}

func TestADamagedHistoryConcernsItsRecipientOnly(t *testing.T) {
	t.Parallel()
	s, path := ready(t)
	s.Apply(t.Context(), []gate.Change{grant(1, "e1"), grant(2, "e2")})
	id := gate.ID{1}
	if _, err := raw(t, path).Exec("UPDATE events SET event = '{' WHERE recipient = ?", id[:]); err != nil {
		t.Fatal(err)
	}
	out := s.Apply(t.Context(), []gate.Change{grant(1, "e3"), grant(2, "e4")})
	if !errors.Is(out[0].Err, gate.ErrUnavailable) || out[1].Err != nil {
		t.Errorf("got errors %v and %v, want ErrUnavailable and none", out[0].Err, out[1].Err)
	}
}

func TestTheOldestBlockEntriesAreDropped(t *testing.T) {
	t.Parallel()
	s := open(t, sqlitestore.Options{Path: filepath.Join(t.TempDir(), "consent.db"), Entries: 10})
	if err := s.Init(t.Context(), gate.Meta{Fingerprint: "f"}); err != nil {
		t.Fatal(err)
	}
	for i := range 25 {
		e := gate.BlockEntry{ID: fmt.Sprintf("%02d", i), Time: time.Unix(int64(i), 0)}
		if err := s.AppendBlocks(t.Context(), []gate.BlockEntry{e, e}); err != nil {
			t.Fatal(err)
		}
	}
	var ids []string
	for e, err := range s.Blocks(t.Context(), gate.BlockQuery{}) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.ID)
	}
	if len(ids) != 10 || ids[0] != "24" || ids[9] != "15" {
		t.Errorf("kept %v, want the last ten", ids)
	}
}

func TestABulkLetsAnotherHandleWriteInBetween(t *testing.T) {
	t.Parallel()
	s, path := ready(t)
	other := open(t, sqlitestore.Options{Path: path})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	bulk := many(20_000)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.Apply(ctx, bulk)
	}()
	gatetest.Eventually(t, "the bulk has begun", func() bool {
		return other.Records(t.Context(), []gate.ID{bulk[0].ID})[0].Record.Version > 0
	})
	for i := range 5 {
		short, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		if err := other.Apply(short, []gate.Change{grant(250, fmt.Sprint("act", i))})[0].Err; err != nil {
			t.Errorf("an act of a person beside a bulk: %v", err)
		}
		cancel()
	}
	select {
	case <-ended:
		t.Error("the bulk had ended before: this proved nothing")
	default:
	}
	cancel()
	<-ended
}
