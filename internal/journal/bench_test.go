package journal_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"github.com/consentgate/consentgate/internal/journal"
)

func BenchmarkAppendDurable(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			benchmarkAppend(b, writers, true)
		})
	}
}

func BenchmarkAppend(b *testing.B) { benchmarkAppend(b, 1, false) }

func benchmarkAppend(b *testing.B, writers int, durable bool) {
	j, err := journal.Open(b.TempDir(), journal.Options{})
	if err != nil {
		b.Fatal(err)
	}
	rec := bytes.Repeat([]byte("x"), 500)
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := w; i < b.N; i += writers {
				if err := j.Append(rec, durable); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
}
