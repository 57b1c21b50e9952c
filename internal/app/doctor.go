package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/internal/journal"
	"github.com/consentgate/consentgate/internal/seal"
)

// Health is how a part is.
type Health string

// The healths. A part that fails keeps the program from starting, or mail from being decided or sent.
const (
	Sound  Health = "ok"
	Doubt  Health = "warn"
	Broken Health = "fail"
)

// Finding is what one check found.
type Finding struct {
	Part   string `json:"part"` // such as "store"
	Health Health `json:"health"`
	Text   string `json:"text"`
	Do     string `json:"do,omitempty"` // what to do about it; empty where all is well
}

// Doctor looks at everything that a gate needs, and changes nothing.
type Doctor struct {
	Config *config.Config
	Now    func() time.Time
	Log    *slog.Logger
	// LookupTXT asks DNS for the key of a signature; nil: the system's resolver.
	LookupTXT func(name string) ([]string, error)

	found []Finding
	keys  *seal.Keys // nil where they cannot be opened
	runs  bool       // a gate runs from this data_dir
}

// Examine makes all checks, in an order in which the first that fails tends to explain the others.
func (d *Doctor) Examine(ctx context.Context) []Finding {
	d.runs = journal.Held(filepath.Join(d.Config.DataDir, "journal", "withdrawals"))
	d.settings()
	d.keyFiles()
	d.store(ctx)
	d.disk()
	d.certificate()
	d.listeners(ctx)
	d.upstreams(ctx)
	d.publicURL(ctx)
	return d.found
}

func (d *Doctor) ok(part, text string, args ...any) {
	d.found = append(d.found, Finding{Part: part, Health: Sound, Text: fmt.Sprintf(text, args...)})
}

func (d *Doctor) warn(part, do, text string, args ...any) {
	d.found = append(d.found, Finding{Part: part, Health: Doubt, Text: fmt.Sprintf(text, args...), Do: do})
}

func (d *Doctor) fail(part, do, text string, args ...any) {
	d.found = append(d.found, Finding{Part: part, Health: Broken, Text: fmt.Sprintf(text, args...), Do: do})
}

// settings have been read by now: what is left is what they warn of, and the files that only serve reads.
func (d *Doctor) settings() {
	name := d.Config.File
	if name == "" {
		name = "no file, flags and environment only"
	}
	d.ok("config", "%s", name)
	for _, w := range d.Config.Warnings {
		d.warn("config", "see docs/configuration.md", "%s", w)
	}
	_, hooks := d.Config.HookSettings()
	_, policy := Policy(d.Config)
	_, brand := d.Config.Unsubscribe.Brand.Public()
	for _, err := range []error{hooks, policy, brand} {
		if err != nil {
			d.fail("config", "mend the file, or what names it", "%v", err)
		}
	}
}

// keyFiles looks at the keys, at whether an export holds them, and at who else may read the secrets that the config names.
func (d *Doctor) keyFiles() {
	o := seal.Options{IDKeyFile: d.Config.IDKeyFile, Addresses: d.Config.StoreAddresses}
	infos, err := seal.Inspect(d.Config.DataDir, o)
	if err != nil {
		d.fail("keys", "of a new store: run consentgate store init; of one that stands: key import, or id_key_file", "%v", err)
		return
	}
	d.ok("keys", "%d in %s", len(infos), d.Config.DataDir)
	for _, i := range infos {
		if !i.Exported {
			d.warn("keys", "run consentgate key export and keep the file apart from the store", "no export holds the %s key", i.Kind)
			break
		}
	}
	for _, path := range d.Config.SecretFiles() { // our own keys are refused where others may read them
		if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o077 != 0 {
			d.warn("keys", "chmod 600 "+path, "%s can be read by others than its owner (%v)", path, info.Mode().Perm())
		}
	}
}

// Room in which journals are safe, and below which withdrawals may soon find none.
const (
	roomGood = 1 << 30
	roomLow  = 64 << 20
)

// disk tries to write where the journals stand: a withdrawal that cannot be written down is not acknowledged.
func (d *Doctor) disk() {
	dir := filepath.Join(d.Config.DataDir, "journal")
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		dir = d.Config.DataDir // serve makes the folder
	}
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		d.fail("journal", "make the folder writable for the account that serve runs under", "%v", err)
		return
	}
	err = errors.Join(f.Sync(), f.Close(), os.Remove(f.Name()))
	free, statErr := room(dir)
	switch {
	case err != nil:
		d.fail("journal", "look at the disk", "%v", err)
	case statErr != nil:
		d.warn("journal", "look at the disk", "free space is not known: %v", statErr)
	case free < roomLow:
		d.fail("journal", "make room", "%s has %d MiB left", dir, free>>20)
	case free < roomGood:
		d.warn("journal", "make room before withdrawals find none", "%s has %d MiB left", dir, free>>20)
	default:
		d.ok("journal", "%s takes writes, %d GiB free", dir, free>>30)
	}
}

// certificateSoon is how long before its end a certificate is worth a warning.
const certificateSoon = 14 * 24 * time.Hour

func (d *Doctor) certificate() {
	pair, err := d.Config.TLSConfig()
	switch {
	case err != nil:
		d.fail("certificate", "name a readable certificate and its key in tls", "%v", err)
	case pair == nil:
		d.ok("certificate", "none is configured, and no listener needs one")
	default:
		d.expiry(pair.Certificates[0])
	}
}

func (d *Doctor) expiry(pair tls.Certificate) {
	leaf, left := pair.Leaf, pair.Leaf.NotAfter.Sub(d.Now())
	switch {
	case left <= 0:
		d.fail("certificate", "renew it", "%s ended on %s", d.Config.TLS.Certificate, leaf.NotAfter.Format(time.DateOnly))
	case d.Now().Before(leaf.NotBefore):
		d.fail("certificate", "look at this machine's clock", "%s does not begin before %s", d.Config.TLS.Certificate, leaf.NotBefore.Format(time.DateOnly))
	case left < certificateSoon:
		d.warn("certificate", "renew it; serve takes it up by itself", "%s ends on %s", d.Config.TLS.Certificate, leaf.NotAfter.Format(time.DateOnly))
	default:
		d.ok("certificate", "%s is good until %s", d.Config.TLS.Certificate, leaf.NotAfter.Format(time.DateOnly))
	}
}
