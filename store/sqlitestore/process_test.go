package sqlitestore_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/store/sqlitestore"
)

// writerPath is the variable that makes the test binary a second process which writes to the store it names.
const writerPath = "CONSENTGATE_TEST_WRITER"

// What each of two processes writes: single acts of a few recipients, then a bulk.
const (
	acts     = 60
	bulkSize = 600
	people   = 5
)

func TestMain(m *testing.M) {
	if path := os.Getenv(writerPath); path != "" {
		if err := write(path, "second"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// write applies acts and a bulk; every change must be taken.
func write(path, who string) error {
	s, err := sqlitestore.Open(sqlitestore.Options{Path: path})
	if err != nil {
		return err
	}
	defer s.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	for i := range acts {
		c := grant(byte(i%people), fmt.Sprint(who, "-act-", i))
		if err := s.Apply(ctx, []gate.Change{c})[0].Err; err != nil {
			return fmt.Errorf("%s process, act %d: %w", who, i, err)
		}
	}
	var bulk []gate.Change
	for i := range bulkSize {
		c := grant(0, fmt.Sprint(who, "-bulk-", i))
		c.ID = gate.ID{100, byte(i >> 8), byte(i)}
		bulk = append(bulk, c)
	}
	for i, a := range s.Apply(ctx, bulk) {
		if a.Err != nil {
			return fmt.Errorf("%s process, change %d of a bulk: %w", who, i, a.Err)
		}
	}
	return nil
}

func TestTwoProcessesLoseNoEventAndNeverFindTheFileLocked(t *testing.T) {
	t.Parallel()
	s, path := ready(t)
	binary, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	second := exec.CommandContext(t.Context(), binary)
	second.Env = append(os.Environ(), writerPath+"="+path)
	var output bytes.Buffer
	second.Stdout, second.Stderr = &output, &output
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	if err := write(path, "first"); err != nil {
		t.Error(err)
	}
	if err := second.Wait(); err != nil || strings.Contains(output.String(), "locked") {
		t.Errorf("second process: %v\n%s", err, output.String())
	}

	events := 0
	for p, err := range s.Persons(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if p.Record.Version != uint64(len(p.Events)) {
			t.Errorf("%s: version %d of %d events", p.ID, p.Record.Version, len(p.Events))
		}
		events += len(p.Events)
	}
	if want := 2 * (acts + bulkSize); events != want {
		t.Errorf("found %d events, want %d", events, want)
	}
}
