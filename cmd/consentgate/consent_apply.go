package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/gate"
)

const (
	maxApply   = 64 << 20 // bytes of events in one go
	applyBatch = 500      // events in one trip to the store
	maxShown   = 100      // bad lines that are shown; the rest is counted
)

func (p *program) applyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "apply FILE|-",
		Short: "record events from JSON",
		Long: `Record events from a file or standard input: one JSON object, or one object a line. All are checked
first; where any is wrong, every wrong line is reported and none is recorded. Each event has its own
id, so the same file may be applied again: an event counts once.`,
		Example: `  consentgate consent apply events.ndjson
  echo '{"id":"ev-1","recipient":"ann@example.com","purpose":"newsletter","type":"granted",
  "method":"active","default_state":"unticked","time":"2026-11-01T10:00:00Z"}' | consentgate consent apply -`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("%s needs one FILE, or - for standard input; got %s", cmd.CommandPath(), count(len(args), "argument"))
			}
			return nil
		},
		RunE: p.run(func(ctx context.Context, args []string) error { return p.apply(ctx, args[0]) }),
	}
}

// applied is the JSON of consent apply.
type applied struct {
	Events     int `json:"events"`
	Applied    int `json:"applied"`
	Duplicates int `json:"duplicates"`
	Failed     int `json:"failed"`
}

func (p *program) apply(ctx context.Context, path string) error {
	text, err := p.readEvents(path)
	if err != nil {
		return err
	}
	events, bad := parseEvents(text)
	for i := range events {
		e := &events[i].event
		e.Actor = gate.ActorBy(p.actor(), e.Actor)
	}
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	bad = append(bad, s.invalid(ctx, p.now(), events)...)
	if len(bad) > 0 {
		return p.refuse(bad)
	}
	if err := p.act(ctx, s, "consent.apply", gate.ID{}, fmt.Sprintf("events %d", len(events)), "sha256 "+hashOf(text)); err != nil {
		return err
	}
	if err := p.sayUnknownWordings(ctx, s, events); err != nil {
		return err
	}
	counts, err := s.applyAll(ctx, p.now(), events)
	if perr := p.print(counts, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %d recorded, %d known already\n", count(counts.Events, "event"), counts.Applied, counts.Duplicates)
	}); perr != nil {
		return perr
	}
	if err != nil {
		return fmt.Errorf("%s not recorded; apply the same file again: %w", countAre(counts.Failed, "event"), err)
	}
	return nil
}

func (p *program) readEvents(path string) ([]byte, error) {
	in := p.in
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("events: %w", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, maxApply+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("events: %w", err)
	case len(text) > maxApply:
		return nil, fmt.Errorf("events: more than %d MiB: split the file", maxApply>>20)
	case len(bytes.TrimSpace(text)) == 0:
		return nil, errors.New("events: nothing to read: want JSON objects, one a line")
	}
	return text, nil
}

// numbered is an event and the line it stands on.
type numbered struct {
	line  int
	event gate.Event
}

// badLine is a line that cannot be recorded.
type badLine struct {
	line int
	why  string
}

// parseEvents reads one object that may span lines, or an object a line.
func parseEvents(text []byte) ([]numbered, []badLine) {
	if e, err := gate.ParseEvent(text); err == nil {
		return []numbered{{1, e}}, nil
	}
	var events []numbered
	var bad []badLine
	n := 0
	for row := range bytes.Lines(text) {
		n++
		if row = bytes.TrimSpace(row); len(row) == 0 {
			continue
		}
		e, err := gate.ParseEvent(row)
		if err != nil {
			bad = append(bad, badLine{n, why(err)})
			continue
		}
		events = append(events, numbered{n, e})
	}
	return events, bad
}

// why is the sentence of an invalid event.
func why(err error) string { return strings.TrimPrefix(err.Error(), gate.ErrInvalidEvent.Error()+": ") }

// untouched is a store that takes nothing: with it, the intake only checks.
type untouched struct{}

func (untouched) Apply(_ context.Context, changes []gate.Change) []gate.Applied {
	return make([]gate.Applied, len(changes))
}

// invalid returns the lines whose event the intake would refuse.
func (o *opened) invalid(ctx context.Context, now time.Time, events []numbered) []badLine {
	var bad []badLine
	for i, out := range (gate.Intake{Store: untouched{}, Keys: o.keys}).Apply(ctx, now, plain(events), false) {
		if out.Err != nil {
			bad = append(bad, badLine{events[i].line, why(out.Err)})
		}
	}
	return bad
}

func plain(events []numbered) []gate.Event {
	out := make([]gate.Event, len(events))
	for i, e := range events {
		out[i] = e.event
	}
	return out
}

func (p *program) refuse(bad []badLine) error {
	slices.SortFunc(bad, func(a, b badLine) int { return a.line - b.line })
	for _, b := range bad[:min(len(bad), maxShown)] {
		p.say("line %d: %s", b.line, printable(b.why))
	}
	return fmt.Errorf("nothing is recorded: %s wrong", countAre(len(bad), "line"))
}

// applyAll records the events in batches and stops at the first batch that the store does not take whole.
func (o *opened) applyAll(ctx context.Context, now time.Time, events []numbered) (applied, error) {
	counts := applied{Events: len(events)}
	intake := gate.Intake{Store: o, Keys: o.keys}
	var failure error
	for rest := plain(events); len(rest) > 0 && failure == nil; rest = rest[min(len(rest), applyBatch):] {
		for _, out := range intake.Apply(ctx, now, rest[:min(len(rest), applyBatch)], false) {
			switch {
			case out.Err != nil:
				failure = out.Err
			case out.Applied.Duplicate:
				counts.Duplicates++
			default:
				counts.Applied++
			}
		}
	}
	counts.Failed = counts.Events - counts.Applied - counts.Duplicates
	return counts, failure
}
