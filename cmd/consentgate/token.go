package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/admin"
	"github.com/consentgate/consentgate/gate"
)

func (p *program) tokenCommand() *cobra.Command {
	return p.group("token", "make tokens of the API",
		`Make tokens for the API and the dashboard. The config names each by its hash, with a role.`,
		p.newTokenCommand())
}

func (p *program) newTokenCommand() *cobra.Command {
	var role, name string
	cmd := &cobra.Command{
		Use:   "new",
		Short: "make a token, and the lines that let it in",
		Long: `Make a token and print it, once: nobody can read it from its hash again. Beside it stands the line for
admin.tokens of the config file; after it was added, SIGHUP puts it in force.

Roles: ingest writes events and makes links, and reads nothing; viewer reads, with addresses masked;
operator does both; dpo also reveals addresses and erases people.

The token goes to standard output, and all else to standard error.`,
		Example: `  consentgate token new --role ingest --name shop
  consentgate token new --role viewer --json`,
		Args: cobra.NoArgs,
		RunE: p.run(func(_ context.Context, _ []string) error { return p.newToken(role, name) }),
	}
	cmd.Flags().StringVar(&role, "role", "", "`role` of its holder: ingest, viewer, operator or dpo (required)")
	cmd.Flags().StringVar(&name, "name", "", "`name` of its holder, for logs and histories (default: the role)")
	return cmd
}

// madeToken is the JSON of token new.
type madeToken struct {
	Token string     `json:"token"`
	Name  string     `json:"name"`
	Role  admin.Role `json:"role"`
	Hash  string     `json:"hash"`
}

func (p *program) newToken(roleName, name string) error {
	if roleName == "" {
		return usage("--role is missing: use ingest, viewer, operator or dpo")
	}
	role, err := admin.ParseRole(roleName)
	if err != nil {
		return usage("--role %q %v", roleName, err)
	}
	if name == "" {
		name = roleName
	}
	if !gate.IsPurpose(name) {
		return usage("--name %q is no name: use up to 63 of a-z, 0-9, _ . - and begin with a letter or digit", name)
	}
	token, hash, err := admin.NewToken(rand.Reader)
	if err != nil {
		return err
	}
	return p.print(madeToken{Token: token, Name: name, Role: role, Hash: hash.String()}, func(w io.Writer) {
		fmt.Fprintln(w, token)
		p.say("give the line above to its holder: it is shown this once. For the config file:")
		fmt.Fprintf(p.err, "\nadmin:\n  tokens:\n    - {name: %s, hash: \"%s\", role: %s}\n", name, hash, role)
	})
}
