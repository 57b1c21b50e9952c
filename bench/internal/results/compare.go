package results

import (
	"fmt"
	"io"
)

// Compare writes what changed from one run to another: the goals, which are ratios for the most part and so hold on
// other machines too, then the gate's own figures, which hold on the same machine only. A change is marked where the
// rounds of the two do not overlap.
func Compare(w io.Writer, old, now *File) error {
	p := &page{w: w}
	p.line("Old: %s of %s. New: %s of %s.", old.Commit, old.Date.Format("2006-01-02 15:04"), now.Commit, now.Date.Format("2006-01-02 15:04"))
	var rows [][]string
	for _, g := range Goals() {
		rows = appendChange(rows, g.Work+per(g.Base), spreadOf(g.value(old)), spreadOf(g.value(now)))
	}
	p.table([]string{"goal", "old", "new", "change", ""}, rows)
	p.table([]string{"figure", "old", "new", "change", ""}, figures(old, now))
	return p.err
}

// figures are all values of the gate, with either store.
func figures(old, now *File) (rows [][]string) {
	for _, r := range now.rows() {
		for _, target := range []string{Gate, Embedded} {
			for _, m := range metrics() {
				c := r.at(target)
				rows = appendChange(rows, fmt.Sprintf("%s: %s", c, m), spreadOf(old.values(c, m)), spreadOf(now.values(c, m)))
			}
		}
	}
	return rows
}

// appendChange adds a line where both have a value.
func appendChange(rows [][]string, name string, old, now Spread) [][]string {
	if old.N == 0 || now.N == 0 {
		return rows
	}
	change, mark := "–", ""
	if old.Median != 0 {
		change = fmt.Sprintf("%+.1f %%", 100*(now.Median/old.Median-1))
	}
	if !old.Overlaps(now) {
		mark = "changed"
	}
	return append(rows, []string{name, old.String(), now.String(), change, mark})
}
