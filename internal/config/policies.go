package config

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/policies"
)

// Policies is where own packs come from.
type Policies struct {
	Folder      string // of the config file's folder where it is relative; empty: none
	AllowLooser bool   // own packs may give more than those that come with the program
}

// Packs are the packs in force, enabled or not.
func (c *Config) Packs() []policies.Entry { return slices.Clone(c.packs) }

func (p *Policies) read() reader {
	return section(func() fields {
		return fields{"folder": text(&p.Folder), "allow_looser": boolean(&p.AllowLooser)}
	})
}

// complete takes the folder from the place of the config file: packs belong to it, as a part of it.
func (p *Policies) complete(file string) {
	if p.Folder != "" && !filepath.IsAbs(p.Folder) {
		p.Folder = filepath.Join(filepath.Dir(file), p.Folder)
	}
}

func (p Policies) tree() yaml.MapSlice {
	if p.Folder == "" {
		return nil
	}
	return pairs("folder", absolute(p.Folder), "allow_looser", p.AllowLooser)
}

func (c *Config) validateJurisdictions(r *report) {
	c.loadPacks(r)
	c.validateDefaultJurisdiction(r)
	if c.packs == nil {
		return // which jurisdictions there are is unknown
	}
	known := make([]string, len(c.packs))
	for i, p := range c.packs {
		known[i] = p.Jurisdiction
	}
	for i, j := range c.Jurisdictions {
		if !slices.Contains(known, j) {
			r.add(fmt.Sprintf("jurisdictions[%d]", i), "there is no pack for %q: use %s", j, alternatives(known))
		}
	}
	if len(c.Jurisdictions) == 0 {
		r.add("jurisdictions", "names none: use %s", alternatives(known))
	}
}

func (c *Config) validateDefaultJurisdiction(r *report) {
	optOut := func(p policies.Entry) bool { return p.Jurisdiction == c.DefaultJurisdiction && p.Model == gate.OptOut }
	if slices.ContainsFunc(c.packs, optOut) {
		r.add("default_jurisdiction", "%[1]s is opt-out: name an opt-in one here, and jurisdiction: %[1]s on the streams it is for", c.DefaultJurisdiction)
		return
	}
	c.checkEnabled(r, "default_jurisdiction", c.DefaultJurisdiction)
}

// loadPacks reads the packs; what is wrong with own ones stands in the report with their files and lines.
func (c *Config) loadPacks(r *report) {
	packs, err := policies.InForce(c.Policies.Folder, c.Policies.AllowLooser)
	if wrong, ok := errors.AsType[*policies.Error](err); ok {
		r.add("policies.folder", "holds packs that cannot be used")
		for _, p := range wrong.Problems {
			r.problems = append(r.problems, Problem(p))
		}
		return
	}
	if err != nil {
		r.add("jurisdictions", "%v", err)
		return
	}
	c.packs = packs
	for _, p := range packs {
		if len(p.Looser) > 0 {
			c.warn("pack %s (%s) gives more than the one that comes with the program: %s", p.Jurisdiction, p.File, looserCells(p.Looser))
		}
	}
}

func looserCells(looser []policies.Problem) string {
	texts := make([]string, len(looser))
	for i, p := range looser {
		texts[i] = p.Field + " " + p.Text
	}
	return strings.Join(texts, "; ")
}

// checkEnabled: a jurisdiction that a setting names must be among those enabled.
func (c *Config) checkEnabled(r *report, field, jurisdiction string) {
	if !slices.Contains(c.Jurisdictions, jurisdiction) {
		r.add(field, "%q is not enabled: add it to jurisdictions, or name one of %s", jurisdiction, alternatives(c.Jurisdictions))
	}
}
