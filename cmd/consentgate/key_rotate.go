package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/bulk"
	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/internal/seal"
)

// rotationFile stands in the data directory while a rotation of the encryption key is not complete.
const rotationFile = "seal.rotating"

func (p *program) keyRotateCommand() *cobra.Command {
	var in string
	cmd := &cobra.Command{
		Use:   "rotate token|encryption",
		Short: "use a new key from now on",
		Long: `Make a new key and use it from now on; the old ones stay for reading, so every link that was ever sent
works for ever. A gate that runs takes the new key up within a second.

token       new links are signed with the new key
encryption  what the store keeps of addresses is sealed again, beside the running gate; stopped half-way,
            the same command goes on where it was. Block entries keep the key they were sealed with until
            they are removed by age.

Where several gates share the store, give them time to learn of the key first: rotate with --in 24h, then
key export here and key import there. Until the time is over the new key only reads. For an encryption key
run key rotate encryption again after it, to seal again what the store holds.`,
		Example: `  consentgate key rotate token
  consentgate key rotate encryption
  consentgate key rotate token --in 24h`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 || args[0] != string(seal.TokenKey) && args[0] != string(seal.EncryptionKey) {
				return usage("key rotate needs a kind: token or encryption")
			}
			return nil
		},
		RunE: p.run(p.untilSignal(func(ctx context.Context, args []string) error {
			return p.keyRotate(ctx, seal.Kind(args[0]), in)
		})),
	}
	cmd.Flags().StringVar(&in, "in", "", "`time` until the new key is used, such as 24h or 7d (default: now)")
	return cmd
}

// rotated is the JSON of key rotate.
type rotated struct {
	Kind   seal.Kind `json:"kind"`
	Number byte      `json:"number"`
	From   time.Time `json:"from"`
	*bulk.Resealed
}

func (p *program) keyRotate(ctx context.Context, kind seal.Kind, in string) error {
	wait, err := config.ParseDuration(in)
	if in != "" && (err != nil || wait <= 0) {
		return usage("--in %q is no time: write for example 24h or 7d", in)
	}
	s, err := p.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	r := rotated{Kind: kind, From: p.now().Add(wait).UTC().Truncate(time.Second)}
	if kind == seal.EncryptionKey && s.cfg.StoreAddresses != seal.AddressesEncrypted {
		return fmt.Errorf("store_addresses is %s: there is nothing to seal again", s.cfg.StoreAddresses)
	}
	if kind == seal.EncryptionKey {
		if err := r.takeOver(s.cfg.DataDir, wait); err != nil {
			return err
		}
	}
	if err := p.act(ctx, s, "key.rotate", gate.ID{}, "kind "+string(kind), "from "+when(r.From), "resumed "+r.resumed()); err != nil {
		return err
	}
	if kind == seal.TokenKey {
		if r.Number, err = seal.Rotate(s.cfg.DataDir, kind, rand.Reader, r.From); err != nil {
			return err
		}
		return p.sayRotated(r)
	}
	if r.Number == 0 {
		if err := r.newEncryptionKey(s.cfg.DataDir); err != nil {
			return err
		}
	}
	if r.From.After(p.now()) {
		return p.sayRotated(r)
	}
	return p.reseal(ctx, s, r)
}

// takeOver finds a rotation that was begun and is not complete; r.Number stays 0 where there is none.
func (r *rotated) takeOver(dir string, wait time.Duration) error {
	text, err := os.ReadFile(filepath.Join(dir, rotationFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	}
	return r.pending(string(text), wait)
}

// resumed names the key of a rotation that is gone on with; empty for a new one.
func (r *rotated) resumed() string {
	if r.Number == 0 {
		return ""
	}
	return fmt.Sprint("key ", r.Number)
}

// newEncryptionKey adds a key and remembers that a rotation to it is under way.
func (r *rotated) newEncryptionKey(dir string) (err error) {
	if r.Number, err = seal.Rotate(dir, seal.EncryptionKey, rand.Reader, r.From); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, rotationFile), fmt.Appendf(nil, "%d %s\n", r.Number, when(r.From)), 0o600)
}

// pending takes over the rotation that was begun.
func (r *rotated) pending(text string, wait time.Duration) error {
	number, from, _ := strings.Cut(strings.TrimSpace(text), " ")
	n, err := strconv.ParseUint(number, 10, 8)
	if err == nil {
		r.From, err = time.Parse(time.RFC3339, from)
	}
	if err != nil {
		return fmt.Errorf("%s does not say which rotation is under way: remove it to begin another: %w", rotationFile, err)
	}
	if r.Number = byte(n); wait > 0 {
		return fmt.Errorf("key %d waits already, until %s: run key rotate encryption after that", r.Number, when(r.From))
	}
	return nil
}

func (p *program) reseal(ctx context.Context, s *opened, r rotated) error {
	if err := s.keys.Refresh(); err != nil {
		return err
	}
	bar := p.newProgress("recipients", 0)
	job := bulk.Resealer{Store: s, Keys: s.keys, Progress: func(n bulk.Resealed) { bar.show(n.Recipients, 0) }}
	done, err := job.Run(ctx)
	bar.end()
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("stopped: %d addresses are sealed again: run the same command again to go on, with the same key", done.Resealed)
	}
	if err != nil {
		return fmt.Errorf("sealed %d addresses again, the rest is not done: run the same command again: %w", done.Resealed, err)
	}
	if err := os.Remove(filepath.Join(s.cfg.DataDir, rotationFile)); err != nil {
		return err
	}
	r.Resealed = &done
	if err := p.sayRotated(r); err != nil {
		return err
	}
	if done.Unreadable > 0 {
		return fmt.Errorf("%d addresses are sealed with keys that are not here, and stay so: key import brings keys of other gates", done.Unreadable)
	}
	return nil
}

func (p *program) sayRotated(r rotated) error {
	return p.print(r, func(w io.Writer) {
		fmt.Fprintf(w, "%s key %d is used from %s; export the keys again\n", r.Kind, r.Number, when(r.From))
		if r.Resealed != nil {
			fmt.Fprintf(w, "%d of %d addresses were sealed again\n", r.Resealed.Resealed, r.Recipients-r.Without)
			if r.Without > 0 {
				fmt.Fprintf(w, "of %s no address is kept\n", count(r.Without, "recipient"))
			}
		}
	})
}
