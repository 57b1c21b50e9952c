package seal_test

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/internal/seal"
)

const passphrase = "correct horse battery"

func rotate(t *testing.T, dir string, kind seal.Kind, from time.Time) {
	t.Helper()
	if _, err := seal.Rotate(dir, kind, rand.Reader, from); err != nil {
		t.Fatal(err)
	}
}

func TestANewKeyIsKnownAtOnceAndUsedFromItsMoment(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	k := open(t, dir, seal.Options{MayCreate: true, Now: func() time.Time { return now }})
	from := now.Add(time.Hour)
	for _, kind := range []seal.Kind{seal.TokenKey, seal.EncryptionKey} {
		rotate(t, dir, kind, from)
	}
	if _, known := k.MAC(2, []byte("x")); !known {
		t.Error("the new token key is unknown to keys that are open")
	}
	if k.TokenKeyID() != 1 || k.EncryptionKeyID() != 1 {
		t.Errorf("keys %d and %d are used before their moment", k.TokenKeyID(), k.EncryptionKeyID())
	}
	now = from
	if err := k.Refresh(); err != nil {
		t.Fatal(err)
	}
	if k.TokenKeyID() != 2 || k.EncryptionKeyID() != 2 {
		t.Errorf("keys %d and %d are used after the moment of key 2", k.TokenKeyID(), k.EncryptionKeyID())
	}
}

func TestUnknownKeyNumbersReadTheFilesOnceASecondAtMost(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	k := open(t, dir, seal.Options{MayCreate: true, Now: func() time.Time { return now }})
	if _, known := k.MAC(2, []byte("x")); known {
		t.Fatal("a key that was never made")
	}
	rotate(t, dir, seal.TokenKey, now)
	if _, known := k.MAC(2, []byte("x")); known {
		t.Error("the files were read twice in a second")
	}
	now = now.Add(time.Second)
	if _, known := k.MAC(2, []byte("x")); !known {
		t.Error("the files were not read again")
	}
}

func TestResealUsesTheNewKeyOnceAndKeepsTheAddress(t *testing.T) {
	t.Parallel()
	dir, k := create(t)
	old, err := k.Seal(address(t, "Ann@example.com"))
	if err != nil {
		t.Fatal(err)
	}
	if again, err := k.Reseal(old); err != nil || again != old {
		t.Errorf("Reseal with the key in use = %q, %v, want it unchanged", again, err)
	}
	rotate(t, dir, seal.EncryptionKey, time.Now().Add(-time.Second))
	if err := k.Refresh(); err != nil {
		t.Fatal(err)
	}
	for _, sealed := range []string{old, "Ann@example.com"} {
		next, err := k.Reseal(sealed)
		if err != nil || next == sealed || strings.Contains(next, "@") {
			t.Fatalf("Reseal(%q) = %q, %v", sealed, next, err)
		}
		if got, err := k.Unseal(next); err != nil || got != "Ann@example.com" {
			t.Errorf("Unseal = %q, %v", got, err)
		}
		if again, _ := k.Reseal(next); again != next {
			t.Error("sealed with the key in use, and sealed again")
		}
	}
	if got, err := k.Reseal(""); got != "" || err != nil {
		t.Errorf("Reseal of no address = %q, %v", got, err)
	}
	if _, err := k.Reseal("AAAA"); !errors.Is(err, seal.ErrUnreadable) {
		t.Errorf("Reseal of something else: %v, want ErrUnreadable", err)
	}
}

func TestExportedKeysAreTheSameElsewhere(t *testing.T) {
	t.Parallel()
	dir, k := create(t)
	rotate(t, dir, seal.EncryptionKey, time.Now().Add(-time.Second))
	sealed, _ := k.Seal(address(t, "ann@example.com"))
	signer, err := seal.OpenSigner(dir, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := seal.ExportCheaply(dir, seal.Options{}, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	there := filepath.Join(t.TempDir(), "data")
	done, err := seal.Import(there, seal.Options{}, strings.ReplaceAll(text, "\n", "\r\n"), passphrase, k.Fingerprint())
	if err != nil || done.Fingerprint != k.Fingerprint() || len(done.Written) != 4 {
		t.Fatalf("Import = %+v, %v", done, err)
	}
	other := open(t, there, seal.Options{})
	if other.Fingerprint() != k.Fingerprint() || other.TokenKeyID() != k.TokenKeyID() || other.EncryptionKeyID() != 2 {
		t.Error("other keys")
	}
	if got, err := other.Unseal(sealed); err != nil || got != "ann@example.com" {
		t.Errorf("Unseal = %q, %v", got, err)
	}
	if same, err := seal.OpenSigner(there, false, nil); err != nil || !same.Public().Equal(signer.Public()) {
		t.Errorf("the key that signs evidence: %v", err)
	}
	infos, err := seal.Inspect(there, seal.Options{})
	if err != nil || len(infos) != 5 || slices.ContainsFunc(infos, func(i seal.Info) bool { return !i.Exported }) {
		t.Errorf("Inspect = %+v, %v, want five keys that an export holds", infos, err)
	}
	again, err := seal.Import(there, seal.Options{}, text, passphrase, "")
	if err != nil || len(again.Written) != 0 {
		t.Errorf("the second import = %+v, %v, want nothing written", again, err)
	}
}

func TestAnExportIsDearToGuessAt(t *testing.T) {
	t.Parallel()
	dir, _ := create(t)
	text, err := seal.Export(dir, seal.Options{}, passphrase)
	if err != nil || !strings.Contains(text, "\nscrypt 17 8 1 ") {
		t.Errorf("Export: %v\n%s", err, text)
	}
}

func TestAnExportShowsNoKey(t *testing.T) {
	t.Parallel()
	dir, _ := create(t)
	text, err := seal.ExportCheaply(dir, seal.Options{}, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"id.key", "token.keys", "seal.keys"} {
		key, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for word := range strings.FieldsSeq(string(key)) {
			if len(word) == 43 && strings.Contains(text, word) {
				t.Errorf("the key of %s stands in the export", name)
			}
		}
	}
}

func TestImportReplacesNoKey(t *testing.T) {
	t.Parallel()
	dir, k := create(t)
	text, err := seal.ExportCheaply(dir, seal.Options{}, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		stands string // a key file of another gate that stands there
		store  string
	}{
		"another id key":           {stands: "id.key"},
		"another token key":        {stands: "token.keys"},
		"another encryption key":   {stands: "seal.keys"},
		"a store with another key": {store: "0123456789abcdef"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			there := t.TempDir()
			if c.stands != "" {
				from, _ := create(t)
				key, err := os.ReadFile(filepath.Join(from, c.stands))
				if err != nil {
					t.Fatal(err)
				}
				write(c.stands, string(key))(t, there)
			}
			if _, err := seal.Import(there, seal.Options{}, text, passphrase, c.store); !errors.Is(err, seal.ErrOtherKeys) {
				t.Errorf("Import: %v, want ErrOtherKeys", err)
			}
			entries, _ := os.ReadDir(there)
			for _, e := range entries {
				if e.Name() != c.stands {
					t.Errorf("%s was written", e.Name())
				}
			}
		})
	}
	// What a rotation has added meanwhile stays.
	rotate(t, dir, seal.TokenKey, time.Now().Add(-time.Second))
	if _, err := seal.Import(dir, seal.Options{}, text, passphrase, k.Fingerprint()); err != nil {
		t.Fatal(err)
	}
	if after := open(t, dir, seal.Options{}); after.TokenKeyID() != 2 {
		t.Error("an older export took a key away")
	}
}

func TestImportWritesTheIDKeyWhereItIsLookedFor(t *testing.T) {
	t.Parallel()
	dir, k := create(t)
	text, err := seal.ExportCheaply(dir, seal.Options{}, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	there := t.TempDir()
	o := seal.Options{IDKeyFile: filepath.Join(t.TempDir(), "consentgate-id.key")}
	if _, err := seal.Import(there, o, text, passphrase, ""); err != nil {
		t.Fatal(err)
	}
	if open(t, there, o).Fingerprint() != k.Fingerprint() {
		t.Error("another id key")
	}
	if _, err := os.Stat(filepath.Join(there, "id.key")); !os.IsNotExist(err) {
		t.Errorf("an id key beside id_key_file: %v", err)
	}
}

func TestABundleThatIsNotAsItWasSaysSo(t *testing.T) {
	t.Parallel()
	dir, _ := create(t)
	text, err := seal.ExportCheaply(dir, seal.Options{}, passphrase)
	if err != nil {
		t.Fatal(err)
	}
	last := text[:len(text)-10] + "AAAA" + text[len(text)-6:]
	for name, c := range map[string]struct{ text, passphrase string }{
		"another passphrase":     {text, passphrase + "!"},
		"another made":           {strings.Replace(text, "made 2", "made 3", 1), passphrase},
		"another id key":         {strings.Replace(text, "id-key ", "id-key 0", 1), passphrase},
		"an altered end":         {last, passphrase},
		"cut short":              {text[:len(text)/2], passphrase},
		"no body":                {text[:strings.Index(text, "\n\n")+2], passphrase},
		"a cost of a gigabyte":   {strings.Replace(text, "scrypt 4 ", "scrypt 20 ", 1), passphrase},
		"something else":         {"hello\n", passphrase},
		"nothing":                {"", passphrase},
		"an id.key file":         {"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\n", passphrase},
		"another cost parameter": {strings.Replace(text, " 8 1 ", " 9 1 ", 1), passphrase},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			there := t.TempDir()
			if _, err := seal.Import(there, seal.Options{}, c.text, c.passphrase, ""); !errors.Is(err, seal.ErrNoBundle) {
				t.Errorf("Import: %v, want ErrNoBundle", err)
			}
			if entries, _ := os.ReadDir(there); len(entries) != 0 {
				t.Errorf("%d files were written", len(entries))
			}
		})
	}
	if _, err := seal.ExportCheaply(dir, seal.Options{}, "short"); !errors.Is(err, seal.ErrPassphrase) {
		t.Errorf("Export: %v, want ErrPassphrase", err)
	}
}

func TestInspectTellsAgesAndWhatWasNeverExported(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	o := seal.Options{MayCreate: true, Now: func() time.Time { return now }}
	dir := t.TempDir()
	open(t, dir, o)
	if err := seal.MarkExported(dir, o); err != nil {
		t.Fatal(err)
	}
	rotate(t, dir, seal.TokenKey, now.Add(time.Hour))
	infos, err := seal.Inspect(dir, o)
	if err != nil || len(infos) != 4 {
		t.Fatalf("Inspect = %+v, %v", infos, err)
	}
	want := []seal.Info{
		{Kind: "id", InUse: true, Exported: true},
		{Kind: seal.TokenKey, Number: 1, From: now, InUse: true, Exported: true},
		{Kind: seal.TokenKey, Number: 2, From: now.Add(time.Hour)},
		{Kind: seal.EncryptionKey, Number: 1, From: now, InUse: true, Exported: true},
	}
	for i, got := range infos {
		if len(got.Fingerprint) != 16 {
			t.Errorf("fingerprint %q", got.Fingerprint)
		}
		if got.Fingerprint = ""; got != want[i] {
			t.Errorf("key %d: %+v, want %+v", i, got, want[i])
		}
	}
}

func FuzzImport(f *testing.F) {
	dir := f.TempDir()
	open(f, dir, seal.Options{MayCreate: true})
	text, err := seal.ExportCheaply(dir, seal.Options{}, passphrase)
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{text, "", text[:60], strings.Replace(text, "scrypt 4", "scrypt 5", 1), "consentgate keys 1\n\n\n\n\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, other string) {
		there := t.TempDir()
		_, err := seal.Import(there, seal.Options{}, other, passphrase, "")
		if err != nil && !errors.Is(err, seal.ErrNoBundle) {
			t.Errorf("Import: %v", err)
		}
		if err == nil && strings.ReplaceAll(other, "\r", "") != text && !strings.HasPrefix(other, "consentgate keys 1") {
			t.Error("another text was taken")
		}
	})
}
