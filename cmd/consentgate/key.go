package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/app"
	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/internal/seal"
)

// passphraseEnv may hold the passphrase of an export.
const passphraseEnv = "CONSENTGATE_KEY_PASSPHRASE"

func (p *program) keyCommand() *cobra.Command {
	return p.group("key", "keep, share and rotate the keys", `Keep, share and rotate the keys of a store. The id key turns addresses into recipient ids: without it a
store is of no use to anybody, so export it and keep the file apart from the backups of the store. Token
keys sign unsubscribe links, encryption keys seal the addresses that the store keeps.`,
		p.keyExportCommand(), p.keyImportCommand(), p.keyRotateCommand(), p.keyShowCommand())
}

func keyOptions(cfg *config.Config) seal.Options {
	return seal.Options{IDKeyFile: cfg.IDKeyFile, Addresses: cfg.StoreAddresses}
}

func (p *program) keyExportCommand() *cobra.Command {
	var out, passphraseFile string
	cmd := &cobra.Command{
		Use:   "export",
		Short: "write all keys to a file under a passphrase",
		Long: `Write all keys of this gate as one text that only the passphrase opens. Keep it where a lost or stolen
data directory does not take it along, and give it to the other gates of the same store with key import.

The passphrase is asked for, or read from --passphrase-file or CONSENTGATE_KEY_PASSPHRASE; it has at least
12 characters. With --out the file is readable by its owner only.`,
		Example: `  consentgate key export --out consentgate.keys
  pass show consentgate | consentgate key export --passphrase-file /dev/stdin > consentgate.keys`,
		Args: cobra.NoArgs,
		RunE: p.run(p.untilSignal(func(ctx context.Context, _ []string) error { return p.keyExport(ctx, out, passphraseFile) })),
	}
	cmd.Flags().StringVar(&out, "out", "", "`file` to write (default: standard output)")
	cmd.Flags().StringVar(&passphraseFile, "passphrase-file", "", "`file` that holds the passphrase")
	return cmd
}

func (p *program) keyExport(ctx context.Context, path, passphraseFile string) error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	passphrase, err := p.passphrase(ctx, passphraseFile, true)
	if err != nil {
		return err
	}
	if err := p.actOnKeys(ctx, cfg, "key.export"); err != nil {
		return err
	}
	text, err := seal.Export(cfg.DataDir, keyOptions(cfg), passphrase)
	if err != nil {
		return err
	}
	out, err := p.openOutput(path)
	if err != nil {
		return err
	}
	defer out.discard()
	if _, err := io.WriteString(out, text); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	if err := out.keep(); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return seal.MarkExported(cfg.DataDir, keyOptions(cfg))
}

func (p *program) keyImportCommand() *cobra.Command {
	var passphraseFile string
	var unchecked bool
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "take over the keys of another gate of the same store",
		Long: `Read a file that key export wrote and put its keys into the data directory, the id key into id_key_file
where that is set. No key is ever replaced: keys that stand there must be the same, and what is new in the
file is added, so a later export may be imported again. A store that stands must be the one of these keys.`,
		Example: `  consentgate key import consentgate.keys
  consentgate key import consentgate.keys --passphrase-file /run/secrets/passphrase`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usage("key import needs the FILE that key export wrote")
			}
			return nil
		},
		RunE: p.run(p.untilSignal(func(ctx context.Context, args []string) error {
			return p.keyImport(ctx, args[0], passphraseFile, unchecked)
		})),
	}
	cmd.Flags().StringVar(&passphraseFile, "passphrase-file", "", "`file` that holds the passphrase")
	cmd.Flags().BoolVar(&unchecked, "unchecked", false, "import although the store does not answer and cannot be compared")
	return cmd
}

// maxBundle bounds what import reads.
const maxBundle = 1 << 20

func (p *program) keyImport(ctx context.Context, path, passphraseFile string, unchecked bool) error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxBundle))
	if err != nil {
		return fmt.Errorf("import: %w", err)
	}
	p.sayStore(cfg)
	stands, err := app.Fingerprint(ctx, cfg)
	switch {
	case errors.Is(err, gate.ErrUninitialised):
	case err != nil && !unchecked:
		return fmt.Errorf("%w; --unchecked imports all the same", err)
	}
	passphrase, err := p.passphrase(ctx, passphraseFile, false)
	if err != nil {
		return err
	}
	if stands != "" { // else there is no store, or --unchecked: it does not answer
		if err := p.actOnKeys(ctx, cfg, "key.import"); err != nil {
			return err
		}
	}
	done, err := seal.Import(cfg.DataDir, keyOptions(cfg), string(text), passphrase, stands)
	if err != nil {
		return err
	}
	return p.print(done, func(w io.Writer) {
		if len(done.Written) == 0 {
			fmt.Fprintln(w, "these keys stand here already; nothing was changed")
			return
		}
		fmt.Fprintf(w, "id key %s; written: %s\n", done.Fingerprint, strings.Join(done.Written, ", "))
	})
}

func (p *program) keyShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "list the keys by fingerprint and age",
		Long: `List the keys of this gate: what each is for, its number, since when it is used, its fingerprint, and
whether an export holds it. No key is shown. Gates of one store show the same fingerprints.`,
		Example: `  consentgate key show
  consentgate key show --json`,
		Args: cobra.NoArgs,
		RunE: p.run(func(context.Context, []string) error { return p.keyShow() }),
	}
}

func (p *program) keyShow() error {
	cfg, err := p.config()
	if err != nil {
		return err
	}
	o := keyOptions(cfg)
	o.Now = p.now
	infos, err := seal.Inspect(cfg.DataDir, o)
	if err != nil {
		return err
	}
	return p.print(infos, func(w io.Writer) {
		line(w, "KEY", "NUMBER", "FINGERPRINT", "FROM", "AGE", "USE", "EXPORTED")
		for _, i := range infos {
			number := ""
			if i.Number > 0 {
				number = fmt.Sprint(i.Number)
			}
			line(w, string(i.Kind), number, i.Fingerprint, when(i.From), age(i.From, p.now()), use(i, p.now()), yesNo(i.Exported))
		}
	})
}

// age is how long a key has been in use, in days.
func age(from, now time.Time) string {
	if from.IsZero() || from.After(now) {
		return ""
	}
	return fmt.Sprintf("%dd", int(now.Sub(from).Hours()/24))
}

func use(i seal.Info, now time.Time) string {
	switch {
	case i.InUse:
		return "in use"
	case i.From.After(now):
		return "later"
	}
	return "reading"
}

func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// passphrase reads the passphrase of an export: file, environment, or terminal, where a new one is asked for twice.
func (p *program) passphrase(ctx context.Context, file string, isNew bool) (string, error) {
	if file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", fmt.Errorf("passphrase: %w", err)
		}
		return strings.TrimRight(string(text), "\r\n"), nil
	}
	if text := p.env(passphraseEnv); text != "" {
		return text, nil
	}
	f, ok := p.in.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return "", usage("the passphrase is missing: use --passphrase-file or %s", passphraseEnv)
	}
	if isNew {
		return p.askPassword(ctx, int(f.Fd()))
	}
	fmt.Fprint(p.err, "passphrase: ")
	text, err := readHidden(ctx, int(f.Fd()))
	fmt.Fprintln(p.err)
	return string(text), err
}
