package redisstore_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/testredis"
	"github.com/consentgate/consentgate/store/redisstore"
)

// bulkOf is as many recipients as a bulk has at least, twice over.
const bulkOf = 200

// bulkReady returns a store that takes the next bulk's recipients for new ones.
func bulkReady(t *testing.T, server *testredis.Server) *redisstore.Store {
	t.Helper()
	s := ready(t, redisstore.Options{Addrs: []string{server.Addr}})
	ids := many(3 * bulkOf)
	mustApply(t, s, grants(ids[:bulkOf], "a"))         // finds them new
	mustApply(t, s, grants(ids[bulkOf:2*bulkOf], "b")) // the script is not known yet
	mustApply(t, s, grants(ids[2*bulkOf:], "c"))       // finds these new again
	return s
}

// fresh returns n ids that bulkReady has not used.
func fresh(n int) []gate.ID { return many(3*bulkOf + n)[3*bulkOf:] }

func TestABulkOfNewRecipientsHoldsWhatOneByOneWould(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	s, ids := bulkReady(t, server), fresh(bulkOf)
	changes := grants(ids, "e")
	twice := grants(ids[:10], "second") // of one recipient, in one call
	out := s.Apply(t.Context(), append(changes, twice...))
	for i, a := range out {
		want := uint64(1)
		if i >= bulkOf {
			want = 2
		}
		if a.Err != nil || a.Duplicate || a.Record.Version != want {
			t.Errorf("change %d: version %d, duplicate %v, error %v; want version %d", i, a.Record.Version, a.Duplicate, a.Err, want)
		}
	}
	for i, id := range ids {
		p, err := s.Person(t.Context(), id)
		want := []string{changes[i].Event.ID}
		if i < len(twice) {
			want = append(want, twice[i].Event.ID)
		}
		var got []string
		for _, e := range p.Events {
			got = append(got, e.ID)
		}
		if err != nil || !slices.Equal(got, want) || p.Sealed != "sealed" || p.Record.For("newsletter").State != gate.StateActiveSingle {
			t.Fatalf("recipient %d: %+v, error %v; want events %v", i, p, err, want)
		}
	}
}

func TestKnownRecipientsInABulkOfNewOnesKeepTheirHistory(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	s, ids := bulkReady(t, server), fresh(bulkOf)
	mustApply(t, s, grants(ids[100:101], "before"))
	for i, a := range s.Apply(t.Context(), grants(ids, "e")) {
		want := uint64(1)
		if i == 100 {
			want = 2
		}
		if a.Err != nil || a.Duplicate || a.Record.Version != want {
			t.Errorf("change %d: version %d, duplicate %v, error %v; want version %d", i, a.Record.Version, a.Duplicate, a.Err, want)
		}
	}
}

func TestAHistoryWithoutItsRecordSpoilsItsRecipientOnly(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	s, ids := bulkReady(t, server), fresh(bulkOf)
	orphan := ids[40].String()
	server.MustDo("RPUSH", "cg:{"+orphan[:2]+"}:"+orphan+":h", "sealed", "{}")
	for i, a := range s.Apply(t.Context(), grants(ids, "e")) {
		switch {
		case i == 40 && !errors.Is(a.Err, gate.ErrUnavailable):
			t.Errorf("the orphan: error %v, want ErrUnavailable", a.Err)
		case i != 40 && (a.Err != nil || a.Duplicate):
			t.Errorf("change %d: duplicate %v, error %v", i, a.Duplicate, a.Err)
		}
	}
	if got := server.MustDo("LLEN", "cg:{"+orphan[:2]+"}:"+orphan+":h"); got != ":2" {
		t.Errorf("the orphaned history has %s items, want the two it had", got)
	}
}

func TestNothingIsWrittenOfAGroupWhoseServerWasEmptied(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	s, ids := bulkReady(t, server), fresh(bulkOf)
	server.MustDo("FLUSHALL")
	for i, a := range s.Apply(t.Context(), grants(ids, "e")) {
		if !errors.Is(a.Err, gate.ErrUnavailable) {
			t.Errorf("change %d: error %v, want ErrUnavailable", i, a.Err)
		}
	}
	if got := server.MustDo("DBSIZE"); got != ":0" {
		t.Errorf("%s keys were written", got)
	}
}

func TestABulkGoesOnWhenTheServerForgetsItsScripts(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	s, ids := bulkReady(t, server), fresh(bulkOf)
	server.MustDo("SCRIPT", "FLUSH")
	mustApply(t, s, grants(ids, "e"))
}
