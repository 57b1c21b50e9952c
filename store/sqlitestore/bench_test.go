package sqlitestore_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
)

// many returns grants to n recipients with ids as they come from an HMAC.
func many(n int) []gate.Change {
	changes := make([]gate.Change, n)
	for i := range changes {
		sum := sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(i)))
		changes[i] = grant(0, fmt.Sprint("e", i))
		changes[i].ID = gate.ID(sum[:16])
	}
	return changes
}

func mustApply(b *testing.B, s gate.Applier, changes []gate.Change) {
	b.Helper()
	for i, a := range s.Apply(b.Context(), changes) {
		if a.Err != nil {
			b.Fatalf("change %d: %v", i, a.Err)
		}
	}
}

func BenchmarkRecords(b *testing.B) {
	s, path := ready(b)
	changes := many(gatetest.BenchRecipients(b))
	for part := range slices.Chunk(changes, 1000) {
		mustApply(b, s, part)
	}
	ids := make([]gate.ID, len(changes))
	for i, c := range changes {
		ids[i] = c.ID
	}
	b.Run("size", func(b *testing.B) {
		var octets int64
		for b.Loop() {
			octets = sizeOf(b, path)
		}
		b.ReportMetric(float64(octets)/float64(len(ids)), "B/recipient")
	})
	gatetest.BenchLookups(b, s, ids)
}

// sizeOf is what the file takes, without the log of what is written to it next.
func sizeOf(b *testing.B, path string) int64 {
	b.Helper()
	f, err := os.Stat(path)
	if err != nil {
		b.Fatal(err)
	}
	return f.Size()
}

func BenchmarkApplyOne(b *testing.B) {
	s, _ := ready(b)
	changes := many(1 << 20)
	for i := 0; b.Loop(); i++ {
		mustApply(b, s, changes[i:i+1])
	}
}

// BenchmarkApply16 is what sixteen people at once cost: they share transactions.
func BenchmarkApply16(b *testing.B) {
	s, _ := ready(b)
	changes := many(1 << 20)
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range 16 {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				at := int(i) % len(changes)
				if a := s.Apply(b.Context(), changes[at:at+1])[0]; a.Err != nil {
					b.Error(a.Err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkImport is a bulk of new recipients, with the pauses that others need; it reports records a second.
func BenchmarkImport(b *testing.B) {
	s, _ := ready(b)
	changes := many(1 << 18)
	const batch = 2048
	at := 0
	for b.Loop() {
		mustApply(b, s, changes[at:at+batch])
		at = (at + batch) % (len(changes) - batch)
	}
	b.ReportMetric(float64(b.N*batch)/b.Elapsed().Seconds(), "records/s")
}
