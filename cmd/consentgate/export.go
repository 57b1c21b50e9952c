package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/bulk"
)

// exportFlags are the flags of export.
type exportFlags struct{ format, purpose, state, out, recipient string }

func (p *program) exportCommand() *cobra.Command {
	var f exportFlags
	var cmd *cobra.Command
	cmd = &cobra.Command{
		Use:   "export",
		Short: "write all records to a file",
		Long: `Write everybody on record, with full addresses. CSV has a row for each purpose of a record: state,
since when, method, source. Cells that a spreadsheet would take for a formula begin with an apostrophe.
JSON lines hold every event, and import reads them again. Of people whose address is not kept, as of who
was erased, they hold the refusals by recipient id, which only a store with the same id key takes. It is
no backup: store copy is, and takes the audit log, wordings, marks and numbers along.

--recipient writes all that is held about one person, as one JSON document: record, history, blocked
messages, the texts they were shown, and what operators did (GDPR art. 15 and 20).

With --out the file is readable by its owner only, and stands under its name once it is complete.`,
		Example: `  consentgate export --out people.csv
  consentgate export --format jsonl --out events.jsonl
  consentgate export --purpose newsletter --state passive_unconfirmed
  consentgate export --recipient ann@example.com --out ann.json`,
		Args: noArgs,
		RunE: p.run(p.untilSignal(func(ctx context.Context, _ []string) error {
			if f.recipient != "" {
				if cmd.Flags().Changed("format") {
					return usage("--recipient writes one JSON document: it goes without --format")
				}
				return p.exportPerson(ctx, f)
			}
			return p.export(ctx, f)
		})),
	}
	fs := cmd.Flags()
	fs.StringVar(&f.recipient, "recipient", "", "all that is held about this one `address`, as JSON")
	fs.StringVar(&f.format, "format", bulk.FormatCSV, "`format`: csv (records) or jsonl (events)")
	fs.StringVar(&f.purpose, "purpose", "", "`name` of the one purpose to write (default: all)")
	fs.StringVar(&f.state, "state", "", "only people in this `state`, such as active_double")
	fs.StringVar(&f.out, "out", "", "`file` to write (default: standard output)")
	return cmd
}

func (f exportFlags) check() error {
	switch {
	case f.format != bulk.FormatCSV && f.format != bulk.FormatJSONL:
		return usage("--format %q is not known: use csv or jsonl", f.format)
	case f.purpose != "" && !gate.IsPurpose(f.purpose):
		return usage("--purpose %q is no name of a purpose", f.purpose)
	case f.state != "" && !slices.Contains(exportStates(), gate.State(f.state)):
		return usage("--state %q is not known: use one of %s", f.state, joined(exportStates()))
	}
	return nil
}

// exportStates are the states that records have; expired is found only when the question is asked.
func exportStates() []gate.State {
	return []gate.State{
		gate.StateNone, gate.StatePassiveUnconfirmed, gate.StatePassiveConfirmed, gate.StateActiveSingle,
		gate.StateActivePending, gate.StateActiveDouble, gate.StateSoft, gate.StateB2B, gate.StateImplied,
		gate.StateWithdrawn, gate.StateInvalidated,
	}
}

func (p *program) export(ctx context.Context, f exportFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if err := p.act(ctx, s, "export", gate.ID{}, "format "+f.format, "purpose "+f.purpose, "state "+f.state); err != nil {
		return err
	}
	people, err := s.scan(ctx)
	if err != nil {
		return err
	}
	out, err := p.openOutput(f.out)
	if err != nil {
		return err
	}
	defer out.discard()
	ex := bulk.Exporter{
		Store: people, Keys: s.keys, IDKey: s.keys.Fingerprint(), Format: f.format, Purpose: f.purpose, State: gate.State(f.state),
	}
	if f.out != "" { // on a terminal the file itself would be shown
		bar := p.newProgress("recipients", 0)
		defer bar.end()
		ex.Progress = func(e bulk.Exported) { bar.show(e.Recipients, 0) }
	}
	done, err := ex.Run(ctx, out)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if err := out.keep(); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return p.exported(done, f)
}

func (p *program) exported(done bulk.Exported, f exportFlags) error {
	if f.out != "" {
		if err := p.print(done, func(w io.Writer) {
			fmt.Fprintf(w, "%s, %s\n", count(done.Recipients, "recipient"), count(done.Lines, "line"))
		}); err != nil {
			return err
		}
	}
	if done.LeftOut > 0 {
		return fmt.Errorf("%s left out, all but refusals: no address is kept, or none that can be read with these keys", countAre(done.LeftOut, "recipient"))
	}
	return nil
}

// outFile is what an export writes to. A file has another name until keep.
type outFile struct {
	io.Writer
	file *os.File // nil: standard output
	path string
}

func (p *program) openOutput(path string) (*outFile, error) {
	if path == "" || path == "-" {
		return &outFile{Writer: p.out}, nil
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	return &outFile{f, f, path}, nil
}

// keep gives the file its name.
func (o *outFile) keep() error {
	if o.file == nil {
		return nil
	}
	f := o.file
	o.file = nil
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), o.path)
}

// discard removes what was not kept.
func (o *outFile) discard() {
	if o.file != nil {
		_ = o.file.Close()
		_ = os.Remove(o.file.Name())
	}
}
