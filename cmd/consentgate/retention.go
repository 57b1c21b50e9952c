package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/app"
	"github.com/consentgate/consentgate/internal/retention"
)

func (p *program) retentionCommand() *cobra.Command {
	return p.group("retention", "remove what was kept long enough", `Remove what the setting retention says has been kept long enough. serve does this by itself every hour.`,
		p.retentionRunCommand())
}

func (p *program) retentionRunCommand() *cobra.Command {
	var dry bool
	cmd := &cobra.Command{
		Use:   "run",
		Short: "remove now what was kept long enough",
		Long: `Remove now what the setting retention says has been kept long enough: block entries by age, the history
and address of people whose every consent ended (evidence) and of people who have not acted for long
(inactive). Refusals stay for ever, under the recipient id. It may run beside the gate, and again after
it was stopped.`,
		Example: `  consentgate retention run --dry-run
  consentgate retention run --json`,
		Args: cobra.NoArgs,
		RunE: p.run(p.untilSignal(func(ctx context.Context, _ []string) error { return p.retentionRun(ctx, dry) })),
	}
	cmd.Flags().BoolVar(&dry, "dry-run", false, "count what would be removed and remove nothing")
	return cmd
}

// retained is the JSON of retention run.
type retained struct {
	DryRun bool `json:"dry_run"`
	retention.Report
}

func (p *program) retentionRun(ctx context.Context, dry bool) error {
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	policy, err := app.Policy(s.cfg)
	if err != nil {
		return err
	}
	if !dry {
		if err := p.act(ctx, s, "retention.run", gate.ID{}, app.RetentionPeriods(s.cfg).String()); err != nil {
			return err
		}
	}
	bar := p.newProgress("recipients", 0)
	defer bar.end()
	r := retained{DryRun: dry}
	job := retention.Job{
		Store: s, Periods: app.RetentionPeriods(s.cfg), Policy: policy, Streams: s.cfg.Streams(), Now: p.now(), DryRun: dry,
		Progress: func(r retention.Report) { bar.show(r.Recipients, 0) },
	}
	if err = job.Blocks(ctx, &r.Report); err == nil {
		err = job.People(ctx, &r.Report)
	}
	bar.end()
	if !dry {
		_, noted := s.AppendAct(context.WithoutCancel(ctx), gate.Act{
			Time: p.now(), Actor: p.actor(), Role: roleLocal, Name: "retention.done", Detail: r.String(),
		})
		err = errors.Join(err, noted)
	}
	if err != nil {
		return fmt.Errorf("retention: %w", err)
	}
	return p.print(r, func(w io.Writer) { r.text(w, job.Periods) })
}

func (r retained) text(w io.Writer, periods retention.Periods) {
	done := "removed"
	if r.DryRun {
		done = "would be removed"
	}
	fmt.Fprintf(w, "block entries\t%d %s\n", r.Blocks, done)
	if !periods.People() {
		fmt.Fprintln(w, "people\tretention.evidence and retention.inactive are not set")
		return
	}
	fmt.Fprintf(w, "consent ended\t%d %s with history\n", r.Evidence, done)
	fmt.Fprintf(w, "not active\t%d %s with history\n", r.Inactive, done)
	fmt.Fprintf(w, "of these\t%d keep a refusal under the recipient id\n", r.Kept)
}
