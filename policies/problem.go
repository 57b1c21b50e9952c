package policies

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/consentgate/consentgate/gate"
)

// Problem is one thing wrong with a file of packs or cases.
type Problem struct {
	File  string
	Line  int    // 1-based; 0 where the file cannot be read at all
	Field string // the place in the file, such as states.soft.b2b; empty: the file
	Text  string
}

// String is "file:line: field: text", without the parts that are not known.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File + ":")
	if p.Line > 0 {
		fmt.Fprintf(&b, "%d:", p.Line)
	}
	if p.Field != "" {
		b.WriteString(" " + p.Field + ":")
	}
	return b.String() + " " + p.Text
}

// Error is everything that is wrong, file by file and line by line.
type Error struct{ Problems []Problem }

// Error is one problem a line.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// unreadable is what the YAML reader says, with its line.
func unreadable(name string, err error) *Problem {
	p := &Problem{File: name, Line: 1, Text: err.Error()}
	if found, ok := errors.AsType[yaml.Error](err); ok {
		p.Text = found.GetMessage()
		if t := found.GetToken(); t != nil && t.Position != nil {
			p.Line = t.Position.Line
		}
	}
	return p
}

// located puts file and line to each problem, in the order of the file.
func located(name string, text []byte, problems []gate.Problem) []Problem {
	tree, err := parser.ParseBytes(text, 0)
	if err != nil || len(tree.Docs) == 0 {
		return []Problem{{File: name, Line: 1, Text: "no pack"}}
	}
	all := make([]Problem, len(problems))
	for i, p := range problems {
		all[i] = Problem{name, lineOf(tree.Docs[0].Body, strings.Split(p.Field, ".")), p.Field, p.Text}
	}
	slices.SortFunc(all, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Text, b.Text))
	})
	return all
}

// lineOf follows keys and indices down the tree and returns the line of the last one that is there.
func lineOf(node ast.Node, path []string) int {
	line := 1
	for _, step := range path {
		switch n := node.(type) {
		case *ast.MappingNode:
			i := slices.IndexFunc(n.Values, func(v *ast.MappingValueNode) bool { return v.Key.String() == step })
			if i < 0 {
				return line
			}
			line, node = n.Values[i].Key.GetToken().Position.Line, n.Values[i].Value
		case *ast.SequenceNode:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(n.Values) {
				return line
			}
			node = n.Values[i]
			line = node.GetToken().Position.Line
		default:
			return line
		}
	}
	return line
}
