package main

import (
	"os"
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
