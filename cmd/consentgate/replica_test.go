package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/consentgate/consentgate/internal/testredis"
)

// A server that was made a replica goes on answering, with what its master had a while ago: serve defers, and so does
// whoever asks for a verdict.
func TestNoVerdictComesFromAReplica(t *testing.T) {
	t.Parallel()
	master := testredis.Start(t)
	s := newSite(t, "store: "+master.URL+"\n"+scriptConfig)
	for _, args := range [][]string{
		{"store", "init"},
		{"consent", "grant", "ann@example.com", "--purpose", "newsletter", "--method", "active", "--default-state", "unticked"},
		{"check", "ann@example.com"},
	} {
		if code, _, stderr := s.run(args...); code != exitOK {
			t.Fatalf("%v: exit code %d: %s", args, code, stderr)
		}
	}
	replica := master.Replica(t)
	code, stdout, stderr := s.run("check", "ann@example.com", "--store", replica.URL)
	if code != exitDefer || !strings.Contains(stdout, "store_unavailable") || !strings.Contains(stderr, "READONLY") {
		t.Errorf("check: exit code %d\n%s%s", code, stdout, stderr)
	}
	file := filepath.Join(s.dir, "people.csv")
	if err := os.WriteFile(file, []byte("email\nann@example.com\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, stdout, _ := s.run("import", file, "--purpose", "newsletter", "--dry-run", "--store", replica.URL); code != exitError || stdout != "" {
		t.Errorf("import --dry-run: exit code %d\n%s", code, stdout)
	}
}
