package seal_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/seal"
)

func address(t testing.TB, s string) gate.Address {
	t.Helper()
	a, err := gate.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func open(t testing.TB, dir string, o seal.Options) *seal.Keys {
	t.Helper()
	k, err := seal.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func create(t testing.TB) (string, *seal.Keys) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "data")
	return dir, open(t, dir, seal.Options{MayCreate: true})
}

func TestIDIsTheTruncatedMACOfTheCanonicalAddress(t *testing.T) {
	t.Parallel()
	dir, k := create(t)
	text, err := os.ReadFile(filepath.Join(dir, "id.key"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := base64.RawURLEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte("ann@example.com"))
	want := gate.ID(mac.Sum(nil)[:16])
	for _, a := range []string{"ann@example.com", "Ann@EXAMPLE.com"} {
		if got := k.ID(address(t, a)); got != want {
			t.Errorf("ID(%s) = %s, want %s", a, got, want)
		}
	}
	if k.ID(address(t, "bob@example.com")) == want {
		t.Error("two addresses have one id")
	}
}

func TestIDIsTheSameFromManyGoroutines(t *testing.T) {
	t.Parallel()
	_, k := create(t)
	a, b := address(t, "ann@example.com"), address(t, "bob@example.com")
	wantA, wantB := k.ID(a), k.ID(b)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 500 {
				if k.ID(a) != wantA || k.ID(b) != wantB {
					t.Error("id differs")
				}
			}
		})
	}
	wg.Wait()
}

func TestKeysAreTheSameAfterReopening(t *testing.T) {
	t.Parallel()
	dir, k := create(t)
	a := address(t, "ann@example.com")
	sealed, err := k.Seal(a)
	if err != nil {
		t.Fatal(err)
	}
	mac, _ := k.MAC(k.TokenKeyID(), []byte("data"))

	again := open(t, dir, seal.Options{})
	if again.Fingerprint() != k.Fingerprint() || again.ID(a) != k.ID(a) {
		t.Error("the id key changed")
	}
	if got, err := again.Unseal(sealed); err != nil || got != "ann@example.com" {
		t.Errorf("Unseal = %q, %v", got, err)
	}
	if got, ok := again.MAC(k.TokenKeyID(), []byte("data")); !ok || !hmac.Equal(got, mac) {
		t.Error("the token key changed")
	}
}

func TestFilesAreForTheOwnerOnly(t *testing.T) {
	t.Parallel()
	dir, _ := create(t)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 3 {
		t.Errorf("%d files, want id.key, token.keys and seal.keys", len(entries))
	}
	for _, e := range entries {
		if info, _ := e.Info(); info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %04o, want 0600", e.Name(), info.Mode().Perm())
		}
	}
}

func TestOpensAtTheSameTimeEndWithOneSetOfKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keys := make([]*seal.Keys, 16)
	var wg sync.WaitGroup
	for i := range keys {
		wg.Go(func() {
			var err error
			if keys[i], err = seal.Open(dir, seal.Options{MayCreate: true}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	sealed, err := keys[0].Seal(address(t, "ann@example.com"))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys[1:] {
		if k.Fingerprint() != keys[0].Fingerprint() {
			t.Error("two id keys")
		}
		if _, err := k.Unseal(sealed); err != nil {
			t.Error(err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.key*.*")); len(left) != 0 {
		t.Errorf("temporary files stay: %v", left)
	}
}

func TestMissingOrUnusableKeysSayWhatToDo(t *testing.T) {
	t.Parallel()
	const good = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	for name, c := range map[string]struct {
		change func(t *testing.T, dir string) seal.Options
		is     error
		says   string
	}{
		"no id key and none may be made": {remove("id.key"), seal.ErrNoKey, "consentgate store init"},
		"no token key":                   {remove("token.keys"), seal.ErrNoKey, "token.keys does not exist"},
		"no encryption key":              {remove("seal.keys"), seal.ErrNoKey, "seal.keys does not exist"},
		"an id_key_file that is not there, though keys may be made": {
			func(_ *testing.T, dir string) seal.Options {
				return seal.Options{IDKeyFile: filepath.Join(dir, "elsewhere"), MayCreate: true}
			}, seal.ErrNoKey, "consentgate key export",
		},
		"an id key that others may read": {mode("id.key", 0o640), seal.ErrBadKey, "chmod 600"},
		"token keys that all may read":   {mode("token.keys", 0o604), seal.ErrBadKey, "chmod 600"},
		"an id key cut short":            {write("id.key", good[:40]), seal.ErrBadKey, "43 characters"},
		"an empty id key":                {write("id.key", ""), seal.ErrBadKey, "43 characters"},
		"token keys without a number":    {write("token.keys", good), seal.ErrBadKey, "line 1"},
		"token keys numbered twice":      {write("token.keys", "1 "+good+"\n1 "+good), seal.ErrBadKey, "line 2"},
		"a token key of number 256":      {write("token.keys", "256 "+good), seal.ErrBadKey, "1 to 255"},
		"no token keys in the file":      {write("token.keys", "\n"), seal.ErrBadKey, "line 1"},
		"an unknown store_addresses": {
			func(*testing.T, string) seal.Options { return seal.Options{Addresses: "rot13"} },
			nil, "encrypted, plain or none",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, _ := create(t)
			_, err := seal.Open(dir, c.change(t, dir))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("Open: %v, want it to say %q", err, c.says)
			}
			if c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("Open: %v, want %v", err, c.is)
			}
		})
	}
}

func remove(name string) func(*testing.T, string) seal.Options {
	return func(t *testing.T, dir string) seal.Options {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		return seal.Options{}
	}
}

func mode(name string, m os.FileMode) func(*testing.T, string) seal.Options {
	return func(t *testing.T, dir string) seal.Options {
		if err := os.Chmod(filepath.Join(dir, name), m); err != nil {
			t.Fatal(err)
		}
		return seal.Options{}
	}
}

func write(name, text string) func(*testing.T, string) seal.Options {
	return func(t *testing.T, dir string) seal.Options {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return seal.Options{}
	}
}

func TestOpenWithoutMayCreateMakesNothing(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	if _, err := seal.Open(dir, seal.Options{}); !errors.Is(err, seal.ErrNoKey) {
		t.Fatalf("Open: %v, want ErrNoKey", err)
	}
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the directory was made: %v", err)
	}
}

func TestIDKeyFileServesManyGates(t *testing.T) {
	t.Parallel()
	first, k := create(t)
	shared := filepath.Join(first, "id.key")
	if err := os.Chmod(shared, 0o440); err != nil { // as secrets are mounted
		t.Fatal(err)
	}
	second := t.TempDir()
	other := open(t, second, seal.Options{IDKeyFile: shared, MayCreate: true})
	if other.Fingerprint() != k.Fingerprint() {
		t.Error("another id key")
	}
	if _, err := os.Stat(filepath.Join(second, "id.key")); !os.IsNotExist(err) {
		t.Errorf("an id key was made beside id_key_file: %v", err)
	}
}

func TestRotatedKeysAreUsedAndOldOnesStillRead(t *testing.T) {
	t.Parallel()
	dir, before := create(t)
	a := address(t, "ann@example.com")
	sealed, err := before.Seal(a)
	if err != nil {
		t.Fatal(err)
	}
	mac, _ := before.MAC(1, []byte("data"))
	for _, kind := range []seal.Kind{seal.TokenKey, seal.EncryptionKey} {
		if n, err := seal.Rotate(dir, kind, rand.Reader, time.Now().Add(-time.Second)); err != nil || n != 2 {
			t.Fatalf("Rotate %s: key %d, %v", kind, n, err)
		}
	}
	after := open(t, dir, seal.Options{})
	if after.TokenKeyID() != 2 || after.ID(a) != before.ID(a) {
		t.Errorf("token key %d, want 2 and the same id key", after.TokenKeyID())
	}
	if got, ok := after.MAC(1, []byte("data")); !ok || !hmac.Equal(got, mac) {
		t.Error("the old token key is gone")
	}
	if got, _ := after.MAC(2, []byte("data")); hmac.Equal(got, mac) {
		t.Error("the new token key is the old one")
	}
	if _, ok := after.MAC(3, []byte("data")); ok {
		t.Error("a MAC with a key that was never made")
	}
	if got, err := after.Unseal(sealed); err != nil || got != a.String() {
		t.Errorf("Unseal of what the old key sealed = %q, %v", got, err)
	}
	resealed, err := after.Seal(a)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := before.Unseal(resealed); err != nil || got != a.String() {
		t.Errorf("keys that were open before the rotation: %q, %v, want them to read the new key", got, err)
	}
}

func TestSealKeepsTheAddressAsStoreAddressesSays(t *testing.T) {
	t.Parallel()
	dir, _ := create(t)
	a := address(t, "Ann@example.com")
	for _, c := range []struct {
		addresses string
		shows     bool
		unsealed  string
		err       error
	}{
		{seal.AddressesEncrypted, false, "Ann@example.com", nil},
		{"", false, "Ann@example.com", nil},
		{seal.AddressesPlain, true, "Ann@example.com", nil},
		{seal.AddressesNone, false, "", seal.ErrNotKept},
	} {
		t.Run("store_addresses "+c.addresses, func(t *testing.T) {
			t.Parallel()
			k := open(t, dir, seal.Options{Addresses: c.addresses})
			sealed, err := k.Seal(a)
			if err != nil {
				t.Fatal(err)
			}
			if shows := strings.Contains(sealed, "example"); shows != c.shows {
				t.Errorf("sealed as %q", sealed)
			}
			// What one setting sealed, every other still reads.
			got, err := open(t, dir, seal.Options{}).Unseal(sealed)
			if got != c.unsealed || !errors.Is(err, c.err) {
				t.Errorf("Unseal = %q, %v, want %q, %v", got, err, c.unsealed, c.err)
			}
		})
	}
}

func TestTwoSealsOfOneAddressDiffer(t *testing.T) {
	t.Parallel()
	_, k := create(t)
	one, _ := k.Seal(address(t, "ann@example.com"))
	two, _ := k.Seal(address(t, "ann@example.com"))
	if one == two {
		t.Error("the same text twice: whoever reads the store can compare")
	}
}

func TestAlteredSealIsUnreadable(t *testing.T) {
	t.Parallel()
	_, k := create(t)
	sealed, err := k.Seal(address(t, "ann@example.com"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range sealed {
		other := "A"
		if sealed[i] == 'A' {
			other = "B"
		}
		if got, err := k.Unseal(sealed[:i] + other + sealed[i+1:]); !errors.Is(err, seal.ErrUnreadable) {
			t.Errorf("octet %d altered: %q, %v", i, got, err)
		}
		if got, err := k.Unseal(sealed[:i]); i > 0 && !errors.Is(err, seal.ErrUnreadable) {
			t.Errorf("cut at %d: %q, %v", i, got, err)
		}
	}
}

func TestSealFailsWithoutRandomness(t *testing.T) {
	t.Parallel()
	dir, _ := create(t)
	k := open(t, dir, seal.Options{Rand: strings.NewReader("")})
	if sealed, err := k.Seal(address(t, "ann@example.com")); err == nil {
		t.Errorf("sealed as %q with no nonce", sealed)
	}
}

func BenchmarkID(b *testing.B) {
	_, k := create(b)
	a := address(b, "ann.smith@example.com")
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			k.ID(a)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	_, k := create(b)
	a := address(b, "ann.smith@example.com")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Seal(a); err != nil {
			b.Fatal(err)
		}
	}
}
