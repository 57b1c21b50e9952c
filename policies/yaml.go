package policies

import (
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

// maxFile bounds a file of packs or cases; a real one has a few kilobytes.
const maxFile = 1 << 20

// decode reads a file strictly into doc. Tags, anchors and aliases are refused: what a lawyer reads is what stands
// there, and the decoder does not survive all of them.
func decode(name string, text []byte, doc any) *Problem {
	if len(text) > maxFile {
		return &Problem{File: name, Line: 1, Text: "larger than 1 MiB"}
	}
	tree, err := parser.ParseBytes(text, 0)
	if err != nil {
		return unreadable(name, err)
	}
	var odd oddities
	for _, d := range tree.Docs {
		if d.Body != nil {
			ast.Walk(&odd, d.Body)
		}
	}
	if odd.first != nil {
		return &Problem{File: name, Line: odd.first.GetToken().Position.Line, Text: "an anchor, alias or tag, which these files do not use: write the value out"}
	}
	if err := yaml.UnmarshalWithOptions(text, doc, yaml.Strict()); err != nil {
		return unreadable(name, err)
	}
	return nil
}

// oddities finds the first node of a kind that files of ours do not use.
type oddities struct{ first ast.Node }

// Visit is called for every node.
func (o *oddities) Visit(n ast.Node) ast.Visitor {
	switch n.Type() {
	case ast.AnchorType, ast.AliasType, ast.TagType, ast.MergeKeyType:
		if o.first == nil {
			o.first = n
		}
	}
	return o
}
