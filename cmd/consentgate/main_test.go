package main

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

var update = flag.Bool("update", false, "write the golden files of help texts")

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"consentgate": main})
}

// TestScripts runs the program as people type it. Each script has a data directory of its own and no settings of the
// machine it runs on.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "eventually": eventually},
		Setup: func(e *testscript.Env) error {
			e.Setenv("GORACE", "atexit_sleep_ms=0") // or each program under -race ends a second late
			e.Setenv("CONSENTGATE_DATA_DIR", filepath.Join(e.WorkDir, "data"))
			e.Setenv("CONSENTGATE_CONFIG", filepath.Join(e.WorkDir, "config.yaml"))
			return os.WriteFile(filepath.Join(e.WorkDir, "config.yaml"), []byte(scriptConfig), 0o600)
		},
	})
}

// scriptConfig is the config file of scripts that bring none.
const scriptConfig = `default_stream: newsletter
upstreams: [{address: "127.0.0.1:25"}]
streams:
  newsletter: {kind: marketing, purpose: newsletter, match: {mail_from: [news@example.com]}}
  receipts: {kind: transactional, match: {mail_from: ["*@shop.example.com"]}}
`

// exits runs the program and wants this exit code: exits 3 check ann@example.com.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE ARGUMENT...")
	}
	err := ts.Exec("sh", append([]string{"-c", `"$@"; test $? = "$0"`, args[0], "consentgate"}, args[1:]...)...)
	ts.Check(err)
}

// eventually waits until a file has a line that fits a pattern: eventually log ready.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: eventually FILE PATTERN")
	}
	var text []byte
	for end := time.Now().Add(deadline); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		text, _ = os.ReadFile(ts.MkAbs(args[0])) // it may not be there yet
		if regexp.MustCompile(args[1]).Match(text) {
			return
		}
	}
	ts.Fatalf("%s never has %s:\n%s", args[0], args[1], text)
}

// Every command's help stands in a file, so that a change of what people read is seen in review.
func TestHelpTexts(t *testing.T) {
	t.Parallel()
	p := &program{env: func(string) string { return "" }}
	walk(p.rootCommand(), func(cmd *cobra.Command) {
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			cmd.SetOut(&b)
			if err := cmd.Help(); err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", "help", name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Errorf("help (-want +got), go test -update writes it:\n%s", diff)
			}
		})
	})
}

func walk(cmd *cobra.Command, visit func(*cobra.Command)) {
	visit(cmd)
	for _, sub := range cmd.Commands() {
		walk(sub, visit)
	}
}

func TestEveryCommandThatDoesSomethingHasHelpWithAnExample(t *testing.T) {
	t.Parallel()
	p := &program{env: func(string) string { return "" }}
	walk(p.rootCommand(), func(cmd *cobra.Command) {
		if cmd.HasSubCommands() && cmd.HasParent() {
			return
		}
		if cmd.Long == "" || cmd.Example == "" {
			t.Errorf("%s: Long or Example is empty", cmd.CommandPath())
		}
	})
}

func TestEveryFlagOfServeIsDocumented(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	p := &program{env: func(string) string { return "" }}
	root := p.rootCommand()
	serve, _, err := root.Find([]string{"serve"})
	if err != nil {
		t.Fatal(err)
	}
	for _, flags := range []*pflag.FlagSet{serve.Flags(), root.PersistentFlags()} {
		flags.VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" && !strings.Contains(string(docs), "`--"+f.Name) {
				t.Errorf("docs/configuration.md does not explain --%s", f.Name)
			}
		})
	}
}
