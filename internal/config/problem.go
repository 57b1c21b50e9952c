package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is one thing wrong with the settings.
type Problem struct {
	File  string // empty: the setting came from a flag or the environment
	Line  int    // 1-based; 0 where no file holds the field
	Field string // e.g. "listeners[0].networks"; empty where the file is no YAML at all
	Text  string // what is wrong and what to do, one sentence
}

// String is "file:line: field: text", without the parts that are not known.
func (p Problem) String() string {
	var b strings.Builder
	switch {
	case p.File != "" && p.Line > 0:
		fmt.Fprintf(&b, "%s:%d: ", p.File, p.Line)
	case p.File != "":
		b.WriteString(p.File + ": ")
	}
	if p.Field != "" {
		b.WriteString(p.Field + ": ")
	}
	b.WriteString(p.Text)
	return b.String()
}

// Error is the error of this package: everything that is wrong, in the order of the file.
type Error struct{ Problems []Problem }

// Error is one problem a line.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// report collects problems and knows on which line of which file each field stands.
type report struct {
	file     string
	lines    map[string]int
	unread   map[string]bool // fields whose value could not be read
	problems []Problem
}

func newReport(file string) *report {
	return &report{file: file, lines: make(map[string]int), unread: make(map[string]bool)}
}

// at notes the line of a field.
func (r *report) at(field string, line int) { r.lines[field] = line }

// whole notes a problem of the file itself.
func (r *report) whole(line int, text string) {
	r.problems = append(r.problems, Problem{File: r.file, Line: line, Text: text})
}

// misread notes why the value of a field cannot be read. What would follow from that is not reported: it would confuse.
func (r *report) misread(field, format string, args ...any) {
	r.unread[field] = false
	r.add(field, format, args...)
	r.unread[field] = true
}

// add notes a problem of a field, on its own line or that of the nearest field around it, unless its value could not be
// read in the first place.
func (r *report) add(field, format string, args ...any) {
	if r.unread[field] {
		return
	}
	p := Problem{Field: field, Line: r.line(field), Text: fmt.Sprintf(format, args...)}
	if p.Line > 0 {
		p.File = r.file
	}
	if !slices.Contains(r.problems, p) {
		r.problems = append(r.problems, p)
	}
}

func (r *report) line(field string) int {
	for field != "" {
		if n, ok := r.lines[field]; ok {
			return n
		}
		field = field[:max(0, strings.LastIndexAny(field, ".["))]
	}
	return 0
}

// rank puts the problems of other files, such as packs, behind those of the config.
func (r *report) rank(p Problem) int {
	if p.File == "" || p.File == r.file {
		return 0
	}
	return 1
}

// Flags reports whether the value of a flag is among what is wrong.
func (e *Error) Flags() bool {
	return slices.ContainsFunc(e.Problems, func(p Problem) bool { return strings.HasPrefix(p.Field, "--") })
}

// err returns all problems by file and line, or nil.
func (r *report) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(r.problems, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(r.rank(a), r.rank(b)), strings.Compare(a.File, b.File), a.Line-b.Line)
	})
	return &Error{r.problems}
}

// nearest returns the one of words that got was probably meant to be, or "".
func nearest(got string, words []string) string {
	best, limit := "", len(got)/3+2
	for _, w := range words {
		if d := distance(strings.ToLower(got), w); d < limit {
			best, limit = w, d
		}
	}
	return best
}

// suggestion is the end of a sentence about a word that is none of words.
func suggestion(got string, words []string) string {
	if w := nearest(got, words); w != "" {
		return fmt.Sprintf("did you mean %s?", w)
	}
	return "use " + alternatives(words)
}

// keySuggestion is suggestion for a key; the keys of some sections are too many to name.
func keySuggestion(got string, words []string) string {
	if len(words) > 12 && nearest(got, words) == "" {
		return "remove it, or look it up in docs/configuration.md"
	}
	return suggestion(got, words)
}

// alternatives is "a, b or c".
func alternatives(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// distance is the number of letters to insert, remove or exchange to get from a to b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost = 1 + min(diagonal, row[j], row[j+1])
			}
			diagonal, row[j+1] = row[j+1], cost
		}
	}
	return row[len(b)]
}
