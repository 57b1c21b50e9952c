package formlint_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/internal/formlint"
)

var update = flag.Bool("update", false, "write the golden reports")

// Each page stands beside a .txt with what is found in it: line, column, rule, label or sentence.
func TestEveryPageGetsItsReport(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob("testdata/pages/*.html")
	if err != nil || len(pages) == 0 {
		t.Fatalf("no pages: %v", err)
	}
	for _, path := range pages {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			source, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			got := text(formlint.Check(source))
			golden := strings.TrimSuffix(path, ".html") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("report (-want +got), go test -update writes it:\n%s", diff)
			}
		})
	}
}

func text(r formlint.Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "forms %d, boxes %d\n", r.Forms, r.Boxes)
	for _, f := range r.Findings {
		what := f.Label
		if what == "" {
			what = f.Excerpt
		}
		fmt.Fprintf(&b, "%d:%d %s: %s\n", f.Line, f.Column, f.Rule, what)
	}
	return b.String()
}
