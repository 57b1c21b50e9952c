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
	return &cobra.Command{
		Use:   "init",
		Short: "make an empty store a consent store",
		Long: `Make an empty store a consent store, and its keys in the data directory where there are none. serve
does this by itself for a store it has never seen. A store that was in use and is empty now was lost:
restore it from a backup if you can, since a new one knows of no consent and of no refusal.

Where a store stands, nothing is removed.`,
		Example: `  consentgate store init
  consentgate store init --store redis://127.0.0.1:6379/0`,
		Args: noArgs,
		RunE: p.run(func(ctx context.Context, _ []string) error { return p.storeInit(ctx) }),
	}
}

// initialised is the JSON of store init.
type initialised struct {
	Store   string `json:"store"`
	Created bool   `json:"created"`
}

func (p *program) storeInit(ctx context.Context) error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	p.sayStore(cfg)
	fresh, err := app.InitStore(ctx, cfg, p.log(slog.LevelWarn))
	if err != nil {
		return err
	}
	if err := p.initAct(ctx, cfg, fresh); err != nil {
		return err
	}
	r := initialised{Store: config.RedactURL(cfg.Store), Created: fresh}
	return p.print(r, func(w io.Writer) {
		if r.Created {
			fmt.Fprintf(w, "made a consent store; its keys are in %s: keep a copy of them\n", cfg.DataDir)
			return
		}
		fmt.Fprintln(w, "the store stands already; nothing was removed")
	})
}

// initAct writes down that a store was made or repaired: afterwards, since before there was nothing to write to.
func (p *program) initAct(ctx context.Context, cfg *config.Config, fresh bool) error {
	s, _, err := app.OpenStore(ctx, cfg, p.log(slog.LevelWarn), false)
	if err != nil {
		return err
	}
	name := "store.repair"
	if fresh {
		name = "store.init"
	}
	return errors.Join(p.act(ctx, s, name, gate.ID{}), s.Close())
}
