package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/app"
	"github.com/consentgate/consentgate/unsub"
)

// requestFlags are what `consent request` is told beside the address.
type requestFlags struct{ purpose, source, language string }

func (p *program) requestCommand() *cobra.Command {
	var f requestFlags
	cmd := &cobra.Command{
		Use:   "request ADDRESS",
		Short: "ask a person by mail to confirm a sign-up",
		Long: `Ask one person to confirm: record confirmation_requested and send the message, through the upstream,
whose page confirms. It needs confirmation.from, and a logged sign-up of the person: a grant that they
made themselves in the last 48 hours, after any refusal. Record that first:

  consentgate consent grant ADDRESS --purpose newsletter --method double --default-state unticked ...

One message for each sign-up; three in 30 days, ten minutes apart (confirmation.most, apart). What the
upstream did not take stands, and the same command sends it again. Exit code 0: sent, 3: the person is
not asked, and why, 4: not sent, try again.

It asks one person and takes no file. Mail that asks people in bulk whose box was ticked for them is
unlawful itself (ICO, Flybe and Honda, 2017): see docs/consent.md, "Out of passive".`,
		Example: `  consentgate consent request ann@example.com --purpose newsletter
  consentgate consent request ann@example.com --purpose newsletter --source form:footer --language fr`,
		Args: oneToAsk,
		RunE: p.run(func(ctx context.Context, args []string) error { return p.request(ctx, args[0], f) }),
	}
	fs := cmd.Flags()
	fs.StringVar(&f.purpose, "purpose", "", "`name` of what they signed up for")
	fs.StringVar(&f.source, "source", "", "where they signed up, as `KIND:ID`, where several sign-ups are logged (default the latest)")
	fs.StringVar(&f.language, "language", "", "`language` of the message: "+strings.Join(unsub.Languages(), " or ")+" (default that of the text they read)")
	return cmd
}

// oneToAsk takes one address, and tells whoever brings many why there is no such thing.
func oneToAsk(cmd *cobra.Command, args []string) error {
	if len(args) > 1 || len(args) == 1 && isFile(args[0]) {
		return usage("a message that asks many people to confirm is not sent: to those who never said yes it is advertising itself, " +
			"and was fined as such (ICO, Flybe and Honda, 2017). Give them `consentgate link` in their account page or in a receipt " +
			"instead: docs/consent.md, \"Out of passive\"")
	}
	return oneAddress(cmd, args)
}

func isFile(arg string) bool {
	_, err := os.Stat(arg)
	return arg == "-" || err == nil
}

// requested is the JSON of consent request.
type requested struct {
	Recipient   string     `json:"recipient"`
	RecipientID gate.ID    `json:"recipient_id"`
	Purpose     string     `json:"purpose"`
	Sent        bool       `json:"sent"`
	EventID     string     `json:"event_id,omitempty"`
	Requested   *time.Time `json:"requested,omitempty"` // when
	Again       bool       `json:"again,omitempty"`     // it was recorded before
	Why         string     `json:"why,omitempty"`       // it was not sent
}

func (p *program) request(ctx context.Context, recipient string, f requestFlags) error {
	addr, err := address(recipient)
	if err != nil {
		return err
	}
	if err := need("--purpose", f.purpose, "name what they signed up for, such as newsletter"); err != nil {
		return err
	}
	if f.language != "" && !slices.Contains(unsub.Languages(), f.language) {
		return usage("--language %q is not known here: use %s", f.language, strings.Join(unsub.Languages(), " or "))
	}
	cfg, err := p.config()
	if err != nil {
		return err
	}
	if len(cfg.Upstreams) == 0 {
		return errors.New("there is no upstream to send it: name one in the config file (upstreams)")
	}
	s, err := p.openWith(ctx, cfg)
	if err != nil {
		return err
	}
	defer s.close()
	c, closePool, err := app.OpenConfirmations(cfg, s, s.keys, p.log(slog.LevelWarn))
	if err != nil {
		return err
	}
	defer func() { _ = closePool() }()
	if err := p.act(ctx, s, "consent.request", s.keys.ID(addr), "purpose "+f.purpose, "source "+f.source); err != nil {
		return err
	}
	asked, err := c.Request(ctx, unsub.Asking{
		Address: addr, Purpose: f.purpose, Source: f.source, Language: f.language, Actor: p.actor(),
	})
	return p.printRequested(recipient, f.purpose, asked, err)
}

// printRequested prints what became of a request, and makes of it the exit code.
func (p *program) printRequested(recipient, purpose string, asked unsub.Asked, err error) error {
	code := answered(exitOK)
	switch {
	case errors.Is(err, gate.ErrNotAsked):
		code = exitBlock
	case errors.Is(err, unsub.ErrNotSent):
		code = exitDefer
	case err != nil:
		return err
	}
	r := requested{
		Recipient: recipient, RecipientID: asked.ID, Purpose: purpose, Sent: err == nil,
		EventID: asked.Request.ID, Again: asked.Again,
	}
	if !asked.Request.Time.IsZero() {
		r.Requested = &asked.Request.Time
	}
	if err != nil {
		r.Why = err.Error()
	}
	if err := p.print(r, func(w io.Writer) { fmt.Fprintln(w, r.text()) }); err != nil || code == exitOK {
		return err
	}
	return code
}

func (r requested) text() string {
	switch {
	case r.Sent:
		return fmt.Sprintf("%s: asked to confirm %s", r.Recipient, r.Purpose)
	case r.EventID != "":
		return fmt.Sprintf("%s: %s; the request stands, and the same command sends it", r.Recipient, r.Why)
	}
	return fmt.Sprintf("%s: %s", r.Recipient, r.Why)
}
