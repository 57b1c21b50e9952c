package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/goccy/go-yaml"
	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/internal/config"
)

func (p *program) configCommand() *cobra.Command {
	return p.group("config", "make, check and show the config file",
		`Make, check and show the config file. docs/configuration.md explains every key.`,
		p.configInitCommand(), p.configCheckCommand(), p.configPrintCommand())
}

func (p *program) configInitCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "init",
		Short:   "print a commented config file to start from",
		Long:    `Print a commented config file to start from. It begins in mode observe.`,
		Example: `  consentgate config init > /etc/consentgate/config.yaml`,
		Args:    noArgs,
		RunE: p.run(func(context.Context, []string) error {
			_, err := p.out.Write(config.Sample())
			return err
		}),
	}
}

// checked is the JSON of config check.
type checked struct {
	File     string    `json:"file"`
	OK       bool      `json:"ok"`
	Problems []problem `json:"problems"`
	Warnings []string  `json:"warnings"`
}

type problem struct {
	File  string `json:"file,omitempty"`
	Line  int    `json:"line,omitempty"`
	Field string `json:"field,omitempty"`
	Text  string `json:"text"`
}

func (p *program) configCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check [FILE]",
		Short: "report everything that is wrong with the settings",
		Long: `Report everything that is wrong with the settings, each with its line. Files they name must be
readable by whoever runs this. Nothing is opened or changed.`,
		Example: `  consentgate config check
  consentgate config check /etc/consentgate/config.yaml`,
		Args: cobra.MaximumNArgs(1),
		RunE: p.run(func(_ context.Context, args []string) error {
			if len(args) == 1 {
				p.configPath = args[0]
			}
			return p.configCheck()
		}),
	}
}

func (p *program) configCheck() error {
	cfg, err := p.serveConfig(config.Overlay{})
	c := checked{File: p.configPath, OK: err == nil, Problems: []problem{}, Warnings: []string{}}
	if cfg != nil {
		c.File, c.Warnings = cfg.File, append(c.Warnings, cfg.Warnings...)
	}
	for _, one := range problems(err) {
		c.Problems = append(c.Problems, problem(one))
	}
	if err != nil && !p.json {
		return err
	}
	for _, w := range c.Warnings {
		p.say("warning: %s", w)
	}
	if perr := p.print(c, func(w io.Writer) { fmt.Fprintln(w, c.text()) }); perr != nil {
		return perr
	}
	return err
}

// problems are those of a config error; any other error is one by itself.
func problems(err error) []config.Problem {
	if wrong, ok := errors.AsType[*config.Error](err); ok {
		return wrong.Problems
	}
	if err != nil {
		return []config.Problem{{Text: err.Error()}}
	}
	return nil
}

func (c checked) text() string {
	if c.File == "" {
		return "no config file: the settings of flags and environment are good"
	}
	return c.File + ": good"
}

func (p *program) configPrintCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "print",
		Short: "print the settings in force, without secrets",
		Long: `Print the settings in force as a config file: defaults filled in, environment and flags applied,
secrets replaced.`,
		Example: `  consentgate config print
  consentgate config print --json | jq .streams`,
		Args: noArgs,
		RunE: p.run(func(context.Context, []string) error { return p.configPrint() }),
	}
}

func (p *program) configPrint() error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	text, err := cfg.Redacted()
	if err != nil {
		return err
	}
	if p.json {
		if text, err = yaml.YAMLToJSON(text); err != nil {
			return err
		}
	}
	_, err = p.out.Write(text)
	return err
}
