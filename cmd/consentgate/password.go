package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/term"
)

// passwordCost is what a sign-in costs: about 70 ms of a core.
const passwordCost = 10

// maxPassword is what bcrypt looks at, in bytes.
const maxPassword = 72

func (p *program) passwordCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "password",
		Short: "make the password_hash of a credential",
		Long: `Read a password, twice from the terminal or one line of standard input, and print its bcrypt hash for
password_hash of a credential.`,
		Example: `  consentgate password
  pass show smtp/crm | consentgate password`,
		Args: noArgs,
		RunE: p.run(p.untilSignal(func(ctx context.Context, _ []string) error { return p.password(ctx) })),
	}
}

func (p *program) password(ctx context.Context) error {
	secret, err := p.readPassword(ctx)
	switch {
	case err != nil:
		return err
	case secret == "":
		return errors.New("the password is empty: give one")
	case len(secret) > maxPassword:
		return fmt.Errorf("the password has %d bytes, of which bcrypt would use %d: give a shorter one", len(secret), maxPassword)
	}
	hash, err := bcrypt.GenerateFromPassword([]byte(secret), passwordCost)
	if err != nil {
		return fmt.Errorf("hash the password: %w", err)
	}
	return p.print(struct {
		Hash string `json:"password_hash"`
	}{string(hash)}, func(w io.Writer) { fmt.Fprintln(w, string(hash)) })
}

func (p *program) readPassword(ctx context.Context) (string, error) {
	if f, ok := p.in.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return p.askPassword(ctx, int(f.Fd()))
	}
	text, err := bufio.NewReader(io.LimitReader(p.in, 4096)).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return strings.TrimRight(text, "\r\n"), nil
}

func (p *program) askPassword(ctx context.Context, fd int) (string, error) {
	var given [2]string
	for i, prompt := range []string{"password: ", "again: "} {
		fmt.Fprint(p.err, prompt)
		b, err := readHidden(ctx, fd)
		fmt.Fprintln(p.err)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		given[i] = string(b)
	}
	if given[0] != given[1] {
		return "", errors.New("the two passwords differ: start again")
	}
	return given[0], nil
}

// readHidden reads a line without echo and sees to it that Ctrl-C does not leave the terminal like that. The reader it
// gives up then ends with the process.
func readHidden(ctx context.Context, fd int) ([]byte, error) {
	before, err := term.GetState(fd)
	if err != nil {
		return nil, err
	}
	type line struct {
		text []byte
		err  error
	}
	read := make(chan line, 1)
	go func() {
		text, err := term.ReadPassword(fd)
		read <- line{text, err}
	}()
	select {
	case l := <-read:
		return l.text, l.err
	case <-ctx.Done():
		return nil, errors.Join(errors.New("interrupted"), term.Restore(fd, before))
	}
}
