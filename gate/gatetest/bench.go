package gatetest

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// BenchRecipients is how many recipients the store of a benchmark holds: RECIPIENTS of the environment, else 10,000.
func BenchRecipients(b *testing.B) int {
	b.Helper()
	text := os.Getenv("RECIPIENTS")
	if text == "" {
		return 10_000
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1000 {
		b.Fatalf("RECIPIENTS=%s is not a number from 1000 on", text)
	}
	return n
}

// BenchLookups measures lookups of 1, 10 and 100 recipients at once and reports, beside the mean, how long half of them
// and the slowest hundredth took. The ids must all be known.
func BenchLookups(b *testing.B, s gate.Reader, ids []gate.ID) {
	for _, size := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			var took []time.Duration
			for i := 0; b.Loop(); i++ {
				from := i * size % (len(ids) - size)
				start := time.Now()
				answers := s.Records(b.Context(), ids[from:from+size])
				took = append(took, time.Since(start))
				for _, l := range answers {
					if l.Err != nil || l.Record.Version == 0 {
						b.Fatalf("a recipient is unknown, or: %v", l.Err)
					}
				}
			}
			slices.Sort(took)
			b.ReportMetric(micros(took[len(took)/2]), "p50-µs")
			b.ReportMetric(micros(took[len(took)*99/100]), "p99-µs")
		})
	}
}

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }
