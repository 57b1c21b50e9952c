package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/internal/formlint"
)

func (p *program) lintCommand() *cobra.Command {
	return p.group("lint", "find what is wrong with consent before it is recorded",
		`Find what is wrong with consent before it is recorded.`, p.lintFormCommand())
}

func (p *program) lintFormCommand() *cobra.Command {
	var private bool
	cmd := &cobra.Command{
		Use:   "form URL|FILE|-",
		Short: "report pre-ticked and bundled consent boxes of a page",
		Long: `Read the HTML of a page and report what takes consent that is none: boxes ticked beforehand, bundled,
hidden or required, opt-out wordings, and sentences that take a click for a yes. Each with its line,
the law, and the fix. Words are known in English, French, German, Spanish and Italian.

The page is read as the server sends it: no script runs, so a form that a script builds is not seen.
A page on the web is fetched without cookies, and never from a private address (loopback, this
network, a cloud's metadata) unless --allow-private. docs/forms.md shows how to do it right.

Exit codes: 0 nothing found, 1 the page cannot be read, 3 something was found.`,
		Example: `  consentgate lint form https://www.example.com/contest
  consentgate lint form signup.html --json | jq -r '.findings[] | "\(.line): \(.rule)"'
  curl -s http://localhost:3000/signup | consentgate lint form -`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("%s needs one URL or FILE, or - for standard input; got %s", cmd.CommandPath(), count(len(args), "argument"))
			}
			return nil
		},
		RunE: p.run(p.untilSignal(func(ctx context.Context, args []string) error {
			return p.lintForm(ctx, args[0], formlint.Fetcher{AllowPrivate: private})
		})),
	}
	cmd.Flags().BoolVar(&private, "allow-private", false, "fetch from private addresses too, such as localhost")
	return cmd
}

// linted is the JSON of lint form.
type linted struct {
	Page string `json:"page"`
	formlint.Report
}

func (p *program) lintForm(ctx context.Context, page string, web formlint.Fetcher) error {
	source, err := p.readPage(ctx, page, web)
	if err != nil {
		return err
	}
	if page == "-" {
		page = "standard input"
	}
	l := linted{page, formlint.Check(source)}
	if err := p.print(l, l.text); err != nil {
		return err
	}
	if len(l.Findings) > 0 {
		return answered(exitBlock)
	}
	return nil
}

func (p *program) readPage(ctx context.Context, page string, web formlint.Fetcher) ([]byte, error) {
	scheme, _, isURL := strings.Cut(page, "://")
	switch {
	case isURL && !strings.EqualFold(scheme, "http") && !strings.EqualFold(scheme, "https"):
		return nil, usage("%q is neither an http nor an https URL; give the name of a file without %s://", page, scheme)
	case isURL:
		source, err := web.Fetch(ctx, page)
		return source, explainFetch(page, err)
	case page == "-":
		source, err := formlint.Read(&interruptible{in: p.in, done: ctx.Done()})
		return source, unread("standard input", err)
	}
	f, err := os.Open(page)
	if err != nil {
		return nil, fmt.Errorf("lint: %w", err)
	}
	defer f.Close()
	source, err := formlint.Read(f)
	return source, unread(page, err)
}

func unread(page string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s cannot be read: %w", page, err)
}

func (l linted) text(w io.Writer) {
	for _, f := range l.Findings {
		fmt.Fprintf(w, "%s:%d:%d: %s: %s\n", printable(l.Page), f.Line, f.Column, f.Rule, f.Wrong)
		fmt.Fprintf(w, "    %s\n", printable(f.Excerpt))
		if f.Label != "" {
			fmt.Fprintf(w, "    %q\n", printable(f.Label))
		}
		fmt.Fprintf(w, "    law: %s\n    fix: %s\n\n", f.Citation, f.Fix)
	}
	found := "nothing found"
	if n := len(l.Findings); n > 0 {
		found = count(n, "finding")
	}
	fmt.Fprintf(w, "%s: %s; looked at %s, %s about consent\n", printable(l.Page), found, count(l.Forms, "form"), count(l.Boxes, "field"))
	if l.Boxes == 0 {
		fmt.Fprintln(w, "nothing asks for consent in what the server sent; a form that a script builds is not seen")
	}
}

// shownURL is a URL as it may be printed.
func shownURL(page string) string {
	u, err := url.Parse(page)
	if err != nil {
		return "the URL"
	}
	return printable(u.Redacted())
}

// explainFetch says what to do where a page was not asked for.
func explainFetch(page string, err error) error {
	if errors.Is(err, formlint.ErrPrivate) {
		return fmt.Errorf("%s is not fetched: it leads to a private address; if that is yours, add --allow-private", shownURL(page))
	}
	return unread(shownURL(page), err)
}
