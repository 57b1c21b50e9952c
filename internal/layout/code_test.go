package layout

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// narrow are the documents that speak of code by its names: there, what looks like one has to be one.
var narrow = []string{"docs/flow.md", "docs/standards.md"}

var (
	quoted    = regexp.MustCompile("`([^`\n]+)`")
	inFolder  = regexp.MustCompile(`^[a-z]\w*(/\w+)*/\w+(\.\w+)?$|^\w+\.go$`)         // internal/app, wire/path.go, dkim.go
	inPackage = regexp.MustCompile(`^(?:[a-z]+/)*((?:[a-z]+\.)?[A-Z]\w+(?:\.\w+)*)$`) // gate.Plan, App.settings
	internal  = regexp.MustCompile(`^[a-z]+([A-Z]\w+)?$`)                             // handOn, enter, wire
)

// notOurs look like names of code, and are words of mail or of libraries.
var notOurs = map[string]bool{
	"message/global-delivery-status": true, "message/global-headers": true, "EHLO": true, "Received": true, "Shutdown": true, "postmaster": true,
}

// TestCodeThatTheDocsNameExists: files, folders, types, functions and fields.
func TestCodeThatTheDocsNameExists(t *testing.T) {
	t.Parallel()
	names, found := namesOfTheTree(t), 0
	for _, doc := range narrow {
		text, err := os.ReadFile(filepath.Join(root, doc))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range quoted.FindAllStringSubmatch(string(text), -1) {
			name, there := isThere(m[1], names)
			if name {
				found++
			}
			if name && !there {
				t.Errorf("%s names %s, which does not exist", doc, m[1])
			}
		}
	}
	if found < 100 {
		t.Errorf("%d names found: the documents read otherwise than this test", found)
	}
}

// isThere reports whether the word is a name of code, and whether the tree has it.
func isThere(word string, names map[string]bool) (name, there bool) {
	if notOurs[word] || strings.HasPrefix(word, "Test") || strings.HasPrefix(word, "Fuzz") {
		return false, false
	}
	if exported := inPackage.FindStringSubmatch(word); exported != nil {
		return true, names[exported[1]]
	}
	if internal.MatchString(word) {
		return true, names[word] || stands(word)
	}
	return inFolder.MatchString(word), stands(word)
}

// stands reports whether there is such a file or folder; those of the relay, and its dialogues, are named from theirs.
func stands(path string) bool {
	for _, where := range []string{path, "smtpproxy/" + path, "smtpproxy/testdata/dialogue/" + path + ".smtp"} {
		if _, err := os.Stat(filepath.Join(root, where)); !errors.Is(err, fs.ErrNotExist) {
			return true
		}
	}
	return false
}

// namesOfTheTree are all declarations, as Name, Type.Member, and both behind their package.
func namesOfTheTree(t *testing.T) map[string]bool {
	t.Helper()
	names, files := map[string]bool{}, token.NewFileSet()
	eachFile(t, root, ".go", func(path, text string) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		file, err := parser.ParseFile(files, path, text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			for _, name := range declared(d) {
				names[name], names[file.Name.Name+"."+name] = true, true
			}
		}
	})
	return names
}

// declared are the names of one declaration, with those of fields and methods behind their type.
func declared(d ast.Decl) (names []string) {
	if f, ok := d.(*ast.FuncDecl); ok {
		if f.Recv == nil {
			return []string{f.Name.Name}
		}
		return []string{f.Name.Name, receiver(f.Recv.List[0].Type) + "." + f.Name.Name}
	}
	for _, spec := range d.(*ast.GenDecl).Specs {
		switch s := spec.(type) {
		case *ast.TypeSpec:
			names = append(append(names, s.Name.Name), members(s)...)
		case *ast.ValueSpec:
			for _, n := range s.Names {
				names = append(names, n.Name)
			}
		}
	}
	return names
}

// members are the fields of a struct, the methods of an interface.
func members(s *ast.TypeSpec) (names []string) {
	var list *ast.FieldList
	switch t := s.Type.(type) {
	case *ast.StructType:
		list = t.Fields
	case *ast.InterfaceType:
		list = t.Methods
	default:
		return nil
	}
	for _, f := range list.List {
		for _, n := range f.Names {
			names = append(names, n.Name, s.Name.Name+"."+n.Name)
		}
	}
	return names
}

// receiver is the name of a method's type.
func receiver(e ast.Expr) string {
	switch t := e.(type) {
	case *ast.StarExpr:
		return receiver(t.X)
	case *ast.IndexExpr:
		return receiver(t.X)
	case *ast.IndexListExpr:
		return receiver(t.X)
	case *ast.Ident:
		return t.Name
	}
	return ""
}
