package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/text/language"

	"github.com/consentgate/consentgate/gate"
)

func (p *program) wordingCommand() *cobra.Command {
	return p.group("wording", "keep the texts that people were shown",
		`Keep the texts that people were shown when they were asked, each by id, version and language. Texts
are kept for ever and never change; events name them, and evidence shows them.`,
		p.wordingAddCommand(), p.wordingShowCommand(), p.wordingListCommand())
}

func (p *program) wordingAddCommand() *cobra.Command {
	var w gate.Wording
	cmd := &cobra.Command{
		Use:   "add ID FILE|-",
		Short: "keep a text",
		Long: `Keep a text that people are shown. It never changes: another text needs another version. Line ends
become LF and those at the end of the file are dropped; the SHA-256 that is printed is of what is left,
and is what events may carry as wording.sha256.`,
		Example: `  consentgate wording add nl-2026-03 --version 3 --language fr newsletter-fr.txt
  echo 'Yes, send me the newsletter every week.' | consentgate wording add nl-2026-03 --version 3 --language en -`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("%s needs an ID and a FILE, or - for standard input; got %d arguments", cmd.CommandPath(), len(args))
			}
			return nil
		},
		RunE: p.run(func(ctx context.Context, args []string) error {
			w.ID = args[0]
			return p.wordingAdd(ctx, w, args[1])
		}),
	}
	cmd.Flags().StringVar(&w.Version, "version", "", "`version` of the text, such as 3")
	cmd.Flags().StringVar(&w.Language, "language", "", "`language` of the text, such as fr or pt-BR")
	return cmd
}

func (p *program) wordingAdd(ctx context.Context, w gate.Wording, path string) error {
	if err := need("--version", w.Version, "name the version of the text, such as 3"); err != nil {
		return err
	}
	if err := need("--language", w.Language, "name the language of the text, such as fr"); err != nil {
		return err
	}
	if _, err := language.Parse(w.Language); err != nil {
		return usage("--language %q is no language tag: write it as fr or pt-BR", w.Language)
	}
	text, err := p.readWording(path)
	if err != nil {
		return err
	}
	kept, err := gate.NewWording(w, text, p.now())
	if err != nil {
		return fmt.Errorf("wording %s: %w", w.ID, err)
	}
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	stands, err := s.standing(ctx, kept)
	if err != nil {
		return err
	}
	if stands {
		return p.printWording(kept)
	}
	if err := p.act(ctx, s, "wording.add", gate.ID{}, "id "+w.ID, "version "+w.Version, "language "+w.Language,
		"sha256 "+kept.SHA256); err != nil {
		return err
	}
	if err := s.AddWording(ctx, kept); err != nil {
		return err
	}
	return p.printWording(kept)
}

// standing reports whether the wording is kept already; the error says that another text is.
func (o *opened) standing(ctx context.Context, w gate.WordingText) (bool, error) {
	all, err := o.WordingTexts(ctx, w.ID)
	if err != nil {
		return false, err
	}
	for _, have := range all {
		if have.Compare(w) == 0 {
			return true, have.Same(w)
		}
	}
	return false, nil
}

func (p *program) printWording(w gate.WordingText) error {
	return p.print(w.Wording, func(out io.Writer) {
		line(out, fmt.Sprintf("%s, version %s, %s: sha256 %s", w.ID, w.Version, w.Language, w.SHA256))
	})
}

// readWording reads no more than any wording may have.
func (p *program) readWording(path string) (string, error) {
	in := p.in
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return "", fmt.Errorf("wording: %w", err)
		}
		defer f.Close()
		in = f
	}
	text, err := io.ReadAll(io.LimitReader(in, 1<<20))
	if err != nil {
		return "", fmt.Errorf("wording: %w", err)
	}
	return string(text), nil
}

func (p *program) wordingShowCommand() *cobra.Command {
	var version, lang string
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "show the texts of a wording",
		Long:  `Show the texts of a wording: all versions and languages, or those that are named.`,
		Example: `  consentgate wording show nl-2026-03
  consentgate wording show nl-2026-03 --version 3 --language fr`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("%s needs an ID; got %d arguments", cmd.CommandPath(), len(args))
			}
			return nil
		},
		RunE: p.run(func(ctx context.Context, args []string) error { return p.wordingShow(ctx, args[0], version, lang) }),
	}
	cmd.Flags().StringVar(&version, "version", "", "only this `version`")
	cmd.Flags().StringVar(&lang, "language", "", "only this `language`")
	return cmd
}

func (p *program) wordingShow(ctx context.Context, id, version, lang string) error {
	all, err := p.wordings(ctx, id)
	if err != nil {
		return err
	}
	var found []gate.WordingText
	for _, w := range all {
		if cmp.Or(version, w.Version) == w.Version && cmp.Or(lang, w.Language) == w.Language {
			found = append(found, w)
		}
	}
	if len(found) == 0 {
		return errors.New("no such wording is kept: see consentgate wording list")
	}
	for i, w := range found {
		if p.json {
			err = errors.Join(err, p.printJSON(w))
			continue
		}
		if i > 0 {
			fmt.Fprintln(p.out)
		}
		fmt.Fprintf(p.out, "# %s, version %s, %s, kept since %s\n# sha256 %s\n%s\n",
			printable(w.ID), printable(w.Version), printable(w.Language), when(w.Added), w.SHA256, printableLines(w.Text))
	}
	return err
}

func (p *program) wordings(ctx context.Context, id string) ([]gate.WordingText, error) {
	s, err := p.open(ctx)
	if err != nil {
		return nil, err
	}
	defer s.close()
	return s.WordingTexts(ctx, id)
}

func (p *program) wordingListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "list the wordings that are kept",
		Long:    `List the wordings that are kept, without their texts.`,
		Example: `  consentgate wording list`,
		Args:    noArgs,
		RunE:    p.run(func(ctx context.Context, _ []string) error { return p.wordingList(ctx) }),
	}
}

func (p *program) wordingList(ctx context.Context) error {
	all, err := p.wordings(ctx, "")
	if err != nil {
		return err
	}
	if p.json {
		for _, w := range all {
			if err := p.printJSON(w); err != nil {
				return err
			}
		}
		return nil
	}
	return p.print(nil, func(out io.Writer) {
		line(out, "ID", "VERSION", "LANGUAGE", "KEPT SINCE", "SHA256")
		for _, w := range all {
			line(out, w.ID, w.Version, w.Language, when(w.Added), w.SHA256)
		}
	})
}

func hashOf(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// printableLines is printable for a text of several lines.
func printableLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, l := range lines {
		lines[i] = printable(l)
	}
	return strings.Join(lines, "\n")
}
