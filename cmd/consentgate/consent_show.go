package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/gate"
)

func (p *program) showCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show ADDRESS",
		Short:   "show what is recorded of a person, by purpose",
		Long:    `Show a person's state for each purpose, and what suppresses them.`,
		Example: `  consentgate consent show ann@example.com`,
		Args:    oneAddress,
		RunE:    p.run(func(ctx context.Context, args []string) error { return p.show(ctx, args[0]) }),
	}
}

// recordView is the JSON of consent show.
type recordView struct {
	Recipient    string            `json:"recipient"`
	RecipientID  gate.ID           `json:"recipient_id"`
	Jurisdiction string            `json:"jurisdiction,omitempty"`
	Consents     []consentView     `json:"consents"`
	Suppressions []suppressionView `json:"suppressions"`
}

type consentView struct {
	Purpose      string      `json:"purpose"`
	State        gate.State  `json:"state"`
	At           time.Time   `json:"at,omitzero"`
	Method       gate.Method `json:"method,omitempty"`
	Source       string      `json:"source,omitempty"`
	Via          gate.Via    `json:"via,omitempty"`
	Jurisdiction string      `json:"jurisdiction,omitempty"`
	Audience     string      `json:"audience,omitempty"`
	Incomplete   bool        `json:"evidence_incomplete,omitempty"`
	Why          string      `json:"invalid_because,omitempty"` // of a source that was declared invalid
}

type suppressionView struct {
	Kind  gate.SuppressionKind `json:"kind"`
	Scope string               `json:"scope"`
	At    time.Time            `json:"at,omitzero"`
}

func (p *program) show(ctx context.Context, recipient string) error {
	person, err := p.person(ctx, recipient)
	if err != nil {
		return err
	}
	v := viewOf(recipient, person)
	return p.print(v, func(w io.Writer) {
		if len(v.Consents)+len(v.Suppressions) == 0 {
			line(w, v.Recipient+": nothing is recorded")
			return
		}
		line(w, "PURPOSE", "STATE", "SINCE", "METHOD", "SOURCE", "CONFIRMED VIA")
		for _, c := range v.Consents {
			line(w, c.Purpose, string(c.State), when(c.At), string(c.Method), c.Source, string(c.Via))
		}
		for _, c := range v.Consents {
			if c.Why != "" {
				line(w, c.Purpose, "invalid since "+when(c.At)+": "+c.Why)
			}
		}
		for _, s := range v.Suppressions {
			line(w, s.Scope, "suppressed: "+string(s.Kind), when(s.At), "", "", "")
		}
	})
}

func viewOf(recipient string, person gate.Person) recordView {
	rec := person.Record
	v := recordView{
		Recipient: recipient, RecipientID: person.ID, Jurisdiction: rec.Jurisdiction,
		Consents: []consentView{}, Suppressions: []suppressionView{},
	}
	for _, purpose := range slices.Sorted(maps.Keys(rec.Consents)) {
		c := rec.Consents[purpose]
		v.Consents = append(v.Consents, consentView{
			Purpose: purpose, State: c.State, At: c.At, Method: c.Method, Source: c.Source, Via: c.Via,
			Jurisdiction: c.Jurisdiction, Audience: c.Audience, Incomplete: c.Incomplete, Why: c.Why,
		})
	}
	for _, s := range rec.Suppressions {
		v.Suppressions = append(v.Suppressions, suppressionView(s))
	}
	return v
}

// person reads all that the store holds of a recipient.
func (p *program) person(ctx context.Context, recipient string) (gate.Person, error) {
	addr, err := address(recipient)
	if err != nil {
		return gate.Person{}, err
	}
	s, err := p.open(ctx)
	if err != nil {
		return gate.Person{}, err
	}
	defer s.close()
	id := s.keys.ID(addr)
	person, err := s.marked(ctx).Person(ctx, id)
	person.ID = id
	return person, err
}

func (p *program) historyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "history ADDRESS",
		Short: "show every event recorded of a person",
		Long: `Show every event recorded of a person, in the order it was recorded. With --json one event a line,
in the form that consent apply reads.`,
		Example: `  consentgate consent history ann@example.com
  consentgate consent history ann@example.com --json`,
		Args: oneAddress,
		RunE: p.run(func(ctx context.Context, args []string) error { return p.history(ctx, args[0]) }),
	}
}

func (p *program) history(ctx context.Context, recipient string) error {
	person, err := p.person(ctx, recipient)
	if err != nil {
		return err
	}
	if p.json {
		return p.historyJSON(recipient, person.Events)
	}
	return p.print(nil, func(w io.Writer) {
		if len(person.Events) == 0 {
			line(w, recipient+": nothing is recorded")
			return
		}
		line(w, "TIME", "TYPE", "PURPOSE", "METHOD", "SOURCE", "ACTOR", "NOTE")
		for _, e := range person.Events {
			line(w, when(e.Time), string(e.Type), e.Purpose, string(e.Method)+string(e.Via), sourceText(e.Source), e.Actor, e.Note)
		}
	})
}

func (p *program) historyJSON(recipient string, events []gate.Event) error {
	enc := json.NewEncoder(p.out)
	enc.SetEscapeHTML(false)
	for _, e := range events {
		e.Recipient = recipient
		if err := enc.Encode(e); err != nil {
			return fmt.Errorf("print event: %w", err)
		}
	}
	return nil
}

func sourceText(s gate.Source) string {
	if s.ID == "" {
		return s.Kind
	}
	return s.Kind + ":" + s.ID
}
