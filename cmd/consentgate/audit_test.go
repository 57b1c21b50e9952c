package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEveryActOfTheDocumentCanBeAskedFor(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/rights.md")
	if err != nil {
		t.Fatal(err)
	}
	_, list, _ := strings.Cut(string(text), "## The audit log")
	_, list, _ = strings.Cut(list, "\n`consent.grant`")
	list, _, _ = strings.Cut("`consent.grant`"+list, "\n\n")
	var documented []string
	for _, m := range regexp.MustCompile("`([a-z.]+)`").FindAllStringSubmatch(list, -1) {
		documented = append(documented, m[1])
	}
	known := acts()
	slices.Sort(known)
	slices.Sort(documented)
	if diff := cmp.Diff(known, documented); diff != "" {
		t.Errorf("acts (-known +documented):\n%s", diff)
	}
}

func TestEveryActOfTheAPICanBeAskedFor(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../admin/*.go")
	if err != nil {
		t.Fatal(err)
	}
	noted, found := regexp.MustCompile(`(?:audit|mayReveal)\(ctx, [^"\n]*"([a-z.]+)"`), 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range noted.FindAllStringSubmatch(string(text), -1) {
			found++
			if !slices.Contains(acts(), m[1]) {
				t.Errorf("%s notes %s, which audit list does not know", file, m[1])
			}
		}
	}
	if found < 6 {
		t.Errorf("%d acts found in admin, want 6 at least: is the pattern still right?", found)
	}
}
