package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/oklog/ulid/v2"
	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/stats"
)

// invalidateFlags are those of invalidate.
type invalidateFlags struct {
	source, why string
	lift, list  bool
	count       bool
}

func (p *program) invalidateCommand() *cobra.Command {
	var f invalidateFlags
	cmd := &cobra.Command{
		Use:   "invalidate",
		Short: "declare a source invalid: all consent that rests on it is blocked",
		Long: `Declare a source invalid, for example a contest whose box turned out to be ticked: from now on all
consent that rests on it is blocked with the reason "invalidated". No record is rewritten, however
many there are; gates follow within a second.

What the same source said before, and says again, is nothing then. Consent that a person gives
elsewhere later counts, and so does a confirmation by the person. Refusals stay as they are.

A source of which no grant was ever counted is warned of: its name may be wrong. --count looks through
all records and says how many consents rest on it now; it sets no mark.

--source is KIND:ID, or a KIND alone for all its sources. --lift takes the word back, --list shows
all that was ever said, by whom and why: nothing of that is deleted.`,
		Example: `  consentgate invalidate --source contest:summer-quiz --count
  consentgate invalidate --source contest:summer-quiz --why "the box was ticked (complaint 4711)"
  consentgate invalidate --source contest:summer-quiz --lift --why "it was another form, see 4711"
  consentgate invalidate --list`,
		Args: cobra.NoArgs,
		RunE: p.run(func(ctx context.Context, _ []string) error { return p.invalidate(ctx, f) }),
	}
	flags := cmd.Flags()
	flags.StringVar(&f.source, "source", "", "the `source`, such as contest:summer-quiz, or contest for all contests")
	flags.StringVar(&f.why, "why", "", "the reason, as `text` for whoever has to answer for it later")
	flags.BoolVar(&f.lift, "lift", false, "take back that the source is invalid")
	flags.BoolVar(&f.list, "list", false, "show what was declared invalid, and lifted")
	flags.BoolVar(&f.count, "count", false, "count what rests on the source, and change nothing")
	return cmd
}

func (p *program) invalidate(ctx context.Context, f invalidateFlags) error {
	if f.list {
		if f.source != "" || f.why != "" || f.lift || f.count {
			return usage("--list goes alone")
		}
		return p.listMarks(ctx)
	}
	m := gate.Mark{
		ID: ulid.Make().String(), Source: f.source, Time: p.now().UTC(), Why: f.why, Actor: p.actor(), Lift: f.lift,
	}
	switch {
	case f.source == "":
		return usage("--source is missing: name it as KIND:ID, such as contest:summer-quiz")
	case f.count && (f.why != "" || f.lift):
		return usage("--count changes nothing: it goes without --why and --lift")
	case f.count:
		m.Why = "count"
	case f.why == "":
		return usage("--why is missing: say why, for whoever has to answer for it later")
	}
	if err := m.Validate(); err != nil {
		return usage("%v", err)
	}
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if f.count {
		return p.countResting(ctx, s, m)
	}
	if !m.Lift {
		if err := p.warnUncounted(ctx, s, m); err != nil {
			return err
		}
	}
	return p.mark(ctx, s, m)
}

// warnUncounted says so where nothing was ever granted at a source: one letter too many declares nobody's consent
// invalid, and nobody would notice.
func (p *program) warnUncounted(ctx context.Context, s *opened, m gate.Mark) error {
	from, to := stats.Days(p.now(), maxSince)
	days, err := s.Counts(ctx, from, to)
	if err == nil && !stats.Granted(days, m.Covers) {
		p.say("no grant of %s was counted: check the spelling, or count with --count; --lift takes it back", m.Source)
	}
	return err
}

// resting is the JSON of invalidate --count.
type resting struct {
	Source     string `json:"source"`
	Consents   int    `json:"consents"`
	Recipients int    `json:"recipients"`
}

// countResting counts the consents that rest on a source and that nobody refused.
func (p *program) countResting(ctx context.Context, s *opened, m gate.Mark) error {
	r, seen := resting{Source: m.Source}, 0
	bar := p.newProgress("recipients", 0)
	for person, err := range s.Persons(ctx) {
		if err != nil {
			return err
		}
		before := r.Consents
		for _, c := range person.Record.Consents {
			if c.Source != "" && c.State != gate.StateWithdrawn && m.Covers(c.Source) {
				r.Consents++
			}
		}
		if r.Consents > before {
			r.Recipients++
		}
		seen++
		bar.show(seen, 0)
	}
	bar.end()
	return p.print(r, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %s of %s; nothing was changed\n", r.Source, count(r.Consents, "consent"), count(r.Recipients, "recipient"))
	})
}

// mark adds a mark and says what that means.
func (p *program) mark(ctx context.Context, s *opened, m gate.Mark) error {
	all, err := s.Marks(ctx)
	if err != nil {
		return err
	}
	if stands := gate.StandingMarks(all)[m.Source]; m.Lift && len(stands) == 0 {
		return fmt.Errorf("%s is not declared invalid: there is nothing to lift; see consentgate invalidate --list", m.Source)
	}
	act := "invalidate"
	if m.Lift {
		act = "invalidate.lift"
	}
	if err := p.act(ctx, s, act, gate.ID{}, "source "+m.Source, "mark "+m.ID); err != nil {
		return err
	}
	if err := s.Mark(ctx, m); err != nil {
		return err
	}
	return p.print(m, func(w io.Writer) {
		if m.Lift {
			fmt.Fprintf(w, "%s: consent that rests on it counts again\n", m.Source)
			return
		}
		fmt.Fprintf(w, "%s: all consent that rests on it is invalid from now on\n", m.Source)
	})
}

// markView is the JSON of invalidate --list, one a line, oldest first.
type markView struct {
	gate.Mark
	Standing bool `json:"standing"` // nothing has lifted it
}

func (p *program) listMarks(ctx context.Context) error {
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	all, err := s.Marks(ctx)
	if err != nil {
		return err
	}
	slices.SortFunc(all, gate.CompareMarks)
	standing := gate.StandingMarks(all)
	views := make([]markView, len(all))
	for i, m := range all {
		views[i] = markView{m, slices.Contains(standing[m.Source], m)}
	}
	return p.printMarks(views)
}

func (p *program) printMarks(views []markView) error {
	if p.json {
		for _, v := range views {
			if err := p.printJSON(v); err != nil {
				return err
			}
		}
		return nil
	}
	return p.print(nil, func(w io.Writer) {
		if len(views) == 0 {
			line(w, "no source was ever declared invalid")
			return
		}
		line(w, "TIME", "SOURCE", "DECLARED", "NOW", "BY", "WHY")
		for _, v := range views {
			line(w, when(v.Time), v.Source, v.declared(), v.now(), v.Actor, v.Why)
		}
	})
}

func (v markView) declared() string {
	if v.Lift {
		return "valid again"
	}
	return "invalid"
}

func (v markView) now() string {
	switch {
	case v.Lift:
		return ""
	case v.Standing:
		return "in force"
	}
	return "lifted"
}

// scan walks the store as the marks on sources leave its records.
func (o *opened) scan(ctx context.Context) (gate.MarkedScan, error) {
	all, err := o.Marks(ctx)
	return gate.MarkedScan{Store: o.Store, Marks: gate.StandingMarks(all)}, err
}

// marked reads records and persons of the store as the marks on sources leave them, read once for one command.
func (o *opened) marked(ctx context.Context) gate.Marked {
	all, err := o.Marks(ctx)
	marks := gate.StandingMarks(all)
	return gate.Marked{Store: o.Store, Marks: func() (gate.Marks, error) { return marks, err }}
}
