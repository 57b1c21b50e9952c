package formlint_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/consentgate/consentgate/internal/formlint"
)

// FuzzCheck: no page panics, and what is found stands where the report says.
func FuzzCheck(f *testing.F) {
	pages, err := filepath.Glob("testdata/pages/*.html")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range pages {
		source, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(source)
	}
	for _, s := range []string{
		"", "<", "<input", "<!--", "<label for=a for=b><input id=a type=checkbox checked>newsletter", "</form></p></label>",
		"<select name=newsletter><option selected>yes", "<input type=radio checked name=newsletter value=1>", "\x00<input type=checkbox checked>\xff news",
		"<div role=checkbox aria-checked=true aria-labelledby='x x x' id=x>offers</div>", "<textarea><input type=checkbox checked>", "<plaintext><form>",
		"<p>By submitting you agree to receive offers", "<svg><title><input type=checkbox checked name=newsletter>", "<option><option></select><select>",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, source []byte) {
		r := formlint.Check(source)
		if !utf8.Valid(source) {
			return // what was read is another text
		}
		lines := strings.Split(string(source), "\n")
		for _, found := range r.Findings {
			if found.Line < 1 || found.Line > len(lines) {
				t.Fatalf("line %d of %d: %+v", found.Line, len(lines), found)
			}
			line := []rune(lines[found.Line-1])
			if found.Column < 1 || found.Column > len(line) {
				t.Fatalf("column %d of %d: %+v", found.Column, len(line), found)
			}
			if found.Rule != "no-box" && line[found.Column-1] != '<' {
				t.Errorf("no tag at %d:%d: %+v", found.Line, found.Column, found)
			}
			if found.Wrong == "" || found.Citation == "" || found.Fix == "" || found.Excerpt == "" {
				t.Errorf("incomplete: %+v", found)
			}
		}
	})
}

// A page may be as large as Read allows, and built to be slow.
func TestAHostilePageCostsNoMoreThanItsLength(t *testing.T) {
	t.Parallel()
	for name, piece := range map[string]string{
		"boxes":                    `<input type=checkbox checked>newsletter`,
		"boxes that name the page": `<input type=checkbox checked aria-labelledby="a a a">`,
		"boxes of one label":       `<input id=i type=checkbox checked>`,
		"radio buttons":            `<fieldset><input type=radio name=newsletter checked>yes`,
		"open elements":            `<b><i>`,
		"open labels":              `<label>newsletter <input type=checkbox>`,
		"ends of nothing":          `<b></i></u>`,
		"selects":                  `<select name=newsletter><option>yes`,
		"sentences":                `By submitting you agree to receive offers. `,
		"hidden fields":            `<form><input type=hidden name=newsletter value=1>`,
		"text":                     `and or by a newsletter e mail `,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page := `<div id=a><label for=i>offers</label>` + strings.Repeat(piece, (256<<10)/len(piece))
			began := time.Now()
			formlint.Check([]byte(page))
			if took := time.Since(began); took > 20*time.Second {
				t.Errorf("256 KiB took %v", took)
			} else {
				t.Logf("256 KiB took %v", took)
			}
		})
	}
}
