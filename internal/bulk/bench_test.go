package bulk_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/bulk"
	"github.com/consentgate/consentgate/internal/seal"
)

// taker takes every change and keeps none.
type taker struct{}

func (taker) Apply(_ context.Context, changes []gate.Change) []gate.Applied {
	return make([]gate.Applied, len(changes))
}

// BenchmarkRows is what a row costs before the store sees it.
func BenchmarkRows(b *testing.B) {
	keys, err := seal.Open(b.TempDir(), seal.Options{MayCreate: true})
	if err != nil {
		b.Fatal(err)
	}
	var text strings.Builder
	text.WriteString("email,time,method,default_state,source\n")
	for i := range b.N {
		fmt.Fprintf(&text, "person%d@example.com,2026-03-04T10:00:00Z,active,unticked,form:footer\n", i)
	}
	im := bulk.Importer{
		Reading: bulk.Reading{Format: bulk.FormatCSV, Purpose: "newsletter", Now: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)},
		Store:   taker{}, Keys: keys,
		Reject: func(r bulk.Reject) error { return fmt.Errorf("line %d: %s", r.Line, r.Cause) },
	}
	b.ReportAllocs()
	b.ResetTimer()
	sum, err := im.Run(b.Context(), strings.NewReader(text.String()))
	if err != nil || sum.Imported != b.N {
		b.Fatalf("imported %d of %d, error %v", sum.Imported, b.N, err)
	}
}
