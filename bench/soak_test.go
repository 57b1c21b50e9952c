//go:build linux

package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/bench/internal/results"
)

// Twenty seconds of it; what is still filling its pools then may grow more than in ten minutes.
func TestMixedTrafficLeavesMemoryDescriptorsAndGoroutinesFlat(t *testing.T) {
	t.Parallel()
	o := soakOptions{Time: 20 * time.Second, Every: 250 * time.Millisecond, Growth: 0.5, Records: 2000, Large: mib, Out: t.TempDir()}
	var report, log bytes.Buffer
	if err := soaked(t.Context(), o, &report, &log); err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	for _, part := range []string{warmUpPhase, firstThird, lastThird} {
		if !strings.Contains(report.String(), "| "+part+" |") {
			t.Errorf("no line for the %s:\n%s", part, &report)
		}
	}
	if !strings.Contains(report.String(), "| goroutines |") {
		t.Errorf("no column of goroutines:\n%s", &report)
	}
}

func TestGrowthIsAFault(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		memory, descriptors, goroutines float64 // in the last third; 100 in the first
		want                            string
	}{
		"flat":             {100, 100, 100, ""},
		"a little more":    {109, 109, 125, ""},
		"more memory":      {120, 100, 100, "MiB grew"},
		"more descriptors": {100, 120, 100, "descriptors grew"},
		"more goroutines":  {100, 100, 130, "goroutines grew"},
	} {
		f := &results.File{}
		for i, part := range []string{firstThird, lastThird} {
			v := values{results.RSS: 100, results.Descriptors: 100, results.Goroutines: 100}
			if part == lastThird {
				v = values{results.RSS: tt.memory, results.Descriptors: tt.descriptors, results.Goroutines: tt.goroutines}
			}
			f.Add(results.Sample{Cell: results.Cell{Row: results.Soak, Target: part}, Round: i + 1, Values: v})
		}
		if err := flat(f, 0.1); (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

func TestPhasesHaveAWarmUpAndEqualThirds(t *testing.T) {
	t.Parallel()
	count := map[string]int{}
	for i := 1; i <= 60; i++ {
		count[phase(i, 60)]++
	}
	if count[warmUpPhase] != 6 || count[firstThird] != 18 || count["second third"] != 18 || count[lastThird] != 18 {
		t.Errorf("%v, want 6 and three times 18", count)
	}
}
