package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/internal/app"
	"github.com/consentgate/consentgate/internal/config"
)

func (p *program) doctorCommand() *cobra.Command {
	var delivered string
	c := &cobra.Command{
		Use:   "doctor",
		Short: "look whether everything that a gate needs is in order",
		Long: `Look at everything that a gate needs, before it starts or beside it: settings, keys and who may read
them, the store (there, whole, ours, taking writes, its clock, what could make it lose records), room for
the journals, the certificate, the addresses to listen on, each upstream up to AUTH, and whether a
one-click POST to the public URL arrives. Each line is ok, warn or fail, with what to do.

It sends no mail and changes nothing. Run it under the account that serve runs under. What it cannot
see is what backups hold.

Whether the mailer behind the gate signs both unsubscribe lines shows at the other end only: send a
marketing message to a mailbox of yours, save it as it arrived ("show original"), and give the file
with --delivered. Then nothing but that message is looked at: each line once, ours, and both covered by
a DKIM signature that holds.

Exit codes: 0 nothing fails, 1 something does.`,
		Example: `  consentgate doctor
  consentgate doctor --config /etc/consentgate/config.yaml --json | jq -r '.findings[] | select(.health != "ok") | .do'
  consentgate doctor --delivered message.eml`,
		Args: noArgs,
		RunE: p.run(p.untilSignal(func(ctx context.Context, _ []string) error { return p.doctor(ctx, delivered) })),
	}
	c.Flags().StringVar(&delivered, "delivered", "", "look at this `file` instead: a marketing message as it arrived; - is standard input")
	return c
}

// examined is the JSON of doctor.
type examined struct {
	OK       bool          `json:"ok"` // nothing fails
	Findings []app.Finding `json:"findings"`
}

func (p *program) doctor(ctx context.Context, delivered string) error {
	found, err := p.examine(ctx, delivered)
	if err != nil {
		return err
	}
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
func (p *program) examine(ctx context.Context, delivered string) (found []app.Finding, err error) {
	cfg, err := p.serveConfig(config.Overlay{})
	if err == nil {
		d := app.Doctor{Config: cfg, Now: p.now, Log: slog.New(slog.DiscardHandler)}
		if delivered != "" {
			return p.delivered(ctx, &d, delivered)
		}
		return d.Examine(ctx), nil
	}
	for _, one := range problems(err) {
		found = append(found, app.Finding{Part: "config", Health: app.Broken, Text: one.String(), Do: "see docs/configuration.md"})
	}
	return found, nil
}

func (p *program) delivered(ctx context.Context, d *app.Doctor, path string) ([]app.Finding, error) {
	if path == "-" {
		return d.Delivered(ctx, p.in)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--delivered: %w", err)
	}
	defer f.Close()
	return d.Delivered(ctx, f)
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
