package main

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/internal/app"
	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/internal/stats"
)

// maxSince is the longest period of a report: ten years.
const maxSince = 3660 * 24 * time.Hour

type statsFlags struct {
	by, since, format string
	records           bool
}

func (p *program) statsCommand() *cobra.Command {
	var f statsFlags
	var cmd *cobra.Command
	cmd = &cobra.Command{
		Use:   "stats",
		Short: "show rates: opt-in, confirmation, block, unsubscribe, complaint",
		Long: `Show the rates of a period, passive opt-in beside active: opt-in, confirmation, block, unsubscribe and
complaint; how many mails passive records would have added; how many mails were not sent, and what
they would have cost. --by says what each row is. A rate without anything to divide by is n/a.

--records counts the consents that stand now instead, by purpose, state and method; it reads every
record. docs/stats.md says what each number is and what it cannot say.`,
		Example: `  consentgate stats
  consentgate stats --by source --since 90d
  consentgate stats --by week --since 180d --format csv
  consentgate stats --records`,
		Args: cobra.NoArgs,
		RunE: p.run(p.untilSignal(func(ctx context.Context, _ []string) error {
			if changed := cmd.Flags().Changed; f.records && (changed("by") || changed("since")) {
				return usage("--records counts what stands now, by purpose, state and method: it goes without --by and --since")
			}
			return p.stats(ctx, f)
		})),
	}
	fs := cmd.Flags()
	fs.StringVar(&f.by, "by", string(stats.ByMethod), "a row for each `what`: method, source, reason, stream or week")
	fs.StringVar(&f.since, "since", "30d", "this `long` back, such as 7d or 180d, or since a time; whole UTC days")
	fs.StringVar(&f.format, "format", "", "table, json or csv (default table, or json with --json)")
	fs.BoolVar(&f.records, "records", false, "count the consents that stand now")
	return cmd
}

func (p *program) stats(ctx context.Context, f statsFlags) error {
	by := stats.By(f.by)
	if !slices.Contains(stats.Breakdowns(), by) {
		return usage("--by %q is not known: use one of %s", f.by, joined(stats.Breakdowns()))
	}
	since, err := p.span(f.since)
	if err != nil {
		return err
	}
	out, err := p.statsPrinter(f.format)
	if err != nil {
		return err
	}
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if f.records {
		return p.holdings(ctx, s, out)
	}
	r, err := app.Report(ctx, s, s.cfg, by, p.now(), since)
	if err != nil {
		return err
	}
	return out.report(r)
}

// holdings counts what stands, with the count so far on a terminal.
func (p *program) holdings(ctx context.Context, s *opened, out statsPrinter) error {
	people, err := s.scan(ctx)
	if err != nil {
		return err
	}
	bar := p.newProgress("recipients", 0)
	h, err := stats.Records(ctx, people, func(n int) { bar.show(n, 0) })
	bar.end()
	if err != nil {
		return err
	}
	return out.holdings(h)
}

// span reads --since: how long back, or since when.
func (p *program) span(text string) (time.Duration, error) {
	d, err := config.ParseDuration(text)
	if at, wrong := time.Parse(time.RFC3339, text); wrong == nil {
		d, err = p.now().Sub(at), nil
	}
	if err != nil || d <= 0 || d > maxSince {
		return 0, usage("--since %q is no time span of up to ten years: write it as 30d, 180d or 2026-11-01T00:00:00Z", text)
	}
	return d, nil
}
