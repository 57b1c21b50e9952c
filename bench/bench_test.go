//go:build linux

package main

import (
	"bytes"
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/bench/internal/results"
	"github.com/consentgate/consentgate/bench/internal/rig"
)

// TestMain lets the benchmark start this program as its upstream.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "countsink" {
		if err := execute(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr); err != nil {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// tiny shows that every step works, in a few seconds.
func tiny(t *testing.T) options {
	return options{
		Rounds: 1, Records: 3200, Embedded: 400, Time: time.Millisecond, Messages: 5, Huge: mib, Idle: []int{5, 10}, Imported: 200,
		Scale: []int{20}, Active: 8, Each: 3, Large: 4000,
		Out: t.TempDir(), Dir: t.TempDir(),
	}
}

func TestEveryGoalGetsAFigure(t *testing.T) {
	t.Parallel()
	var report, log bytes.Buffer
	if err := run(t.Context(), tiny(t), &report, &log); err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	for _, g := range results.Goals() {
		line := lineWith(report.String(), "| "+g.Work)
		measured := !strings.Contains(line, "not measured")
		if optional := g.Row == results.Import || g.Row == results.Idle5000; !measured && !optional {
			t.Errorf("no figure: %s", line)
		}
	}
	for _, row := range []results.Row{
		results.IdleRow(5), results.IdleRow(10), results.Fill, results.TLSKept, results.TLSNew, results.IdleTLSRow(5),
		results.ScaleRow(20, 8), results.ManyKept, results.ManyStep,
	} {
		if !strings.Contains(report.String(), "## "+string(row)) {
			t.Errorf("the report has no row %q", row)
		}
	}
}

func lineWith(text, start string) string {
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, start) {
			return line
		}
	}
	return "not measured: no line begins with " + start
}

// A straight connection that is said to decide lets the withdrawn recipient through.
func TestAGateThatLetsEverybodyThroughGetsNoFigure(t *testing.T) {
	t.Parallel()
	b := newBenchmark(tiny(t), t.TempDir(), t.Output())
	for _, step := range []func(context.Context) error{b.findPrograms, b.startUpstream} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		if err := b.stop(); err != nil {
			t.Error(err)
		}
	})
	open := b.gateTarget(results.Gate, &rig.Gate{Addr: b.upstreamAddr})
	open.where = func() (string, int) { return b.upstreamAddr, 0 }
	w := b.o.workloads()[0]
	w.job.Messages = w.trial
	if _, err := b.once(t.Context(), w, open); err == nil || !strings.Contains(err.Error(), "withdrawn") {
		t.Errorf("error %v, want one that says that somebody who has withdrawn is not refused", err)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		args []string
		want string // in the error; "": none
	}{
		"nothing":            {nil, ""},
		"short":              {[]string{"-short", "-rounds", "1"}, ""},
		"an unknown command": {[]string{"measure"}, "no command"},
		"an unknown flag":    {[]string{"-loud"}, "not defined"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, err := parseFlags(tt.args, t.Output())
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("parseFlags(%q) = %+v, %v; want an error with %q", tt.args, o, err, tt.want)
			}
		})
	}
}
