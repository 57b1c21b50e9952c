package seal_test

import (
	"crypto/ed25519"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/consentgate/consentgate/internal/seal"
)

func TestASigningKeyIsMadeOnceAndSignsFromThenOn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := seal.OpenSigner(dir, false, nil); !errors.Is(err, seal.ErrNoKey) {
		t.Fatalf("without a key: got %v", err)
	}
	first, err := seal.OpenSigner(dir, true, nil)
	if err != nil {
		t.Fatal(err)
	}
	again, err := seal.OpenSigner(dir, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	if !first.Public().Equal(again.Public()) || !ed25519.Verify(again.Public(), []byte("text"), first.Sign([]byte("text"))) {
		t.Error("the key is another one after opening it again")
	}
	name := filepath.Join(dir, "signing.key")
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info, err)
	}
	if err := os.WriteFile(name, []byte("short\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := seal.OpenSigner(dir, true, nil); !errors.Is(err, seal.ErrBadKey) {
		t.Errorf("a damaged key: got %v", err)
	}
}
