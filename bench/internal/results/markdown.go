package results

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// Markdown writes the report: what was measured where, the goals, then every row.
func (f *File) Markdown(w io.Writer) error {
	p := &page{w: w}
	p.line("# Benchmark%s of %s", f.part(), f.Date.Format("2006-01-02 15:04 MST"))
	p.line("")
	p.line("Commit %s. %s.", f.Commit, pairs(f.Machine))
	p.line("")
	p.line("%s. %s.", pairs(f.Versions), pairs(f.Settings))
	p.line("")
	p.line("Cells: the median of the rounds (lowest–highest). Ratios are formed within each round.")
	if f.Deferred > 0 {
		p.line("Runs done again since mail was deferred with 4xx: %d.", f.Deferred)
	}
	if f.Part == "" {
		p.goals(f)
	}
	for _, r := range f.rows() {
		p.row(f, r)
	}
	return p.err
}

func (f *File) part() string {
	if f.Part == "" {
		return ""
	}
	return " (" + f.Part + ")"
}

// pairs writes "name value", in the order of the names.
func pairs(m map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, strings.TrimSpace(name+" "+m[name]))
	}
	return strings.Join(parts, ", ")
}

// page writes until the first error, which it keeps.
type page struct {
	w   io.Writer
	err error
}

func (p *page) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

func (p *page) table(head []string, rows [][]string) {
	p.line("")
	p.line("| %s |", strings.Join(head, " | "))
	p.line("|---%s|", strings.Repeat("|--:", len(head)-1))
	for _, r := range rows {
		p.line("| %s |", strings.Join(r, " | "))
	}
}

func (p *page) goals(f *File) {
	p.line("")
	p.line("## Goals")
	var rows [][]string
	for _, g := range Goals() {
		v := spreadOf(g.value(f))
		verdict := "not measured"
		if v.N > 0 {
			verdict = g.met(v.Median)
		}
		rows = append(rows, []string{
			g.Work + per(g.Base), v.String(), g.perDirect(f).String(), g.bound(g.Reach), g.bound(g.Stretch), verdict,
		})
	}
	p.table([]string{"work", "measured", "÷ direct", "reach", "stretch", ""}, rows)
}

func per(b Base) string {
	if b.Target == HAProxy {
		return ", ÷ haproxy"
	}
	return ""
}

func (p *page) row(f *File, r Cell) {
	p.line("")
	p.line("## %s", r)
	targets := f.targets(r)
	shown := slices.DeleteFunc(metrics(), func(m Metric) bool {
		return !slices.ContainsFunc(f.Samples, func(s Sample) bool { _, ok := s.Values[m]; return ok && s.at("") == r })
	})
	var yardsticks []string
	for _, t := range []string{Direct, HAProxy} {
		if slices.Contains(targets, t) {
			yardsticks = append(yardsticks, t)
		}
	}
	var rows [][]string
	for _, t := range targets {
		rows = append(rows, f.cells(r.at(t), shown, yardsticks))
	}
	p.table(heads(shown, yardsticks), rows)
}

// compared metrics are shown as ratios too, where the row has a yardstick.
func (m Metric) compared() bool { return m == Rate || m == P50 || m == P99 }

func heads(shown []Metric, yardsticks []string) []string {
	head := []string{"target"}
	for _, m := range shown {
		head = append(head, string(m))
		for _, y := range yardsticks {
			if m.compared() {
				head = append(head, "÷ "+y)
			}
		}
	}
	return append(head, "others' CPU")
}

func (f *File) cells(c Cell, shown []Metric, yardsticks []string) []string {
	cells := []string{c.Target}
	for _, m := range shown {
		own := f.values(c, m)
		cells = append(cells, spreadOf(own).String())
		for _, y := range yardsticks {
			if m.compared() {
				cells = append(cells, spreadOf(ratios(own, f.values(c.at(y), m))).String())
			}
		}
	}
	return append(cells, f.others(c))
}

// others is the share of the machine that the median run did not have.
func (f *File) others(c Cell) string {
	var v []float64
	for _, s := range f.Samples {
		if s.Cell == c {
			v = append(v, s.Others)
		}
	}
	return fmt.Sprintf("%.0f %%", 100*spread(v).Median)
}
