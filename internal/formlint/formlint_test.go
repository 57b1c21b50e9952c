package formlint_test

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/encoding/unicode"

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

// A page is the same in every encoding that browsers know without being told.
func TestAPageInUTF16IsRead(t *testing.T) {
	t.Parallel()
	const page = "<form>\n<label><input type=checkbox checked name=nl> Je veux recevoir la newsletter à vie</label></form>"
	want := formlint.Check([]byte(page))
	if len(want.Findings) == 0 {
		t.Fatal("nothing found in the page in UTF-8")
	}
	for name, order := range map[string]unicode.Endianness{"little-endian": unicode.LittleEndian, "big-endian": unicode.BigEndian} {
		source, err := unicode.UTF16(order, unicode.UseBOM).NewEncoder().Bytes([]byte(page))
		if err != nil {
			t.Fatal(err)
		}
		read, err := formlint.Read(bytes.NewReader(source))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, formlint.Check(read)); diff != "" {
			t.Errorf("%s (-UTF-8 +UTF-16):\n%s", name, diff)
		}
	}
}

// To find nothing in a picture would pass for a page in order.
func TestWhatIsNoTextIsNoPage(t *testing.T) {
	t.Parallel()
	if _, err := formlint.Read(strings.NewReader("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")); !errors.Is(err, formlint.ErrNoPage) {
		t.Errorf("error %v, want ErrNoPage", err)
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
