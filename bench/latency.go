//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/consentgate/consentgate/bench/internal/load"
	"github.com/consentgate/consentgate/bench/internal/procs"
	"github.com/consentgate/consentgate/bench/internal/results"
	"github.com/consentgate/consentgate/bench/internal/rig"
)

// latency times messages one by one, in each mode, the targets in turn message by message.
func (b *benchmark) latency(ctx context.Context, round int) error {
	targets := b.targets[:3] // direct, haproxy, consentgate
	addrs := make([]string, len(targets))
	for i, t := range targets {
		addrs[i], _ = t.where()
	}
	for mode, row := range []results.Row{results.StepByStep, results.Pipelined, results.Connection} {
		took, others, err := b.bestLatency(ctx, load.Mode(mode), addrs)
		if err != nil {
			return fmt.Errorf("%s: %w", row, err)
		}
		for i, t := range targets {
			b.file.Add(results.Sample{Cell: b.cell(row, t.name), Round: round, Others: others, Values: values{
				results.P50: percentile(took[i], 50), results.P99: percentile(took[i], 99),
			}})
		}
	}
	return nil
}

// bestLatency repeats what other programs disturbed.
func (b *benchmark) bestLatency(ctx context.Context, m load.Mode, addrs []string) (best [][]time.Duration, least float64, err error) {
	for i := range maxTries {
		if b.o.Quiet > 0 {
			procs.AwaitQuiet(quietShare, b.o.Quiet)
		}
		took, others, err := b.onceLatency(ctx, m, addrs)
		if err != nil {
			return nil, 0, err
		}
		if i == 0 || others < least {
			best, least = took, others
		}
		if b.o.Quiet == 0 || others < quietShare {
			break
		}
	}
	return best, least, nil
}

func (b *benchmark) onceLatency(ctx context.Context, m load.Mode, addrs []string) ([][]time.Duration, float64, error) {
	if err := b.upstream.Reset(); err != nil {
		return nil, 0, err
	}
	meter := startMeter(0, nil)
	took, err := load.Latency(ctx, m, addrs, rig.FromPerRecipient, messageSize, b.o.Messages)
	if err != nil {
		return nil, 0, err
	}
	busy, ours := procs.Busy()-meter.busy, procs.CPU(os.Getpid())-meter.ours
	want := rig.Expected{
		Messages: b.o.Messages, Recipients: 1, Times: len(addrs), Size: messageSize, Samples: &rig.Judge{Bodies: b.bodies},
	}
	return took, procs.Share(busy-ours, time.Since(meter.start)), b.upstream.Check(want)
}

// percentile in µs.
func percentile(all []time.Duration, p int) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return float64(sorted[min(len(sorted)-1, len(sorted)*p/100)].Nanoseconds()) / 1000
}
