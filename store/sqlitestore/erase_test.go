package sqlitestore_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/store/sqlitestore"
)

// The bytes of the file and of what SQLite keeps beside it hold nothing of a person who was erased.
func TestAnErasureLeavesNoMarkerInTheFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "consent.db")
	s := open(t, sqlitestore.Options{Path: path})
	gatetest.TestErasure(t, s, func(context.Context) (found []byte) {
		for _, name := range []string{path, path + "-wal"} {
			b, err := os.ReadFile(name)
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			found = append(found, b...)
		}
		return bytes.Clone(found)
	})
}
