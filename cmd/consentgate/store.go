package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/app"
	"github.com/consentgate/consentgate/internal/config"
)

func (p *program) storeCommand() *cobra.Command {
	return p.group("store", "make and copy consent stores", `Make and copy consent stores.`, p.storeInitCommand(), p.storeCopyCommand())
}

func (p *program) storeInitCommand() *cobra.Command {
	var lost bool
	cmd := &cobra.Command{
		Use:   "init",
		Short: "make an empty store a consent store",
		Long: `Make an empty store a consent store, and its keys in the data directory where there are none. serve
does this by itself for a store it has never seen. A store that was in use and is empty now was lost:
restore it from a backup if you can, since a new one knows of no consent and of no refusal. Where this
data directory has used the store before, --lost says that you know.

Where a store stands, nothing is removed.`,
		Example: `  consentgate store init
  consentgate store init --store redis://127.0.0.1:6379/0
  consentgate store init --lost`,
		Args: noArgs,
		RunE: p.run(func(ctx context.Context, _ []string) error { return p.storeInit(ctx, lost) }),
	}
	cmd.Flags().BoolVar(&lost, "lost", false, "the store was in use and what it held is gone: begin again without it")
	return cmd
}

// initialised is the JSON of store init.
type initialised struct {
	Store   string `json:"store"`
	Created bool   `json:"created"`
	Lost    bool   `json:"lost"` // what a store held that was in use there is gone
}

func (p *program) storeInit(ctx context.Context, lost bool) error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	p.sayStore(cfg)
	done, err := app.InitStore(ctx, cfg, p.log(slog.LevelWarn), lost)
	if errors.Is(err, app.ErrLost) {
		return fmt.Errorf("%w and was in use from %s: %s\nrestore it from a backup if you can; store init --lost begins again without it", err, cfg.DataDir, whatIsLost)
	}
	if err != nil {
		return err
	}
	if done.Lost {
		p.say("%s", whatIsLost)
	}
	if err := p.initAct(ctx, cfg, done); err != nil {
		return err
	}
	r := initialised{Store: config.RedactURL(cfg.Store), Created: done.Fresh, Lost: done.Lost}
	return p.print(r, func(w io.Writer) {
		if r.Created {
			fmt.Fprintf(w, "made a consent store; its keys are in %s: keep a copy of them\n", cfg.DataDir)
			return
		}
		if r.Lost {
			fmt.Fprintln(w, "the parts that were emptied begin again; nothing was removed")
			return
		}
		fmt.Fprintln(w, "the store stands already; nothing was removed")
	})
}

// whatIsLost is what an operator has to know of a store that begins again.
const whatIsLost = "every refusal that stood in what is gone is gone with it: whoever withdrew, complained or was suppressed " +
	"is unknown, and is mailed again where a stream or a new consent allows it. Import the refusals that you know of before you send."

// initAct writes down that a store was made or repaired: afterwards, since before there was nothing to write to.
func (p *program) initAct(ctx context.Context, cfg *config.Config, done app.Initialised) error {
	s, _, err := app.OpenStore(ctx, cfg, p.log(slog.LevelWarn), false)
	if err != nil {
		return err
	}
	name, detail := "store.repair", ""
	if done.Fresh {
		name = "store.init"
	}
	if done.Lost {
		detail = "lost: what stood there is gone, refusals too"
	}
	return errors.Join(p.act(ctx, s, name, gate.ID{}, detail), s.Close())
}
