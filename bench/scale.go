//go:build linux

package main

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/consentgate/consentgate/bench/internal/load"
	"github.com/consentgate/consentgate/bench/internal/procs"
	"github.com/consentgate/consentgate/bench/internal/results"
	"github.com/consentgate/consentgate/bench/internal/rig"
)

// spareDescriptors are for all that is no session: the store, logs, libraries.
const spareDescriptors = 300

// scale measures sessions that send beside others that wait, with none of those first.
func (b *benchmark) scale(ctx context.Context, round int) error {
	if b.crowded == nil {
		if err := b.startCrowded(ctx); err != nil {
			return err
		}
	}
	for _, n := range append([]int{0}, b.o.Scale...) {
		if n = b.fitting(n); n < 0 {
			return fmt.Errorf("%d sessions that send need more descriptors than this system allows a process (ulimit -Hn)", b.o.Active)
		}
		row := results.ScaleRow(n, b.o.Active)
		v, err := b.beside(ctx, n)
		if err != nil {
			return fmt.Errorf("%s: %w", row, err)
		}
		b.file.Add(results.Sample{Cell: b.cell(row, results.Gate), Round: round, Values: v})
	}
	return nil
}

// startCrowded starts a gate that takes more sessions than one as shipped does.
func (b *benchmark) startCrowded(ctx context.Context) (err error) {
	s := b.settings("crowded", b.redis.URL)
	s.Sibling, s.Sections = b.gate, "limits: {sessions: 100000, sessions_per_network: 100000}\n"
	b.crowded, err = b.addGate(ctx, s)
	return err
}

// fitting is n, or how many sessions may wait where descriptors are fewer: the gate has one for each session, and one
// upstream for each that sends.
func (b *benchmark) fitting(n int) int {
	allowed := procs.AllowDescriptors(n + 2*b.o.Active + spareDescriptors)
	most := allowed - 2*b.o.Active - spareDescriptors
	if n <= most {
		return n
	}
	b.say("%d sessions do not fit: a process may have %d descriptors (ulimit -Hn)", n, allowed)
	return most / 100 * 100
}

// beside opens n sessions that wait and sends on others.
func (b *benchmark) beside(ctx context.Context, n int) (values, error) {
	if err := b.crowded.Restart(ctx); err != nil {
		return nil, err
	}
	time.Sleep(settle)
	fresh := procs.MemoryOf(b.crowded.PID).RSS
	if err := b.upstream.Reset(); err != nil {
		return nil, err
	}
	open, err := load.Open(b.crowded.Addr, n)
	if err != nil {
		return nil, err
	}
	defer open.Close()
	time.Sleep(settle)
	v := idleValues(fresh, procs.MemoryOf(b.crowded.PID).RSS, n)
	if b.o.Quiet > 0 {
		procs.AwaitQuiet(quietShare, b.o.Quiet)
	}
	return v, b.sendBeside(ctx, v)
}

// sendBeside sends on sessions of their own, and adds what that gave to v.
func (b *benchmark) sendBeside(ctx context.Context, v values) error {
	j := load.Job{
		From: rig.FromPerRecipient, Sessions: b.o.Active, Messages: min(b.o.Records, b.o.Active*b.o.Each), Size: messageSize, Recipients: 1, Kept: true,
	}
	m := startMeter(b.crowded.PID, b.redis)
	sent, err := load.Swarm{Addr: b.crowded.Addr, Retry: maxTries}.Run(ctx, j)
	if err != nil {
		return fmt.Errorf("%w\nthe gate's log ends:\n%s", err, b.crowded.Tail())
	}
	run, _ := m.read(j, sent.Took)
	maps.Copy(v, run)
	v[results.Retried] = float64(sent.Retried)
	v[results.P50], v[results.P99] = percentile(sent.Times, 50), percentile(sent.Times, 99)
	return b.upstream.Check(rig.Expected{
		Messages: j.Messages, Recipients: 1, Size: messageSize, Copies: true, Retried: sent.Retried,
		Samples: &rig.Judge{Keys: b.crowded.Keys, Bodies: b.bodies},
	})
}
