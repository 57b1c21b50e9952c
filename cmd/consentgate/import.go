package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/app"
	"github.com/consentgate/consentgate/internal/bulk"
	"github.com/consentgate/consentgate/internal/config"
)

// importFlags are the flags of import, as texts.
type importFlags struct {
	format, preset, purpose, attest, at, dates, rejects string
	columns, values                                     []string
	dryRun                                              bool
}

func (p *program) importCommand() *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use:   "import FILE|-",
		Short: "record many people from a CSV or JSON lines file",
		Long: `Record many people from a file: CSV with a header row, JSON lines of events, or the export of
another program (--preset). Nobody becomes more than the file proves: where no column says how consent
was given the record is kept and permits nothing. What --set says of every row needs --attest:
somebody's word, which is recorded with each row.

The order of files does not matter, and the same file may be imported again: rows that are recorded
are left alone. So an import that was stopped is resumed by starting it again. --dry-run shows how
many people each stream could reach, and writes nothing. docs/import.md explains presets and columns.

Exit codes: 0 all rows are recorded, 1 some were rejected.`,
		Example: `  consentgate import subscribed.csv --preset mailchimp --purpose newsletter --dry-run
  consentgate import people.csv --map recipient=Mail --map time="Signed up" --purpose newsletter \
      --set method=active --set default_state=unticked --set source=form:footer \
      --attest "footer form since 2021, box unticked: A. Martin, web team" --rejects rejected.csv
  consentgate import events.jsonl`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("%s needs one FILE, or - for standard input; got %s", cmd.CommandPath(), count(len(args), "argument"))
			}
			return nil
		},
		RunE: p.run(p.untilSignal(func(ctx context.Context, args []string) error { return p.importFile(ctx, args[0], &f) })),
	}
	fs := cmd.Flags()
	fs.StringVar(&f.format, "format", "", "`format`: csv or jsonl (default by the file's name)")
	fs.StringVar(&f.preset, "preset", "", "`program` that exported the file: "+strings.Join(bulk.Presets(), ", "))
	fs.StringArrayVar(&f.columns, "map", nil, "`field=Column`: where a field is in the file; repeatable")
	fs.StringArrayVar(&f.values, "set", nil, "`field=value` for rows that do not say it; repeatable")
	fs.StringVar(&f.purpose, "purpose", "", "`name` of what consent is given for, for rows that do not say it")
	fs.StringVar(&f.attest, "attest", "", "`text`: who stands for what --set and --at say, or for the confirmations in the file, and how they know")
	fs.StringVar(&f.at, "at", "", "`time` of rows without one (default: a yes 1970-01-01, a no now)")
	fs.StringVar(&f.dates, "dates", "", "`order` of dates such as 03/04/2026: dmy or mdy")
	fs.BoolVar(&f.dryRun, "dry-run", false, "show what would be recorded and whom each stream could reach; write nothing")
	fs.StringVar(&f.rejects, "rejects", "", "`file` to write rejected rows to, with line and cause")
	return cmd
}

// reading turns the flags into values.
func (f *importFlags) reading(path, actor string, now time.Time) (r bulk.Reading, err error) {
	r = bulk.Reading{
		Format: f.format, Preset: f.preset, Purpose: f.purpose, Attest: f.attest, Dates: bulk.DateOrder(f.dates),
		Batch: batchName(path), Actor: actor, Now: now,
	}
	if r.Format == "" {
		r.Format = formatOf(path)
	}
	if f.at != "" {
		if r.At, err = time.Parse(time.RFC3339, f.at); err != nil {
			return r, usage("--at %q is no time: write it as 2026-11-01T10:00:00Z", f.at)
		}
	}
	if r.Columns, err = pairs("--map", f.columns); err != nil {
		return r, err
	}
	if r.Values, err = pairs("--set", f.values); err != nil {
		return r, err
	}
	return r, asUsage(r.Check())
}

func pairs(flag string, texts []string) (map[string]string, error) {
	all := make(map[string]string, len(texts))
	for _, text := range texts {
		name, value, _ := strings.Cut(text, "=")
		if name == "" || value == "" {
			return nil, usage("%s %q: write name=value", flag, text)
		}
		if _, twice := all[name]; twice {
			return nil, usage("%s %s is given twice", flag, name)
		}
		all[name] = value
	}
	return all, nil
}

func formatOf(path string) string {
	switch strings.ToLower(filepath.Ext(path)) {
	case ".jsonl", ".ndjson", ".json":
		return bulk.FormatJSONL
	}
	return bulk.FormatCSV
}

// batchName is the file's name in the records' source.
func batchName(path string) string {
	if path == "-" {
		return "stdin"
	}
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	return strings.ToValidUTF8(printable(name[:min(len(name), 100)]), "?")
}

// asUsage makes what a file and its flags do not agree on a matter of usage.
func asUsage(err error) error {
	if !errors.Is(err, bulk.ErrReading) {
		return err
	}
	return usage("%s", strings.TrimPrefix(err.Error(), bulk.ErrReading.Error()+": "))
}

func (p *program) importFile(ctx context.Context, path string, f *importFlags) error {
	reading, err := f.reading(path, p.actor(), p.now())
	if err != nil {
		return err
	}
	in, err := p.openInput(ctx, path)
	if err != nil {
		return err
	}
	defer in.close()
	var soFar bulk.Counts
	rejects, err := p.openRejects(f.rejects, path, &soFar)
	if err != nil {
		return err
	}
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if err := s.Ping(ctx); err != nil { // a dry run writes nothing, and counts whom a store of today lets through
		return err
	}
	im, err := p.importer(ctx, s, f.dryRun)
	if err != nil {
		return err
	}
	if !f.dryRun {
		if err := p.importAct(ctx, s, path, f, reading); err != nil {
			return err
		}
	}
	im.Reading, im.Reject = reading, rejects.add
	bar := p.newProgress("rows", in.size)
	im.Progress = func(c bulk.Counts) {
		soFar = c
		bar.show(c.Rows, in.read.Load())
	}
	sum, err := im.Run(ctx, in)
	bar.end()
	err = errors.Join(err, rejects.close())
	if errors.Is(err, bulk.ErrReading) {
		return asUsage(err)
	}
	return p.imported(sum, f, err)
}

// importAct writes down which file is imported, by the hash of its bytes, and whose word stands for what is claimed of it.
func (p *program) importAct(ctx context.Context, s *opened, path string, f *importFlags, r bulk.Reading) error {
	sum := "unknown: standard input"
	if path != "-" {
		var err error
		if sum, err = fileSum(path); err != nil {
			return err
		}
	}
	return p.act(ctx, s, "import", gate.ID{}, "batch "+r.Batch, "sha256 "+sum, "format "+r.Format, "preset "+f.preset,
		"purpose "+f.purpose, "at "+f.at, "set "+strings.Join(f.values, " "), "attest "+f.attest)
}

func fileSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("import: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return "unknown: no regular file", err // a pipe can be read once
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("import: %w", err)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// importer is what does the work, into the store or past it. Either way it tells of people as the gate decides about them.
func (p *program) importer(ctx context.Context, s *opened, dryRun bool) (*bulk.Importer, error) {
	policy, err := app.Policy(s.cfg)
	if err != nil {
		return nil, err
	}
	marked := s.marked(ctx)
	marks, err := marked.Marks()
	if err != nil {
		return nil, err
	}
	im := &bulk.Importer{
		Store: markedApplier{s, marked}, Keys: s.keys, IDKey: s.keys.Fingerprint(), Policy: policy, Streams: s.cfg.Streams(), Writers: writers(s.cfg),
	}
	if dryRun {
		im.Store = bulk.Rehearsal{Store: s, Marks: marks}
	}
	return im, nil
}

// markedApplier answers changes as the marks on sources leave the records.
type markedApplier struct {
	gate.Applier
	marked gate.Marked
}

// Apply implements [gate.Applier].
func (m markedApplier) Apply(ctx context.Context, changes []gate.Change) []gate.Applied {
	return m.marked.Applied(ctx, changes, m.Applier.Apply(ctx, changes))
}

// writers is how many batches go to the store at the same time. An embedded store has one lock, which a second writer
// would take in the pauses that the first leaves to others.
func writers(cfg *config.Config) int {
	if strings.HasPrefix(cfg.Store, "sqlite:") {
		return 1
	}
	return 4
}

// importAnswer is the JSON of import.
type importAnswer struct {
	DryRun bool `json:"dry_run"`
	bulk.Summary
}

// imported prints what became of an import and says what to do about what did not go well.
func (p *program) imported(sum bulk.Summary, f *importFlags, err error) error {
	if sum.Note != "" {
		p.say("note: %s", sum.Note)
	}
	perr := p.print(importAnswer{f.dryRun, sum}, func(w io.Writer) {
		verb := "imported"
		if f.dryRun {
			verb = "would be imported (dry run: nothing is written)"
		}
		fmt.Fprintf(w, "%s: %d %s, %d unchanged, %d rejected", count(sum.Rows, "row"), sum.Imported, verb, sum.Unchanged, sum.Rejected)
		if sum.Unwritten > 0 {
			fmt.Fprintf(w, ", %d not written", sum.Unwritten)
		}
		fmt.Fprintln(w)
		printReach(w, sum.Reach)
	})
	switch {
	case errors.Is(err, context.Canceled):
		return fmt.Errorf("stopped after line %d: start the same import again to go on; what is recorded is left alone", sum.Line)
	case err != nil:
		return fmt.Errorf("stopped after line %d: %w\nstart the same import again to go on; what is recorded is left alone", sum.Line, err)
	case perr != nil:
		return perr
	case sum.Rejected == sum.Rows && sum.Rows > maxAllWrong:
		return fmt.Errorf("all %d rows are rejected: is the file what --format and --map say it is?", sum.Rows)
	case sum.Rejected > 0 && f.rejects == "":
		return fmt.Errorf("%s rejected; --rejects FILE writes them all to a file", countAre(sum.Rejected, "row"))
	case sum.Rejected > 0:
		return fmt.Errorf("%s rejected: see %s", countAre(sum.Rejected, "row"), f.rejects)
	}
	return nil
}

func printReach(w io.Writer, reach []bulk.Reach) {
	if len(reach) > 0 {
		line(w, "STREAM", "PERMITTED", "OF", "BLOCKED")
	}
	for _, r := range reach {
		reasons := make([]string, len(r.Blocked))
		for i, b := range r.Blocked {
			reasons[i] = fmt.Sprintf("%d %s", b.Count, b.Reason)
		}
		line(w, r.Stream, fmt.Sprint(r.Permitted), fmt.Sprint(r.Of), strings.Join(reasons, ", "))
	}
}
