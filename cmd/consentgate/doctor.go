package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"

	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/internal/app"
	"github.com/consentgate/consentgate/internal/config"
)

func (p *program) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "look whether everything that a gate needs is in order",
		Long: `Look at everything that a gate needs, before it starts or beside it: settings, keys and who may read
them, the store (there, whole, ours, taking writes, its clock, what could make it lose records), room for
the journals, the certificate, the addresses to listen on, each upstream up to AUTH, and whether a
one-click POST to the public URL arrives. Each line is ok, warn or fail, with what to do.

It sends no mail and changes nothing. Run it under the account that serve runs under. What it cannot
see: whether the mailer behind the gate signs both unsubscribe lines (docs/unsubscribe.md), and what
backups hold.

Exit codes: 0 nothing fails, 1 something does.`,
		Example: `  consentgate doctor
  consentgate doctor --config /etc/consentgate/config.yaml --json | jq -r '.findings[] | select(.health != "ok") | .do'`,
		Args: noArgs,
		RunE: p.run(p.untilSignal(func(ctx context.Context, _ []string) error { return p.doctor(ctx) })),
	}
}

// examined is the JSON of doctor.
type examined struct {
	OK       bool          `json:"ok"` // nothing fails
	Findings []app.Finding `json:"findings"`
}

func (p *program) doctor(ctx context.Context) error {
	found := p.examine(ctx)
	broken := func(f app.Finding) bool { return f.Health == app.Broken }
	e := examined{OK: !slices.ContainsFunc(found, broken), Findings: found}
	if err := p.print(e, e.text); err != nil {
		return err
	}
	if !e.OK {
		return answered(exitError)
	}
	return nil
}

// examine starts with the settings: without them there is nothing else to look at.
func (p *program) examine(ctx context.Context) []app.Finding {
	cfg, err := p.serveConfig(config.Overlay{})
	if err == nil {
		d := app.Doctor{Config: cfg, Now: p.now, Log: slog.New(slog.DiscardHandler)}
		return d.Examine(ctx)
	}
	var found []app.Finding
	for _, one := range problems(err) {
		found = append(found, app.Finding{Part: "config", Health: app.Broken, Text: one.String(), Do: "see docs/configuration.md"})
	}
	return found
}

func (e examined) text(w io.Writer) {
	for _, f := range e.Findings {
		line(w, string(f.Health), f.Part, f.Text)
		if f.Do != "" {
			line(w, "", "", "-> "+f.Do)
		}
	}
	if e.OK {
		fmt.Fprintln(w, "nothing fails")
	}
}
