package main

import (
	"context"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/policies"
)

func (p *program) policyShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show CODE",
		Short: "show a pack, every cell with its law and clock",
		Long: `Show a pack: what it answers for each state of a consent, to private people (b2c) and professionals
(b2b), the law behind each answer, and the clocks.`,
		Example: `  consentgate policy show FR
  consentgate policy show CA --json | jq '.cells[] | select(.expires != "")'`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("%s needs one CODE, such as FR; got %s", cmd.CommandPath(), count(len(args), "argument"))
			}
			return nil
		},
		RunE: p.run(func(_ context.Context, args []string) error { return p.policyShow(args[0]) }),
	}
}

func (p *program) policyShow(code string) error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	packs := cfg.Packs()
	i := slices.IndexFunc(packs, func(e policies.Entry) bool { return strings.EqualFold(e.Jurisdiction, code) })
	if i < 0 {
		return usage("CODE %q has no pack; there are %s", code, known(packs))
	}
	v := viewPack(packs[i], cfg)
	for _, s := range gate.States() {
		v.Cells = append(v.Cells, viewCell(s, "b2c", packs[i].B2C[s]), viewCell(s, "b2b", packs[i].B2B[s]))
	}
	return p.print(v, v.text)
}

// text is the pack as a table; a cell that speaks of everybody stands once.
func (v packView) text(w io.Writer) {
	line(w, fmt.Sprintf("%s, %s: %s, version %s, evidence %s", v.Jurisdiction, v.Name, v.Model, v.Version, v.Evidence))
	line(w, "enabled: "+v.use()+"; "+v.source())
	for _, l := range v.Looser {
		line(w, "looser: "+l)
	}
	line(w)
	line(w, "STATE", "WHO", "ANSWER", "LAW")
	for pair := range slices.Chunk(v.Cells, 2) {
		b2c, b2b := pair[0], pair[1]
		if b2b.Audience = b2c.Audience; reflect.DeepEqual(b2c, b2b) {
			b2c.rows(w, "all")
			continue
		}
		b2c.rows(w, "b2c")
		b2b.rows(w, "b2b")
	}
}

func (c cellView) rows(w io.Writer, who string) {
	answer := c.Answer
	switch {
	case c.Category:
		answer = "permit with a category"
	case answer != "permit":
		answer = "block: " + answer
	}
	line(w, string(c.State), who, answer, c.Citation)
	if c.Expires == "" {
		return
	}
	from := map[string]string{"grant": "the grant", "last_act": "the person's last act"}[c.From]
	line(w, "", "", "for "+c.Expires+" from "+from, c.ClockCitation)
	for _, l := range c.Longer {
		line(w, "", "", "for "+l.Expires+" if from source "+l.Source, l.Citation)
	}
}
