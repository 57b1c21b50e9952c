package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/internal/app"
)

func (p *program) demoCommand() *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "show the gate at work, with nothing installed or configured",
		Long: `Run the gate, an embedded store and a capture mailbox in one process, with sample recipients in
each important state. Send each a newsletter and a receipt over SMTP, show who got what and why,
then stay up until Ctrl-C. Nothing is kept.`,
		Example: `  consentgate demo
  consentgate demo --once`,
		Args: noArgs,
		RunE: p.run(p.untilSignal(func(ctx context.Context, _ []string) error {
			return app.Demo(ctx, app.DemoOptions{Once: once, JSON: p.json, Out: p.out})
		})),
	}
	cmd.Flags().BoolVar(&once, "once", false, "exit after the table: 0 only if every outcome was the expected one")
	return cmd
}
