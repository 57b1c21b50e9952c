package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/bulk"
	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/store"
)

func (p *program) storeCopyCommand() *cobra.Command {
	var update bool
	cmd := &cobra.Command{
		Use:   "copy FROM TO",
		Short: "copy everything from one store into another",
		Long: `Copy everything from one store into another: records with their whole history as it stands, sealed
addresses, block entries, counters, stream codes, wordings, marks on sources and the audit log. TO is
empty, or holds an earlier copy and --update is given: then only what differs is written. At the end both
are compared, by number and by a digest over everybody. Until then TO is marked as an unfinished copy,
which gates and commands do not take for a store.

The keys stay as they are: use the same data directory with the new store, or key export and key import.
Stop the gates first; or copy while they run, stop them, run the same command with --update, which takes
a fraction of the time, and start them on the new store.`,
		Example: `  consentgate store copy sqlite:/var/lib/consentgate/consent.db redis://127.0.0.1:6379/0
  consentgate store copy redis://127.0.0.1:6379/0 redis+cluster://10.0.0.1,10.0.0.2,10.0.0.3 --update`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usage("store copy needs two store URLs: FROM and TO")
			}
			return nil
		},
		RunE: p.run(p.untilSignal(func(ctx context.Context, args []string) error {
			return p.storeCopy(ctx, args[0], args[1], update)
		})),
	}
	cmd.Flags().BoolVar(&update, "update", false, "TO holds an earlier or unfinished copy: write what differs")
	return cmd
}

// copied is the JSON of store copy.
type copied struct {
	From string `json:"from"`
	To   string `json:"to"`
	bulk.Copied
}

func (p *program) storeCopy(ctx context.Context, from, to string, update bool) error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	r := copied{From: config.RedactURL(from), To: config.RedactURL(to)}
	if from == to {
		return usage("FROM and TO are the same store")
	}
	source, err := p.openURL(ctx, cfg, from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := p.openURL(ctx, cfg, to)
	if err != nil {
		return err
	}
	defer target.Close()
	p.say("from %s to %s", r.From, r.To)
	bar := p.newProgress("recipients", 0)
	job := bulk.Copier{
		From: source, To: target, Now: p.now(), Update: update,
		Progress: func(c bulk.Copied) { bar.show(c.Recipients, 0) },
		Note: func(ctx context.Context) error {
			return p.act(ctx, source, "store.copy", gate.ID{}, "from "+place(from), "to "+place(to))
		},
	}
	r.Copied, err = job.Run(ctx)
	bar.end()
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("stopped: %d recipients were looked at, %d written: run the same command with --update to go on; "+
			"until then no gate takes the target for a store", r.Recipients, r.Written)
	}
	if err != nil {
		return fmt.Errorf("store copy: %d recipients were looked at, %d written: %w", r.Recipients, r.Written, err)
	}
	return p.print(r, func(w io.Writer) {
		h := r.Holds
		fmt.Fprintf(w, "%d recipients written, %d block entries\n", r.Written, r.Blocks)
		fmt.Fprintf(w, "both hold %d recipients, %d events, %d wordings, %d marks, %d stream codes; digest %s\n",
			h.Recipients, h.Events, h.Wordings, h.Marks, h.Streams, h.Digest)
	})
}

// place is a store's URL without who signs in there: the audit log takes nothing that may be an address.
func place(url string) string {
	scheme, rest, ok := strings.Cut(url, "://")
	if !ok {
		return url
	}
	return scheme + "://" + rest[strings.LastIndexByte(rest, '@')+1:]
}

// openURL opens a store that is not the config's own.
func (p *program) openURL(ctx context.Context, cfg *config.Config, url string) (gate.Store, error) {
	s, err := store.Open(ctx, url, store.Options{
		Entries: int64(cfg.Log.Entries), DataDir: cfg.DataDir, Logger: p.log(slog.LevelWarn),
	})
	if err != nil {
		return nil, usage("%s: %v", config.RedactURL(url), err)
	}
	return s, nil
}
