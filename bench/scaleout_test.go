//go:build linux

package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/consentgate/consentgate/bench/internal/results"
)

func TestThreeGatesOnAClusterLoseNothingWhenOneIsKilled(t *testing.T) {
	t.Parallel()
	o := scaleoutOptions{Rounds: 1, Records: 2000, Messages: 600, Out: t.TempDir()}
	var report, log bytes.Buffer
	if err := scaledOut(t.Context(), o, &report, &log); err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	for _, row := range []results.Row{results.ScaleOut, results.Withdrawal, results.Killed} {
		if !strings.Contains(report.String(), "## "+string(row)) {
			t.Errorf("no row %q:\n%s", row, &report)
		}
	}
}

func TestWrongFlagsSayWhatIsWanted(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"more records than messages": {"scaleout", "-records", "100"},
		"no argument":                {"scaleout", "three"},
		"ten samples":                {"soak", "-time", "10s", "-every", "5s"},
		"not defined":                {"soak", "-long"},
	} {
		var out, log bytes.Buffer
		if err := execute(t.Context(), args, nil, &out, &log); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("bench %v: %v, want an error with %q", args, err, want)
		}
	}
}
