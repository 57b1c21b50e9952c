package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/internal/config"
)

func (p *program) rejectsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rejects",
		Short: "show which events left in Redis were not taken, and why",
		Long: `Show which entries of the stream cg:in were not recorded, and why, newest first: the application that
left them there gets no answer. Addresses are masked; the entry id tells the application which event
it was. The latest 10,000 or so are kept.`,
		Example: `  consentgate consent rejects --store redis://127.0.0.1:6379/0
  consentgate consent rejects --json | jq -r .reason`,
		Args: cobra.NoArgs,
		RunE: p.run(func(ctx context.Context, _ []string) error { return p.rejects(ctx) }),
	}
}

func (p *program) rejects(ctx context.Context) error {
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	box := s.inbox
	if box == nil {
		return fmt.Errorf("store %s has no inbox: applications leave events in Redis only (XADD cg:in)", config.RedactURL(s.cfg.Store))
	}
	if p.json {
		for r, err := range box.Rejects(ctx) {
			if err == nil {
				err = p.printJSON(r)
			}
			if err != nil {
				return err
			}
		}
		return nil
	}
	var failed error
	err = p.print(nil, func(w io.Writer) {
		line(w, "TIME", "ENTRY", "EVENT", "RECIPIENT", "REASON")
		for r, err := range box.Rejects(ctx) {
			if failed = err; err != nil {
				return
			}
			line(w, when(r.Time), r.Entry, r.EventID, r.Recipient, r.Reason)
		}
	})
	if failed != nil {
		return failed
	}
	return err
}
