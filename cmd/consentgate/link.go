package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/unsub"
)

func (p *program) linkCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "link ADDRESS",
		Short: "print the address of a person's preference page",
		Long: `Print the URL of a person's preference page, for their account page or a receipt: there they see
what they agreed to, and change it. The URL does not expire. Whoever has it can stop mail and ask
for it, and only the person's mailbox can confirm what was asked for. It needs
unsubscribe.public_url, and changes nothing on record; that a link was made stands in the audit log.`,
		Example: `  consentgate link ann@example.com
  consentgate link ann@example.com --json`,
		Args: oneAddress,
		RunE: p.run(func(ctx context.Context, args []string) error { return p.link(ctx, args[0]) }),
	}
}

// linked is the JSON of link.
type linked struct {
	Recipient   string  `json:"recipient"`
	RecipientID gate.ID `json:"recipient_id"`
	URL         string  `json:"url"`
}

// link opens the store too, since a token of another store's key would open nobody's page.
func (p *program) link(ctx context.Context, recipient string) error {
	addr, err := address(recipient)
	if err != nil {
		return err
	}
	cfg, err := p.config()
	if err != nil {
		return err
	}
	if cfg.Unsubscribe.PublicURL == "" {
		return errors.New("there is no public page: set unsubscribe.public_url in the config file")
	}
	s, err := p.openWith(ctx, cfg)
	if err != nil {
		return err
	}
	defer s.close()
	if err := p.act(ctx, s, "link", s.keys.ID(addr)); err != nil {
		return err
	}
	links, err := unsub.NewLinks(unsub.Tokens{Keys: s.keys}, cfg.Unsubscribe.PublicURL, "")
	if err != nil {
		return err
	}
	l := linked{Recipient: recipient, RecipientID: s.keys.ID(addr)}
	l.URL = links.Preferences(l.RecipientID)
	return p.print(l, func(w io.Writer) { fmt.Fprintln(w, l.URL) })
}
