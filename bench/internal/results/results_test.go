package results_test

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/bench/internal/results"
)

// rates is the row of 16 kept sessions with the gate's messages/s in each round; haproxy's are 10,000 and 20,000.
func rates(gate ...float64) *results.File {
	f := &results.File{
		Date: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), Commit: "abc",
		Machine: map[string]string{"cores": "2"}, Versions: map[string]string{"haproxy": "2.6"}, Settings: map[string]string{"rounds": "2"},
	}
	cell := func(target string) results.Cell {
		return results.Cell{Row: results.Kept, Upstream: results.SMTPSink, Target: target}
	}
	for i, v := range gate {
		f.Add(
			results.Sample{Cell: cell(results.Gate), Round: i + 1, Values: map[results.Metric]float64{results.Rate: v, results.CPU: 0.09}},
			results.Sample{Cell: cell(results.HAProxy), Round: i + 1, Values: map[results.Metric]float64{results.Rate: float64(10_000 * (1 + i%2))}},
		)
	}
	return f
}

func report(t *testing.T, f *results.File) string {
	t.Helper()
	var b bytes.Buffer
	if err := f.Markdown(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestRatiosAreOfTheSameRound(t *testing.T) {
	t.Parallel()
	// Of the medians, 13,000 ÷ 15,000, the ratio would be 0.867.
	got := report(t, rates(8000, 18_000))
	for _, want := range []string{
		"| 16 sessions kept, ÷ haproxy | 0.850 (0.800–0.900) | – | ≥ 0.780 | ≥ 0.900 | reached |",
		"| CPU of the gate per 1,000 messages, kept, s | 0.090 (0.090–0.090) | – | ≤ 0.100 | ≤ 0.080 | reached |",
		"| consentgate | 13,000 (8,000–18,000) | 0.850 (0.800–0.900) | 0.090 (0.090–0.090) | 0 % |",
		"| 100 KiB, 16 sessions kept, ÷ haproxy | – | – | ≥ 0.950 | ≥ 1.00 | not measured |",
	} {
		if !strings.Contains(got, want+"\n") {
			t.Errorf("the report lacks\n%s\nit is\n%s", want, got)
		}
	}
}

func TestAGoalIsReachedAtItsBound(t *testing.T) {
	t.Parallel()
	for rate, want := range map[float64]string{7799: "missed", 7800: "reached", 9000: "stretch"} {
		line := "| 16 sessions kept, ÷ haproxy | "
		_, after, _ := strings.Cut(report(t, rates(rate)), line)
		got, _, _ := strings.Cut(after, "\n")
		if !strings.HasSuffix(got, "| "+want+" |") {
			t.Errorf("%v of 10,000: %s, want %s", rate, got, want)
		}
	}
}

func TestAChangeIsMarkedWhereRoundsDoNotOverlap(t *testing.T) {
	t.Parallel()
	old := rates(8000, 16_000, 9000)
	for name, tt := range map[string]struct {
		now  *results.File
		want string
	}{
		"the same":      {rates(8000, 16_000, 9000), "| +0.0 % |  |"},
		"within rounds": {rates(8500, 17_000, 8800), "| +6.2 % |  |"},
		"beyond them":   {rates(9500, 19_500, 9200), "| +18.7 % | changed |"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b bytes.Buffer
			if err := results.Compare(&b, old, tt.now); err != nil {
				t.Fatal(err)
			}
			_, after, _ := strings.Cut(b.String(), "| 16 sessions kept, ÷ haproxy |")
			line, _, _ := strings.Cut(after, "\n")
			if !strings.HasSuffix(line, tt.want) {
				t.Errorf("got %s, want it to end %s", line, tt.want)
			}
		})
	}
}

func TestASavedFileIsLoadedAndNotOverwritten(t *testing.T) {
	t.Parallel()
	dir, f := t.TempDir(), rates(1, 2)
	first, err := f.Save(dir)
	if err != nil {
		t.Fatal(err)
	}
	second, err := f.Save(dir)
	if err != nil || filepath.Base(first) != "2026-11-23" || filepath.Base(second) != "2026-11-23-2" {
		t.Fatalf("saved as %s and %s, error %v", first, second, err)
	}
	got, err := results.Load(second + ".json")
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(f, got); d != "" {
		t.Errorf("loaded (-want +got):\n%s", d)
	}
}
