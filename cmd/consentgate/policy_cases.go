package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/policies"
)

func (p *program) policyTestCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "test [DIR|FILE]",
		Short: "run cases against the packs in force",
		Long: `Run cases against the packs in force: what happened to a person, which mail is to be sent, and what has
to come of it. Without an argument these are the cases that come with the program; with DIR, the files
*.yaml there, and with FILE that one. docs/policies.md explains how to write them. Nothing is sent, and no store is asked.

Exit codes: 0 every case came out as it says, 1 some did not.`,
		Example: `  consentgate policy test
  consentgate policy test /etc/consentgate/cases
  consentgate policy test quebec.yaml`,
		Args: cobra.MaximumNArgs(1),
		RunE: p.run(func(_ context.Context, args []string) error { return p.policyTest(args) }),
	}
}

// tried is the JSON of policy test.
type tried struct {
	Cases  int               `json:"cases"`
	Failed []policies.Result `json:"failed"`
}

func (p *program) policyTest(dirs []string) error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	cases, err := readCases(dirs)
	if err != nil {
		return err
	}
	packs := policies.Packs(cfg.Packs())
	t := tried{Cases: len(cases), Failed: []policies.Result{}}
	for _, c := range cases {
		r, err := c.Try(packs)
		if err != nil {
			return err
		}
		if !r.OK {
			t.Failed = append(t.Failed, r)
		}
	}
	if err := p.print(t, t.text); err != nil {
		return err
	}
	if len(t.Failed) > 0 {
		return fmt.Errorf("%d of %s came out otherwise", len(t.Failed), count(t.Cases, "case"))
	}
	return nil
}

func readCases(args []string) ([]policies.Case, error) {
	if len(args) == 0 {
		return policies.Cases()
	}
	if f, err := os.Stat(args[0]); err == nil && !f.IsDir() {
		text, err := os.ReadFile(args[0])
		if err != nil {
			return nil, fmt.Errorf("cases: %w", err)
		}
		return policies.ParseCases(args[0], text)
	}
	return policies.ReadCases(os.DirFS(args[0]), args[0])
}

func (t tried) text(w io.Writer) {
	for _, r := range t.Failed {
		line(w, fmt.Sprintf("%s:%d: %s", r.File, r.Line, r.Title))
		line(w, "  "+r.String())
		line(w, "  expected: "+quoted(r.Expect, r.Law))
		line(w, "  got:      "+quoted(r.Got, r.Citation))
		line(w)
	}
	if len(t.Failed) == 0 {
		line(w, count(t.Cases, "case")+", each as it says")
	}
}

// quoted is an outcome with its law, if any.
func quoted(outcome, law string) string {
	if law == "" {
		return outcome
	}
	return outcome + " (" + law + ")"
}
