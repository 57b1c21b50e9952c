package policies

import (
	"fmt"

	"github.com/consentgate/consentgate/gate"
)

// document is a pack's file.
type document struct {
	Jurisdiction string               `yaml:"jurisdiction"`
	Name         string               `yaml:"name"`
	Version      string               `yaml:"version"`
	Model        gate.Model           `yaml:"model"`
	Evidence     string               `yaml:"evidence"` // required or optional
	Clocks       []clock              `yaml:"clocks"`
	States       map[string]audiences `yaml:"states"`
}

// clock ends the permission of some states an age after the person's last act.
type clock struct {
	States  []string      `yaml:"states"`
	Expires string        `yaml:"expires"`
	From    string        `yaml:"from"` // last_act, also where empty, or grant
	Law     string        `yaml:"law"`
	Longer  []sourceClock `yaml:"longer"`
}

// sourceClock counts in place of a clock where the grant came from a kind of source.
type sourceClock struct {
	Source  string `yaml:"source"`
	Expires string `yaml:"expires"`
	Law     string `yaml:"law"`
}

// audiences holds one cell for all, or one each.
type audiences struct {
	All *cell `yaml:"all"`
	B2C *cell `yaml:"b2c"`
	B2B *cell `yaml:"b2b"`
}

type cell struct {
	Answer   string `yaml:"answer"` // permit, or a reason
	Law      string `yaml:"law"`
	Category string `yaml:"category"` // required, or empty
}

// Parse reads one pack. Unknown fields are refused and every state needs its answer. The error is an *Error that names
// each problem with its line.
func Parse(name string, text []byte) (gate.Pack, error) {
	var doc document
	if wrong := decode(name, text, &doc); wrong != nil {
		return gate.Pack{}, &Error{[]Problem{*wrong}}
	}
	r := reader{pack: gate.Pack{
		Jurisdiction: doc.Jurisdiction, Name: doc.Name, Version: doc.Version, Model: doc.Model,
		Evidence: doc.Evidence == required,
		B2C:      make(map[gate.State]gate.Cell, len(doc.States)), B2B: make(map[gate.State]gate.Cell, len(doc.States)),
	}}
	if doc.Evidence != required && doc.Evidence != "optional" {
		r.problem("evidence", "%q is unknown; use required or optional", doc.Evidence)
	}
	for state, a := range doc.States {
		r.state(state, a)
	}
	for i, c := range doc.Clocks {
		r.clock(fmt.Sprintf("clocks.%d", i), c)
	}
	if problems := append(r.problems, r.pack.Problems()...); len(problems) > 0 {
		return gate.Pack{}, &Error{located(name, text, problems)}
	}
	return r.pack, nil
}

// required is the word that asks for evidence, or for a category.
const required = "required"

// reader turns a document into a pack and collects what is wrong with it.
type reader struct {
	pack     gate.Pack
	problems []gate.Problem
}

func (r *reader) problem(field, format string, args ...any) {
	r.problems = append(r.problems, gate.Problem{Field: field, Text: fmt.Sprintf(format, args...)})
}

func (r *reader) state(name string, a audiences) {
	field := "states." + name
	state, err := gate.ParseState(name)
	if err != nil {
		r.problem(field, "%v", err)
		return
	}
	switch {
	case a.All != nil && a.B2C == nil && a.B2B == nil:
		r.pack.B2C[state] = r.cell(field+".all", *a.All)
		r.pack.B2B[state] = r.pack.B2C[state]
	case a.All == nil && a.B2C != nil && a.B2B != nil:
		r.pack.B2C[state] = r.cell(field+".b2c", *a.B2C)
		r.pack.B2B[state] = r.cell(field+".b2b", *a.B2B)
	default:
		r.problem(field, "answer for all, or for both b2c and b2b")
	}
}

func (r *reader) cell(field string, c cell) gate.Cell {
	if c.Category != "" && c.Category != required {
		r.problem(field+".category", "%q is unknown; write required, or leave it out", c.Category)
	}
	out := gate.Cell{Permit: c.Answer == "permit", Citation: c.Law, Category: c.Category == required}
	if !out.Permit {
		out.Reason = gate.Reason(c.Answer)
	}
	return out
}

func (r *reader) clock(field string, c clock) {
	if c.From != "" && c.From != "last_act" && c.From != "grant" {
		r.problem(field+".from", "%q is unknown; use last_act or grant", c.From)
	}
	age := r.age(field, c.Expires)
	longer := r.longer(field, c.Longer)
	if age.IsZero() {
		return
	}
	for i, name := range c.States {
		state := gate.State(name)
		if _, ok := r.pack.B2C[state]; !ok {
			r.problem(fmt.Sprintf("%s.states.%d", field, i), "a clock for %q, which has no answer", name)
			continue
		}
		for _, cells := range []map[gate.State]gate.Cell{r.pack.B2C, r.pack.B2B} {
			cell := cells[state]
			cell.Expires, cell.Clock, cell.FromGrant, cell.Longer = age, c.Law, c.From == "grant", longer
			cells[state] = cell
		}
	}
}

func (r *reader) longer(field string, clocks []sourceClock) []gate.SourceClock {
	var out []gate.SourceClock
	for i, c := range clocks {
		at := fmt.Sprintf("%s.longer.%d", field, i)
		if !gate.IsSourceKind(c.Source) {
			r.problem(at+".source", "%q is no kind of source; use one of events' source.kind, such as checkout", c.Source)
		}
		out = append(out, gate.SourceClock{Source: c.Source, Expires: r.age(at, c.Expires), Citation: c.Law})
	}
	return out
}

func (r *reader) age(field, text string) gate.Age {
	age, err := gate.ParseAge(text)
	if err != nil {
		r.problem(field+".expires", "%v", err)
	}
	return age
}
