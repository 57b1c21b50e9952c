// Package layout holds no code: its tests keep the import directions of the project, and the names in its documents.
// One reads the imports of every package in the tree, so a package or an edge that the table below does not name is an
// error here first.
package layout

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/consentgate/consentgate/"

// anything stands for all packages of ours: for those whose work is to bring the others together.
const anything = "*"

// edges: package → what of ours its code (not its tests) may import. Everything points towards gate; adapters do not
// know each other. Whoever needs something of a sibling takes it as a small interface or function of its own, and
// internal/app passes it in.
var edges = map[string][]string{
	"gate":     {},
	"policies": {"gate"},

	// smtpproxy is one adapter in three parts, each with one reason to change: sessions, the upstream's side, SMTP.
	"smtpproxy":          {"gate", "smtpproxy/upstream", "smtpproxy/wire"},
	"smtpproxy/upstream": {"smtpproxy/wire"},
	"smtpproxy/wire":     {},

	"store":                  {"gate", "store/redisstore", "store/sqlitestore"},
	"store/redisstore":       {"gate", "store/internal/combine"},
	"store/sqlitestore":      {"gate", "store/internal/combine"},
	"store/internal/combine": {},

	// Withdrawals are journaled, tokens sealed; the door for mail that unsubscribes speaks SMTP.
	"unsub":         {"gate", "internal/journal", "internal/seal"},
	"unsub/inbound": {"gate", "smtpproxy/wire", "unsub"},
	"unsub/hooks":   {"gate"},
	"admin":         {"gate"},

	"internal/bulk":      {"gate"},
	"internal/evidence":  {"gate"},
	"internal/formlint":  {},
	"internal/journal":   {},
	"internal/metrics":   {"gate"},
	"internal/retention": {"gate"},
	"internal/seal":      {"gate"},
	"internal/sink":      {},
	"internal/stats":     {"gate"},
	// A value's grammar is its owner's: target URLs are upstream's, stream codes unsub's, packs policies', tokens admin's.
	"internal/config": {"admin", "gate", "policies", "smtpproxy/upstream", "unsub", "unsub/hooks"},

	"internal/app":    {anything},
	"cmd/consentgate": {anything},

	// The benchmark starts the program and judges its mail; what it measures with knows nothing of the gate.
	"bench":                    {"bench/internal/countsink", "bench/internal/load", "bench/internal/peers", "bench/internal/procs", "bench/internal/results", "bench/internal/rig", "gate", "internal/app", "internal/config"},
	"bench/internal/countsink": {"bench/internal/procs"},
	"bench/internal/load":      {},
	"bench/internal/peers":     {"bench/internal/procs", "gate"},
	"bench/internal/procs":     {},
	"bench/internal/results":   {},
	"bench/internal/rig":       {"bench/internal/countsink", "bench/internal/load", "bench/internal/procs", "gate", "internal/seal", "store", "unsub"},

	// Support of tests; see testSupport.
	"gate/gatetest":      {"gate"},
	"smtpproxy/smtptest": {"smtpproxy/wire"},
	"internal/testredis": {},
}

// testSupport: packages that only tests, and each other, may import.
var testSupport = []string{"gate/gatetest", "smtpproxy/smtptest", "internal/testredis"}

// testsOnly: folders in which every Go file is a test.
var testsOnly = []string{"internal/e2e", "internal/layout"}

// coreModules is all that gate may import from outside the standard library, and coreNever what it may not import of
// it: the core has no I/O, no clock of its own and no log.
var (
	coreModules = []string{"golang.org/x/net/idna", "golang.org/x/text/unicode/norm"}
	coreNever   = []string{"bufio", "database/sql", "io/fs", "log", "log/slog", "net", "net/http", "os", "os/exec", "syscall", "unsafe"}
)

func TestImportDirections(t *testing.T) {
	t.Parallel()
	files := goFiles(t, os.DirFS("../.."))
	if len(files) < len(edges) {
		t.Fatalf("found %d Go files; the walk does not reach the tree", len(files))
	}
	for _, f := range files {
		for _, complaint := range check(f) {
			t.Error(complaint)
		}
	}
}

func TestEveryPackageOfTheTableImportsTheGateOrLess(t *testing.T) {
	t.Parallel()
	for pkg, to := range edges {
		for _, dep := range to {
			if _, ok := edges[dep]; !ok && dep != anything {
				t.Errorf("%s may import %s, which the table does not have", pkg, dep)
			}
			if slices.Contains(edges[dep], pkg) {
				t.Errorf("%s and %s may import each other", pkg, dep)
			}
		}
	}
}

func TestAForbiddenImportIsFound(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		file file
		want string
	}{
		"an adapter imports its sibling":        {code("unsub", module+"store/redisstore"), "unsub may not import store/redisstore"},
		"the core imports an adapter":           {code("gate", module+"policies"), "gate may not import policies"},
		"the core imports a driver":             {code("gate", "github.com/redis/go-redis/v9"), "the core"},
		"the core does I/O":                     {code("gate", "net"), "the core"},
		"wire learns of consent":                {code("smtpproxy/wire", module+"gate"), "smtpproxy/wire may not import gate"},
		"a package nobody has placed":           {code("internal/helpers"), "not in the table"},
		"code imports support of tests":         {code("internal/app", module+"gate/gatetest"), "only tests"},
		"code in a folder that is for tests":    {code("internal/e2e"), "tests only"},
		"nothing wrong in code":                 {code("smtpproxy", "net", module+"gate", module+"smtpproxy/wire"), ""},
		"nothing wrong in the wiring":           {code("internal/app", module+"unsub", module+"store"), ""},
		"nothing wrong in a test of an adapter": {test("unsub", module+"store/redisstore", module+"gate/gatetest"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := strings.Join(check(tt.file), "\n")
			if (got == "") != (tt.want == "") || !strings.Contains(got, tt.want) {
				t.Errorf("check(%v) = %q, want it to say %q", tt.file, got, tt.want)
			}
		})
	}
}

// file is one Go file: its path in the tree and the import paths it names.
type file struct {
	path    string
	imports []string
}

func code(pkg string, imports ...string) file { return file{pkg + "/x.go", imports} }
func test(pkg string, imports ...string) file { return file{pkg + "/x_test.go", imports} }

func (f file) pkg() string  { return path.Dir(f.path) }
func (f file) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

// check returns a sentence for each import of f that goes in a wrong direction.
func check(f file) []string {
	if f.isTest() {
		return nil
	}
	if slices.Contains(testsOnly, f.pkg()) {
		return []string{fmt.Sprintf("%s: %s is for tests only", f.path, f.pkg())}
	}
	allowed, ok := edges[f.pkg()]
	if !ok {
		return []string{fmt.Sprintf("%s: package %s is not in the table of internal/layout: "+
			"say there what it may import, and in CONTRIBUTING.md what it is for", f.path, f.pkg())}
	}
	var complaints []string
	for _, imp := range f.imports {
		if c := checkImport(f.pkg(), imp, allowed); c != "" {
			complaints = append(complaints, f.path+": "+c)
		}
	}
	return complaints
}

func checkImport(pkg, imp string, allowed []string) string {
	dep, ours := strings.CutPrefix(imp, module)
	switch {
	case !ours && pkg == "gate":
		return checkCore(imp)
	case !ours:
		return ""
	case slices.Contains(testSupport, dep) && !slices.Contains(testSupport, pkg):
		return fmt.Sprintf("only tests may import %s", dep)
	case slices.Contains(allowed, dep), slices.Contains(allowed, anything):
		return ""
	}
	return fmt.Sprintf("%s may not import %s (it may: %s); take what you need as an interface or function of %s "+
		"and let internal/app pass it in", pkg, dep, strings.Join(append(slices.Clone(allowed), "no other"), ", "), pkg)
}

func checkCore(imp string) string {
	first, _, _ := strings.Cut(imp, "/")
	if foreign := strings.Contains(first, "."); foreign && !slices.Contains(coreModules, imp) {
		return fmt.Sprintf("the core may import %s and the standard library, not %s", strings.Join(coreModules, ", "), imp)
	}
	if slices.Contains(coreNever, imp) {
		return fmt.Sprintf("the core does no I/O and no logging: not %s", imp)
	}
	return ""
}

// goFiles reads the imports of all Go files of the module in tree, whatever their build tags say.
func goFiles(t *testing.T, tree fs.FS) []file {
	t.Helper()
	var files []file
	err := fs.WalkDir(tree, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return skipDir(tree, name)
		case path.Ext(name) != ".go":
			return nil
		}
		f, err := readFile(tree, name)
		files = append(files, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// skipDir skips what the go command skips: hidden folders, testdata, other modules.
func skipDir(tree fs.FS, name string) error {
	base := path.Base(name)
	if name == "." {
		return nil
	}
	if base == "testdata" || strings.HasPrefix(base, ".") || strings.HasPrefix(base, "_") {
		return fs.SkipDir
	}
	if _, err := fs.Stat(tree, path.Join(name, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}

func readFile(tree fs.FS, name string) (file, error) {
	src, err := fs.ReadFile(tree, name)
	if err != nil {
		return file{}, err
	}
	parsed, err := parser.ParseFile(token.NewFileSet(), name, src, parser.ImportsOnly)
	if err != nil {
		return file{}, err
	}
	f := file{path: name}
	for _, spec := range parsed.Imports {
		imp, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return file{}, fmt.Errorf("%s: %w", name, err)
		}
		f.imports = append(f.imports, imp)
	}
	return f, nil
}
