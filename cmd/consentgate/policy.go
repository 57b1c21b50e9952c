package main

import (
	"context"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/policies"
)

func (p *program) policyCommand() *cobra.Command {
	return p.group("policy", "show and test the rules of jurisdictions",
		`Show and test the packs: the rules of jurisdictions, each cell with the law it rests on.
docs/policies.md explains them, and how to bring your own.`,
		p.policyListCommand(), p.policyShowCommand(), p.policyTestCommand())
}

func (p *program) policyListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "list the packs in force",
		Long: `List the packs in force: those that come with the program, and own ones in place of them or beside.
Only those that are enabled (jurisdictions) decide anything.`,
		Example: `  consentgate policy list
  consentgate policy list --json | jq -r '.[] | select(.enabled) | .jurisdiction'`,
		Args: noArgs,
		RunE: p.run(func(context.Context, []string) error { return p.policyList() }),
	}
}

func (p *program) policyList() error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	var packs []packView
	for _, e := range cfg.Packs() {
		packs = append(packs, viewPack(e, cfg))
	}
	return p.print(packs, func(w io.Writer) {
		line(w, "CODE", "NAME", "MODEL", "VERSION", "EVIDENCE", "ENABLED", "SOURCE")
		for _, v := range packs {
			line(w, v.Jurisdiction, v.Name, string(v.Model), v.Version, v.Evidence, v.use(), v.source())
		}
	})
}

// packView is the JSON of a pack; list leaves the cells out.
type packView struct {
	Jurisdiction string     `json:"jurisdiction"`
	Name         string     `json:"name"`
	Version      string     `json:"version"`
	Model        gate.Model `json:"model"`
	Evidence     string     `json:"evidence"` // required or optional
	Enabled      bool       `json:"enabled"`
	Default      bool       `json:"default"`
	File         string     `json:"file"`   // empty: it comes with the program
	Looser       []string   `json:"looser"` // where it gives more than the one that comes with the program
	Cells        []cellView `json:"cells,omitempty"`
}

// cellView is the JSON of a cell.
type cellView struct {
	State         gate.State   `json:"state"`
	Audience      string       `json:"audience"` // b2c or b2b
	Answer        string       `json:"answer"`   // permit, or a reason
	Category      bool         `json:"category"`
	Citation      string       `json:"citation"`
	Expires       string       `json:"expires"` // 3y, 6m, 30d; empty: no clock
	From          string       `json:"from"`    // last_act or grant, where there is a clock
	ClockCitation string       `json:"clock_citation"`
	Longer        []longerView `json:"longer,omitempty"`
}

// longerView is the clock of grants from one kind of source.
type longerView struct {
	Source   string `json:"source"`
	Expires  string `json:"expires"`
	Citation string `json:"citation"`
}

func viewPack(e policies.Entry, cfg *config.Config) packView {
	v := packView{
		Jurisdiction: e.Jurisdiction, Name: e.Name, Version: e.Version, Model: e.Model, Evidence: "optional",
		Enabled: slices.Contains(cfg.Jurisdictions, e.Jurisdiction), Default: e.Jurisdiction == cfg.DefaultJurisdiction,
		File: e.File, Looser: []string{},
	}
	if e.Evidence {
		v.Evidence = "required"
	}
	for _, problem := range e.Looser {
		v.Looser = append(v.Looser, problem.Field+": "+problem.Text)
	}
	return v
}

func (v packView) use() string {
	switch {
	case v.Default:
		return "default"
	case v.Enabled && v.Model == gate.OptOut:
		return "on streams that name it"
	case v.Enabled:
		return "yes"
	}
	return "no"
}

func (v packView) source() string {
	switch {
	case v.File == "":
		return "comes with the program"
	case len(v.Looser) > 0:
		return v.File + ", looser in " + strconv.Itoa(len(v.Looser))
	}
	return v.File
}

func viewCell(s gate.State, audience string, c gate.Cell) cellView {
	v := cellView{
		State: s, Audience: audience, Answer: "permit", Category: c.Category, Citation: c.Citation,
		Expires: c.Expires.String(), ClockCitation: c.Clock,
	}
	if !c.Permit {
		v.Answer = string(c.Reason)
	}
	switch {
	case c.FromGrant:
		v.From = "grant"
	case v.Expires != "":
		v.From = "last_act"
	}
	for _, l := range c.Longer {
		v.Longer = append(v.Longer, longerView{l.Source, l.Expires.String(), l.Citation})
	}
	return v
}

// known is the end of a sentence about a code that has no pack.
func known(packs []policies.Entry) string {
	codes := make([]string, len(packs))
	for i, e := range packs {
		codes[i] = e.Jurisdiction
	}
	return strings.Join(codes, ", ")
}
