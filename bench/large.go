//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/consentgate/consentgate/bench/internal/load"
	"github.com/consentgate/consentgate/bench/internal/results"
	"github.com/consentgate/consentgate/bench/internal/rig"
)

// startLarge starts a gate on a Redis that holds many more records, without their histories: no lookup reads these.
// This Redis has no append-only file, which would take minutes to write and is not used for reading.
func (b *benchmark) startLarge(ctx context.Context) (err error) {
	if b.large, err = rig.StartRedis(ctx, b.path("large"), "--appendonly", "no"); err != nil {
		return err
	}
	g, err := rig.Make(ctx, b.settings("large-gate", b.large.URL))
	if err != nil {
		return err
	}
	b.more = append(b.more, g)
	name := results.Many(b.o.Large)
	b.say("writing %d records into Redis, straight", b.o.Large)
	start := time.Now()
	bytes, err := b.large.FillRecords(ctx, g, b.o.Large)
	if err != nil {
		return err
	}
	b.say("written in %v", time.Since(start).Round(time.Second))
	b.file.Add(results.Sample{
		Cell: results.Cell{Row: results.Memory, Target: name}, Round: 1, Values: values{results.Record: bytes},
	})
	t := b.gateTarget(name, g)
	t.redis = b.large
	b.targets = append(b.targets, t)
	return g.Start(ctx)
}

// measureLarge repeats two rows with many more records.
func (b *benchmark) measureLarge(ctx context.Context, round int) error {
	kept := b.o.workloads()[0]
	kept.row, kept.targets, kept.peers = results.ManyKept, []string{results.Gate, results.Many(b.o.Large)}, false
	if err := b.compare(ctx, round, kept, results.Gate, results.PerFewer, results.Rate); err != nil {
		return err
	}
	targets := b.of(kept)
	addrs := make([]string, len(targets))
	for i, t := range targets {
		addrs[i], _ = t.where()
	}
	took, others, err := b.bestLatency(ctx, load.StepByStep, addrs)
	if err != nil {
		return fmt.Errorf("%s: %w", results.ManyStep, err)
	}
	for i, t := range targets {
		p50 := percentile(took[i], 50)
		b.file.Add(results.Sample{Cell: b.cell(results.ManyStep, t.name), Round: round, Others: others, Values: values{
			results.P50: p50, results.P99: percentile(took[i], 99), results.PerFewer: p50 / percentile(took[0], 50),
		}})
	}
	return nil
}
