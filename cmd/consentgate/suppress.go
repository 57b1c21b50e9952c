package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/gate"
)

func (p *program) suppressCommand() *cobra.Command {
	return p.group("suppress", "keep mail from a recipient whatever they agreed to",
		`Keep mail from a recipient whatever they agreed to. Without --purpose this stops transactional mail
too: it is for addresses that must get nothing at all.`,
		p.suppressAddCommand(), p.suppressRemoveCommand(), p.suppressListCommand())
}

func (p *program) suppressAddCommand() *cobra.Command {
	var f eventFlags
	cmd := &cobra.Command{
		Use:   "add ADDRESS",
		Short: "suppress a recipient",
		Long:  `Suppress a recipient: for one purpose, or without --purpose for all mail, transactional mail too.`,
		Example: `  consentgate suppress add ann@example.com --note "asked by phone"
  consentgate suppress add ann@example.com --purpose newsletter`,
		Args: oneAddress,
		RunE: p.run(func(ctx context.Context, args []string) error { return p.suppress(ctx, args[0], &f, gate.Suppressed) }),
	}
	f.when(cmd.Flags())
	cmd.Flags().StringVar(&f.purpose, "purpose", "", "`name` of one purpose (default: all mail)")
	return cmd
}

func (p *program) suppressRemoveCommand() *cobra.Command {
	var f eventFlags
	cmd := &cobra.Command{
		Use:   "remove ADDRESS",
		Short: "lift a suppression",
		Long: `Lift what suppress add or a bounce set, with the same --purpose. It gives no consent. A complaint
stays: only the person's confirmation from the mailbox lifts that.`,
		Example: `  consentgate suppress remove ann@example.com`,
		Args:    oneAddress,
		RunE:    p.run(func(ctx context.Context, args []string) error { return p.suppress(ctx, args[0], &f, gate.Unsuppressed) }),
	}
	f.when(cmd.Flags())
	cmd.Flags().StringVar(&f.purpose, "purpose", "", "`name` of one purpose (default: all mail)")
	return cmd
}

func (p *program) suppress(ctx context.Context, recipient string, f *eventFlags, typ gate.EventType) error {
	e, err := f.read(recipient, typ)
	if err != nil {
		return err
	}
	return p.record(ctx, e, false)
}

// suppressed is the JSON of suppress list, one a line.
type suppressed struct {
	Recipient   string  `json:"recipient"` // empty where the store keeps no addresses
	RecipientID gate.ID `json:"recipient_id"`
	suppressionView
}

func (p *program) suppressListCommand() *cobra.Command {
	var reveal bool
	cmd := &cobra.Command{
		Use:   "list [ADDRESS]",
		Short: "list suppressed recipients, or what suppresses one",
		Long: `List who is suppressed, since when and why: by hand, after a complaint or a hard bounce. Addresses
are masked; --reveal shows them to whoever may read the key files. With ADDRESS only what suppresses
that recipient is shown.`,
		Example: `  consentgate suppress list
  consentgate suppress list ann@example.com
  consentgate suppress list --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: p.run(func(ctx context.Context, args []string) error {
			if len(args) == 1 {
				return p.suppressionsOf(ctx, args[0])
			}
			return p.suppressList(ctx, reveal)
		}),
	}
	cmd.Flags().BoolVar(&reveal, "reveal", false, "show full addresses")
	return cmd
}

// suppressionsOf shows one recipient, whose address is no secret to who typed it.
func (p *program) suppressionsOf(ctx context.Context, recipient string) error {
	person, err := p.person(ctx, recipient)
	if err != nil {
		return err
	}
	var rows []suppressed
	for _, sup := range person.Record.Suppressions {
		rows = append(rows, suppressed{recipient, person.ID, suppressionView(sup)})
	}
	if len(rows) == 0 && !p.json {
		return p.print(nil, func(w io.Writer) { line(w, recipient+": not suppressed") })
	}
	return p.printSuppressed(rows)
}

func (p *program) suppressList(ctx context.Context, reveal bool) error {
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if err := p.reveal(ctx, s, reveal, "suppress.reveal", gate.ID{}); err != nil {
		return err
	}
	var rows []suppressed
	for person, err := range s.Persons(ctx) {
		if err != nil {
			return err
		}
		for _, sup := range person.Record.Suppressions {
			rows = append(rows, suppressed{s.shown(person.Sealed, reveal), person.ID, suppressionView(sup)})
		}
	}
	return p.printSuppressed(rows)
}

func (p *program) printSuppressed(rows []suppressed) error {
	if p.json {
		for _, r := range rows {
			if err := p.printJSON(r); err != nil {
				return err
			}
		}
		return nil
	}
	return p.print(nil, func(w io.Writer) {
		line(w, "RECIPIENT", "SCOPE", "KIND", "SINCE")
		for _, r := range rows {
			name := r.Recipient
			if name == "" {
				name = r.RecipientID.String()
			}
			line(w, name, r.Scope, string(r.Kind), when(r.At))
		}
	})
}

// shown is a sealed address as a command prints it; empty where none is kept or it cannot be read.
func (o *opened) shown(sealed string, reveal bool) string {
	plain, err := o.keys.Unseal(sealed)
	if err != nil {
		return ""
	}
	if reveal {
		return plain
	}
	a, err := gate.ParseAddress(plain)
	if err != nil {
		return ""
	}
	return a.Masked()
}

// reveal writes into the audit log that full addresses are about to be shown, and says so.
func (p *program) reveal(ctx context.Context, s *opened, reveal bool, act string, subject gate.ID, detail ...string) error {
	if !reveal {
		return nil
	}
	p.say("showing full addresses; this stands in the audit log")
	return p.act(ctx, s, act, subject, detail...)
}
