package sqlitestore_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/store/sqlitestore"
)

func TestADamagedRecordConcernsItsRecipientOnly(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]string{
		"no fields":            `fields = '{'`,
		"a pair of one":        `fields = '[["j"],7]'`,
		"a consent of nothing": `fields = '[["p:newsletter","nonsense"]]'`,
		"a version below zero": `version = -1`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, path := ready(t)
			s.Apply(t.Context(), []gate.Change{grant(1, "e1"), grant(2, "e2"), grant(3, "e3")})
			ids := []gate.ID{{1}, {2}, {9}, {3}}
			if _, err := raw(t, path).Exec("UPDATE records SET "+damage+" WHERE id = ?", ids[1][:]); err != nil {
				t.Fatal(err)
			}
			found := s.Records(t.Context(), ids)
			for i, want := range []uint64{1, 0, 0, 1} {
				if got := found[i].Record.Version; got != want {
					t.Errorf("recipient %d: got version %d, want %d", i, got, want)
				}
				if damaged := i == 1; errors.Is(found[i].Err, gate.ErrUnavailable) != damaged {
					t.Errorf("recipient %d: got error %v", i, found[i].Err)
				}
			}
		})
	}
}

// TestADamagedPageMakesNobodyUnknown: a statement that fails on its way has answered for some, and must not be taken to
// have found nobody else.
func TestADamagedPageMakesNobodyUnknown(t *testing.T) {
	t.Parallel()
	s, path := ready(t)
	changes := many(200)
	s.Apply(t.Context(), changes)
	s.Close() // so that everything is in the file
	damagePage(t, path)
	var ids []gate.ID
	for _, c := range changes {
		ids = append(ids, c.ID)
	}
	damaged := 0
	for i, l := range open(t, sqlitestore.Options{Path: path}).Records(t.Context(), ids) {
		switch {
		case errors.Is(l.Err, gate.ErrUnavailable):
			damaged++
		case l.Err != nil || l.Record.Version != 1:
			t.Errorf("recipient %d: got version %d and error %v", i, l.Record.Version, l.Err)
		}
	}
	if damaged == 0 || damaged == len(ids) {
		t.Errorf("%d of %d recipients are on the page", damaged, len(ids))
	}
}

// damagePage overwrites a page of records.
func damagePage(t *testing.T, path string) {
	t.Helper()
	db := raw(t, path)
	var page, size int64
	if err := db.QueryRow("SELECT pageno, pgsize FROM dbstat WHERE name = 'records' AND pagetype = 'leaf' "+
		"ORDER BY path DESC LIMIT 1").Scan(&page, &size); err != nil {
		t.Fatal(err)
	}
	db.Close()
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteAt(bytes.Repeat([]byte{0xff}, int(size)), (page-1)*size); err != nil {
		t.Fatal(err)
	}
}

// endsAfter is a context that has ended when it was asked for the first n times.
type endsAfter struct {
	context.Context
	n *int
}

func (c endsAfter) Err() error {
	if *c.n--; *c.n < 0 {
		return context.DeadlineExceeded
	}
	return nil
}

func TestManyRecordsAreAnsweredInOrderUntilTheContextEnds(t *testing.T) {
	t.Parallel()
	s, _ := ready(t)
	changes := many(300)
	var ids []gate.ID
	for i, a := range s.Apply(t.Context(), changes) {
		if a.Err != nil {
			t.Fatal(a.Err)
		}
		ids = append(ids, changes[i].ID, gate.ID{byte(i), 1}, changes[0].ID)
	}
	for i, l := range s.Records(t.Context(), ids) {
		if known := i%3 != 1; l.Err != nil || (l.Record.Version == 1) != known {
			t.Errorf("lookup %d: got version %d and error %v", i, l.Record.Version, l.Err)
		}
	}
	times := 2 // when it opens the file, and before the first group
	found := s.Records(endsAfter{t.Context(), &times}, ids)
	if l := found[0]; l.Err != nil || l.Record.Version != 1 {
		t.Errorf("before the end: got version %d and error %v", l.Record.Version, l.Err)
	}
	if l := found[len(found)-1]; !errors.Is(l.Err, gate.ErrUnavailable) || l.Record.Version != 0 {
		t.Errorf("after the end: got version %d and error %v, want ErrUnavailable", l.Record.Version, l.Err)
	}
}
