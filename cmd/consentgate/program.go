package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/app"
	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/internal/seal"
	"github.com/consentgate/consentgate/internal/stats"
)

// program is what every command shares: where it reads and writes, and the global flags.
type program struct {
	in       io.Reader
	out, err io.Writer
	env      func(string) string
	root     bool
	now      func() time.Time
	// signals ends a context at Ctrl-C; nil: nothing does.
	signals func(context.Context) (context.Context, context.CancelFunc)
	// calm may start the process anew before a gate runs; nil: it runs as it is.
	calm func()

	configPath, store, dataDir string
	as                         string // --actor
	json                       bool

	started bool // a command's own work began: what fails from here is no matter of usage
}

// body is the work of a command.
type body func(ctx context.Context, args []string) error

// run makes a body a command's RunE.
func (p *program) run(b body) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		p.started = true
		return b(cmd.Context(), args)
	}
}

// untilSignal is for a body that has to tidy up after Ctrl-C or SIGTERM; others just end.
func (p *program) untilSignal(b body) body {
	return func(ctx context.Context, args []string) error {
		if p.signals != nil {
			var stop context.CancelFunc
			ctx, stop = p.signals(ctx)
			defer stop()
		}
		return b(ctx, args)
	}
}

// say writes to stderr, every line with the program's name, as the Unix custom is.
func (p *program) say(format string, args ...any) {
	for line := range strings.SplitSeq(fmt.Sprintf(format, args...), "\n") {
		fmt.Fprintf(p.err, "consentgate: %s\n", line)
	}
}

// log is the program log: text on stderr, or JSON with --json.
func (p *program) log(level slog.Level) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	if p.json {
		return slog.New(slog.NewJSONHandler(p.err, o))
	}
	return slog.New(slog.NewTextHandler(p.err, o))
}

// config loads the settings with the global flags laid over them.
func (p *program) config() (*config.Config, error) { return p.configWith(config.Overlay{}) }

func (p *program) configWith(flags config.Overlay) (*config.Config, error) {
	return config.Load(p.options(flags))
}

// serveConfig is configWith for who needs an upstream as well.
func (p *program) serveConfig(flags config.Overlay) (*config.Config, error) {
	o := p.options(flags)
	o.Serve = true
	return config.Load(o)
}

func (p *program) options(flags config.Overlay) config.Options {
	flags.Store, flags.DataDir = p.store, p.dataDir
	return config.Options{Path: p.configPath, Env: p.env, Root: p.root, Flags: flags}
}

// countTime is how long a command's counters may take to reach the store.
const countTime = 30 * time.Second

// opened is the store and keys that a command works with.
type opened struct {
	gate.Store
	cfg   *config.Config
	keys  *seal.Keys
	inbox gate.Inbox // nil where the store has none
	flush func()     // brings the counts of the command's events into the store
}

// open opens the store of the settings, which must stand already, and says which one that is.
func (p *program) open(ctx context.Context) (*opened, error) {
	cfg, err := p.config()
	if err != nil {
		return nil, err
	}
	return p.openWith(ctx, cfg)
}

func (p *program) openWith(ctx context.Context, cfg *config.Config) (*opened, error) {
	p.sayStore(cfg)
	s, keys, err := app.OpenStore(ctx, cfg, p.log(slog.LevelWarn), false)
	if err != nil {
		return nil, err
	}
	counts := stats.NewSums(s, p.now)
	flush := func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), countTime)
		defer cancel()
		if err := counts.Flush(ctx); err != nil {
			p.say("stats will lack what this command recorded: %v", err)
		}
	}
	inbox, _ := s.(gate.Inbox)
	return &opened{Store: stats.Counting(s, counts, p.now, nil), cfg: cfg, keys: keys, inbox: inbox, flush: flush}, nil
}

func (p *program) sayStore(cfg *config.Config) { p.say("store %s", config.RedactURL(cfg.Store)) }

// close ends a command's use of the store; a record that did not reach it has been reported by then.
func (o *opened) close() {
	o.flush()
	_ = o.Close()
}

// print writes v as one line of JSON with --json, else as text does.
func (p *program) print(v any, text func(w io.Writer)) error {
	if p.json {
		return p.printJSON(v)
	}
	w := tabwriter.NewWriter(p.out, 0, 0, 2, ' ', 0)
	text(w)
	return w.Flush()
}

func (p *program) printJSON(v any) error {
	e := json.NewEncoder(p.out)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// line writes a row of a table; the cells of stored text are made harmless for a terminal.
func line(w io.Writer, cells ...string) {
	for i, c := range cells {
		cells[i] = printable(c)
	}
	fmt.Fprintln(w, strings.Join(cells, "\t"))
}

// printable replaces what could move a terminal's cursor or break a table.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || (r >= 0x7f && r < 0xa0) || r == '\u2028' || r == '\u2029' || (r >= '\u202a' && r <= '\u202e') {
			return '?'
		}
		return r
	}, s)
}

// count is a number of things in words: "1 line", "2 lines".
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// countAre is count with its verb: "1 line is", "2 lines are".
func countAre(n int, thing string) string {
	if n == 1 {
		return "1 " + thing + " is"
	}
	return count(n, thing) + " are"
}

// when is a time as tables show it; empty for none.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// address reads the ADDRESS argument.
func address(s string) (gate.Address, error) {
	a, err := gate.ParseAddress(s)
	if err != nil {
		return gate.Address{}, usage("ADDRESS %q: %v; write it as local@domain", s, err)
	}
	return a, nil
}
