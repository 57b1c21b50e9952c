package app

import (
	"io/fs"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/admin"
)

// toldMetrics is the answer of a program that has all that makes a metric stand.
func toldMetrics(t *testing.T) string {
	t.Helper()
	s := serve(t, "")
	defer s.stop()
	_, text := s.get(t, http.DefaultClient, "/metrics", admin.RoleViewer)
	return text
}

// The table of docs/stats.md is what people build alerts from.
func TestTheMetricsAreThoseOfTheTable(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../../docs/stats.md")
	if err != nil {
		t.Fatal(err)
	}
	var cells strings.Builder // the first of each row
	for row := range strings.Lines(string(docs)) {
		if cell, _, ok := strings.Cut(strings.TrimPrefix(row, "| "), " | "); ok {
			cells.WriteString(cell + "\n")
		}
	}
	want := sortedNames(cells.String(), "`((?:consentgate|go|process)_[a-z_]+)`")
	if diff := cmp.Diff(want, sortedNames(toldMetrics(t), `(?m)^# TYPE (\S+) `)); diff != "" {
		t.Errorf("docs/stats.md (-) and /metrics (+) differ:\n%s", diff)
	}
}

func TestNoPageSpeaksOfAMetricThatIsNone(t *testing.T) {
	t.Parallel()
	told := sortedNames(toldMetrics(t), `(?m)^(?:# TYPE )?(consentgate_[a-z_]+)`) // of a histogram its samples, too
	root := os.DirFS("../..")
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		pages, err := fs.Glob(root, pattern)
		if err != nil || len(pages) == 0 {
			t.Fatalf("%s: pages %q, %v", pattern, pages, err)
		}
		for _, page := range pages {
			if page == "docs/docker.md" {
				continue // its names are those of volumes
			}
			text, err := fs.ReadFile(root, page)
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range sortedNames(string(text), `\b(consentgate_[a-z_]+)`) {
				if !slices.Contains(told, name) {
					t.Errorf("%s speaks of %s", page, name)
				}
			}
		}
	}
}

// sortedNames are the first groups of a pattern's matches, each once.
func sortedNames(text, pattern string) (names []string) {
	for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		names = append(names, m[1])
	}
	slices.Sort(names)
	return slices.Compact(names)
}
