package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/config"
)

// followPeriod is how often --follow looks for new entries.
const followPeriod = time.Second

type blockedFlags struct {
	since, reason, stream, recipient, format string
	follow, reveal                           bool
}

func (p *program) blockedCommand() *cobra.Command {
	var f blockedFlags
	cmd := &cobra.Command{
		Use:   "blocked",
		Short: "show what was blocked, and why",
		Long: `Show the blocked-send log, newest first. Recipients are shown as log.addresses kept them, masked by
default; --recipient finds a full address all the same, and --reveal shows addresses to whoever may
read the key files. --format json prints one entry a line; docs/configuration.md lists its fields.`,
		Example: `  consentgate blocked --since 24h
  consentgate blocked --reason passive_unconfirmed --stream newsletter --format csv
  consentgate blocked --recipient ann@example.com
  consentgate blocked --follow`,
		Args: noArgs,
		RunE: p.run(p.untilSignal(func(ctx context.Context, _ []string) error { return p.blocked(ctx, f) })),
	}
	fs := cmd.Flags()
	fs.StringVar(&f.since, "since", "", "only the last `span`, such as 24h or 7d, or what came since a time")
	fs.StringVar(&f.reason, "reason", "", "only this `reason`, such as no_consent")
	fs.StringVar(&f.stream, "stream", "", "only this stream, by `name`")
	fs.StringVar(&f.recipient, "recipient", "", "only this full `address`")
	fs.StringVar(&f.format, "format", "", "`format`: table, json or csv (default table, or json with --json)")
	fs.BoolVar(&f.follow, "follow", false, "go on with new entries as they come, oldest first")
	fs.BoolVar(&f.reveal, "reveal", false, "show full addresses")
	return cmd
}

func (p *program) blocked(ctx context.Context, f blockedFlags) error {
	q, err := p.query(f)
	if err != nil {
		return err
	}
	out, err := p.blockPrinter(f)
	if err != nil {
		return err
	}
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if f.recipient != "" {
		addr, err := address(f.recipient)
		if err != nil {
			return err
		}
		q.Recipient = s.keys.ID(addr)
	}
	if err := p.reveal(ctx, s, f.reveal, "blocked.reveal", q.Recipient, f.selection()...); err != nil {
		return err
	}
	show := func(e gate.BlockEntry) error { return out.entry(s.entry(e, f.reveal)) }
	if f.follow {
		return s.follow(ctx, q, show, out.flush)
	}
	for e, err := range s.Blocks(ctx, q) {
		if err != nil {
			return err
		}
		if err := show(e); err != nil {
			return err
		}
	}
	return out.flush()
}

// selection says for the audit log which entries are shown.
func (f blockedFlags) selection() []string {
	if f.stream+f.reason+f.since+f.recipient == "" {
		return []string{"entries all"}
	}
	return []string{"stream " + f.stream, "reason " + f.reason, "since " + f.since}
}

// query reads the flags that select, all but the recipient, whose id needs the keys.
func (p *program) query(f blockedFlags) (gate.BlockQuery, error) {
	q := gate.BlockQuery{Stream: f.stream, Reason: gate.Reason(f.reason)}
	if f.reason != "" && !slices.Contains(gate.Reasons(), q.Reason) {
		return q, usage("--reason %q is not known: use one of %s", f.reason, joined(gate.Reasons()))
	}
	if f.recipient != "" {
		if _, err := gate.ParseAddress(f.recipient); err != nil {
			return q, usage("--recipient %q: %v; write it as local@domain", f.recipient, err)
		}
	}
	var err error
	q.Since, err = p.since(f.since)
	return q, err
}

// since reads a --since: a time span before now, or a time. Empty is the zero time.
func (p *program) since(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return at, nil
	}
	d, err := config.ParseDuration(text)
	if err != nil || d <= 0 {
		return time.Time{}, usage("--since %q is no time span: write it as 24h, 7d or 2026-11-01T10:00:00Z", text)
	}
	return p.now().Add(-d), nil
}

// entry is a block entry as it is printed: the sealed address never is.
func (o *opened) entry(e gate.BlockEntry, reveal bool) gate.BlockEntry {
	if reveal {
		if plain := o.shown(e.Address, true); plain != "" {
			e.Recipient = plain
		}
	}
	e.Address = ""
	return e
}

// follow shows what is there, oldest first, then what comes, until ctx ends. Entries of several gates do not arrive in
// the order of their times, so each look goes back a little and drops what was shown.
func (o *opened) follow(ctx context.Context, q gate.BlockQuery, show func(gate.BlockEntry) error, flush func() error) error {
	const back = 10 * time.Second
	seen := make(map[string]time.Time)
	tick := time.NewTicker(followPeriod)
	defer tick.Stop()
	for {
		fresh, err := o.unseen(ctx, q, seen)
		if ctx.Err() != nil {
			return nil // Ctrl-C is how following ends
		}
		if err != nil {
			return err
		}
		for _, e := range slices.Backward(fresh) {
			if err := show(e); err != nil {
				return err
			}
			if since := e.Time.Add(-back); since.After(q.Since) {
				q.Since = since
			}
		}
		if err := flush(); err != nil {
			return err
		}
		for id, at := range seen {
			if at.Before(q.Since) {
				delete(seen, id)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// unseen returns the entries that seen lacks, newest first, and adds them to it.
func (o *opened) unseen(ctx context.Context, q gate.BlockQuery, seen map[string]time.Time) ([]gate.BlockEntry, error) {
	var fresh []gate.BlockEntry
	for e, err := range o.Blocks(ctx, q) {
		if err != nil {
			return nil, err
		}
		if _, ok := seen[e.ID]; !ok {
			seen[e.ID] = e.Time
			fresh = append(fresh, e)
		}
	}
	return fresh, nil
}

func joined[T ~string](words []T) string { return strings.Join(texts(words), ", ") }

func blockFormats() []string { return []string{"table", "json", "csv"} }

// blockPrinter is how entries are printed: one by one, then flushed.
type blockPrinter struct {
	entry func(gate.BlockEntry) error
	flush func() error
}

func (p *program) blockPrinter(f blockedFlags) (blockPrinter, error) {
	format := f.format
	if format == "" {
		format = "table"
		if p.json {
			format = "json"
		}
	}
	switch format {
	case "table":
		return tablePrinter(p.out), nil
	case "json":
		return blockPrinter{entry: func(e gate.BlockEntry) error { return p.printJSON(e) }, flush: func() error { return nil }}, nil
	case "csv":
		return csvPrinter(p.out), nil
	}
	return blockPrinter{}, usage("--format %q is not known: use one of %s", f.format, joined(blockFormats()))
}
