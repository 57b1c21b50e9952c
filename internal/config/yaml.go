package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxFile bounds a config file; a real one has a few kilobytes.
const maxFile = 1 << 20

// value is a node of the file together with the field it is the value of. Readers take a value and put what they read
// into the config, or a problem into the report; they never stop, so that one run finds everything.
type value struct {
	*report
	field string
	node  ast.Node
}

// reader reads the value of one key.
type reader func(value)

// fields are the keys that a mapping may have.
type fields map[string]reader

// parse reads the file as YAML and hands its top to read. It returns false, with the problem noted, where the file is
// no YAML at all, so that nothing can be said of its fields. An empty file has no fields.
func parse(r *report, data []byte, read reader) bool {
	if len(data) > maxFile {
		r.whole(1, "larger than 1 MiB: this is no config file")
		return false
	}
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(err)
		return false
	}
	var bodies []ast.Node
	for _, doc := range file.Docs {
		if doc.Body != nil {
			bodies = append(bodies, doc.Body)
		}
	}
	if len(bodies) > 1 {
		r.whole(line(bodies[1]), "a second YAML document begins here: keep one")
		return false
	}
	for _, top := range bodies {
		read(value{report: r, node: top})
	}
	return true
}

// syntax notes why the file is no YAML.
func (r *report) syntax(err error) {
	at, text := 1, "not valid YAML"
	if ye, ok := errors.AsType[yaml.Error](err); ok {
		text += ": " + ye.GetMessage()
		if t := ye.GetToken(); t != nil && t.Position != nil {
			at = t.Position.Line
		}
	}
	r.whole(at, text)
}

// line returns the line a node begins on, 0 where it has none.
func line(n ast.Node) int {
	if n == nil || n.GetToken() == nil || n.GetToken().Position == nil {
		return 0
	}
	return n.GetToken().Position.Line
}

// sub is the value of a key of this mapping or of an entry of this sequence.
func (v value) sub(name string, at int, node ast.Node) value {
	field := name
	if v.field != "" && !strings.HasPrefix(name, "[") {
		field = "." + name
	}
	field = v.field + field
	if at > 0 {
		v.at(field, at)
	}
	return value{report: v.report, field: field, node: node}
}

func (v value) problem(format string, args ...any) {
	if v.field != "" {
		v.misread(v.field, format, args...)
		return
	}
	v.whole(max(1, line(v.node)), fmt.Sprintf(format, args...))
}

// empty reports whether a key stands without a value.
func (v value) empty() bool {
	return v.node == nil || v.node.Type() == ast.NullType
}

// section reads a mapping whose keys are known.
func section(known func() fields) reader {
	return func(v value) {
		read := known()
		v.each(func(name string, sub value) {
			if r, ok := read[name]; ok {
				r(sub)
				return
			}
			sub.problem("unknown key: %s", keySuggestion(name, keys(read)))
		})
	}
}

// named reads a mapping whose keys are names that the operator chose, in the order of the file.
func named(read func(name string, v value)) reader {
	return func(v value) { v.each(read) }
}

// each calls f for every key of a mapping, once a key.
func (v value) each(f func(name string, sub value)) {
	if v.empty() {
		return
	}
	m, ok := v.node.(ast.MapNode)
	if !ok {
		v.problem("want keys with values, such as {key: value}; got %s", kind(v.node))
		return
	}
	seen := make(map[string]int)
	for it := m.MapRange(); it.Next(); {
		name, at := keyText(it.Key()), line(it.Key())
		first, twice := seen[name]
		sub := v.sub(name, at, it.Value())
		if twice {
			sub.problem("stands twice, first on line %d: keep one", first)
			v.sub(name, first, nil) // whose value counts
			continue
		}
		seen[name] = at
		f(name, sub)
	}
}

func keyText(k ast.MapKeyNode) string {
	if s, ok := k.(*ast.StringNode); ok {
		return s.Value
	}
	if t := k.GetToken(); t != nil {
		return t.Value
	}
	return ""
}

// sequence reads a list, entry by entry.
func sequence(read func(i int, v value)) reader {
	return func(v value) {
		if v.empty() {
			return
		}
		s, ok := v.node.(*ast.SequenceNode)
		if !ok {
			v.problem("want a list, such as [a, b]; got %s", kind(v.node))
			return
		}
		for i, n := range s.Values {
			read(i, v.sub(fmt.Sprintf("[%d]", i), line(n), n))
		}
	}
}

// kind names what stands in the file, for a sentence.
func kind(n ast.Node) string {
	switch n.Type() {
	case ast.MappingType, ast.MappingValueType:
		return "keys with values"
	case ast.SequenceType:
		return "a list"
	case ast.AnchorType, ast.AliasType, ast.MergeKeyType, ast.TagType:
		return "an anchor, alias or tag, which this file does not use: write the value out"
	case ast.BoolType:
		return "true or false (put a word in quotes)"
	}
	return "a single value"
}
