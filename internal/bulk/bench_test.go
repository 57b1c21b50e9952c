package bulk_test

import (
	"context"
	"strings"
	"testing"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/bulk"
	"github.com/consentgate/consentgate/internal/testredis"
	"github.com/consentgate/consentgate/store/redisstore"
)

// taker takes every change and keeps none.
type taker struct{}

func (taker) Apply(_ context.Context, changes []gate.Change) []gate.Applied {
	return make([]gate.Applied, len(changes))
}

// BenchmarkRows is what a row costs before the store sees it.
func BenchmarkRows(b *testing.B) { importPeople(b, newSite(b), taker{}) }

// BenchmarkRedis is the whole import, into an empty Redis of its own.
func BenchmarkRedis(b *testing.B) {
	server := testredis.Start(b)
	store, err := redisstore.Open(redisstore.Options{Addrs: []string{server.Addr}})
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	s := newSite(b)
	if err := store.Init(b.Context(), gate.Meta{Fingerprint: s.keys.Fingerprint(), Created: now()}); err != nil {
		b.Fatal(err)
	}
	importPeople(b, s, store)
}

// importPeople imports b.N rows of which each is somebody else.
func importPeople(b *testing.B, s *site, to gate.Applier) {
	b.Helper()
	var rejects []bulk.Reject
	im := s.importer(csv(), &rejects)
	im.Store, im.Writers = to, 4
	text := people(b.N)
	b.ReportAllocs()
	b.ResetTimer()
	sum, err := im.Run(b.Context(), strings.NewReader(text))
	if err != nil || sum.Imported != b.N {
		b.Fatalf("imported %d of %d, error %v", sum.Imported, b.N, err)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}
