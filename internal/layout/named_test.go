package layout

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const root = "../.."

// TestEveryTestThatTheDocsNameExists: a promise that names its proof must not outlive it.
func TestEveryTestThatTheDocsNameExists(t *testing.T) {
	t.Parallel()
	tests := testsOfTheTree(t)
	name, dialogue := regexp.MustCompile("`((?:Test|Fuzz)[A-Z]\\w*)`"), regexp.MustCompile("dialogue `([a-z]+/[a-z]+)`")
	eachFile(t, filepath.Join(root, "docs"), ".md", func(path, text string) {
		for _, m := range name.FindAllStringSubmatch(text, -1) {
			if !tests[m[1]] {
				t.Errorf("%s names %s, which does not exist", path, m[1])
			}
		}
		for _, m := range dialogue.FindAllStringSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(root, "smtpproxy/testdata/dialogue", m[1]+".smtp")); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	})
}

// TestTheReadmeNamesEveryPage: a page that nothing leads to is not read.
func TestTheReadmeNamesEveryPage(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile(filepath.Join(root, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(root, "docs", "*.md"))
	if err != nil || len(pages) == 0 {
		t.Fatalf("%d pages, error %v", len(pages), err)
	}
	for _, page := range pages {
		if link := "(docs/" + filepath.Base(page) + ")"; !strings.Contains(string(readme), link) {
			t.Errorf("README.md has no link %s", link)
		}
	}
}

// TestEveryTrapHasItsRow: the table of docs/standards.md is numbered without a gap, and each row says something.
func TestEveryTrapHasItsRow(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "docs/standards.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile(`(?m)^\| (\d+) \| [^|]{10,} \| [^|]{10,} \|$`).FindAllStringSubmatch(string(text), -1)
	if len(rows) != 45 {
		t.Errorf("%d traps, want 45", len(rows))
	}
	for i, row := range rows {
		if row[1] != strconv.Itoa(i+1) {
			t.Fatalf("trap %s stands where %d belongs", row[1], i+1)
		}
	}
}

// testsOfTheTree are the names of all tests and fuzz targets.
func testsOfTheTree(t *testing.T) map[string]bool {
	t.Helper()
	names, declared := map[string]bool{}, regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	eachFile(t, root, "_test.go", func(_, text string) {
		for _, m := range declared.FindAllStringSubmatch(text, -1) {
			names[m[1]] = true
		}
	})
	return names
}

// eachFile reads every file below dir whose name ends so.
func eachFile(t *testing.T, dir, suffix string, f func(path, text string)) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() || !strings.HasSuffix(path, suffix) {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f(path, string(text))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
