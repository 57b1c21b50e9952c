//go:build linux

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/consentgate/consentgate/bench/internal/load"
	"github.com/consentgate/consentgate/bench/internal/procs"
	"github.com/consentgate/consentgate/bench/internal/results"
	"github.com/consentgate/consentgate/bench/internal/rig"
)

// settle is how long a gate gets before its memory is read.
const settle = time.Second

// idle reads the memory of a fresh gate with many sessions that wait after EHLO, and again once each has sent a message.
func (b *benchmark) idle(ctx context.Context, round int) error {
	if err := b.gate.Restart(ctx); err != nil {
		return err
	}
	time.Sleep(settle)
	fresh := procs.MemoryOf(b.gate.PID)
	for _, n := range b.o.Idle {
		v, err := b.sessions(n, fresh)
		if err != nil {
			return fmt.Errorf("%s: %w", results.IdleRow(n), err)
		}
		b.file.Add(results.Sample{Cell: b.cell(results.IdleRow(n), results.Gate), Round: round, Values: v})
	}
	return nil
}

func (b *benchmark) sessions(n int, fresh procs.Memory) (values, error) {
	if err := b.upstream.Reset(); err != nil {
		return nil, err
	}
	open, err := load.Open(b.gate.Addr, n)
	if err != nil {
		return nil, err
	}
	defer open.Close()
	time.Sleep(settle)
	idle := procs.MemoryOf(b.gate.PID).RSS
	if err := open.Send(rig.FromPerRecipient, messageSize); err != nil {
		return nil, err
	}
	time.Sleep(settle)
	sent := procs.MemoryOf(b.gate.PID).RSS
	want := rig.Expected{
		Messages: n, Recipients: 1, Size: messageSize, Copies: true, Samples: &rig.Judge{Keys: b.gate.Keys, Bodies: b.bodies},
	}
	return values{
		results.Fresh: float64(fresh.RSS) / mib, results.Program: float64(fresh.File) / mib,
		results.Idle: float64(idle) / mib, results.AfterMail: float64(sent) / mib,
		results.PerSession: float64(idle-fresh.RSS) / kib / float64(n),
	}, b.upstream.Check(want)
}

// eightHuge reads the peak of a fresh gate through which eight large messages go at once.
func (b *benchmark) eightHuge(ctx context.Context, round int) error {
	if err := b.gate.Restart(ctx); err != nil {
		return err
	}
	const n = 8
	w := workload{row: results.EightHuge, job: load.Job{
		From: rig.FromPerRecipient, Sessions: n, Messages: n, Size: b.o.Huge, Recipients: 1, Kept: true,
	}}
	s, err := b.once(ctx, w, b.targets[2])
	s.Round = round
	b.file.Add(s)
	return err
}
