//go:build linux

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"time"

	"github.com/consentgate/consentgate/bench/internal/load"
	"github.com/consentgate/consentgate/bench/internal/procs"
	"github.com/consentgate/consentgate/bench/internal/results"
	"github.com/consentgate/consentgate/bench/internal/rig"
)

const (
	kib = 1 << 10
	mib = 1 << 20

	// maxNew is how many connections a run may open: each leaves a port in TIME_WAIT.
	maxNew = 8000

	// A run is done again where other programs took more of the machine than this, and the best of them counts.
	quietShare = 0.06
	maxTries   = 3

	// drainTime is how long a queue may take for one run.
	drainTime = 5 * time.Minute
)

// workload is a row whose figure is messages a second.
type workload struct {
	row     results.Row
	job     load.Job // without Messages
	trial   int      // messages of a first, short run that tells how many make a real one
	targets []string
	peers   bool // they are measured too
	own     bool // the client is a [load.Swarm]; else smtp-source
}

func (o options) workloads() []workload {
	yard := []string{results.Direct, results.HAProxy, results.Gate}
	job := func(sessions, size, recipients int) load.Job {
		return load.Job{From: rig.FromPerRecipient, Sessions: sessions, Size: size, Recipients: recipients, Kept: true}
	}
	fresh, shared := job(16, 4*kib, 1), job(16, 4*kib, 10)
	fresh.Kept = false
	shared.From = rig.FromToAll
	return []workload{
		{results.Kept, job(16, 4*kib, 1), 320, append(slices.Clone(yard), results.Embedded), true, false},
		{results.Split, job(16, 4*kib, 10), 64, []string{results.Gate}, false, false},
		{results.New, fresh, 160, yard, true, false},
		{results.Shared, shared, 160, yard, true, false},
		{results.Large, job(16, 100*kib, 1), 64, yard, false, false},
		{results.Huge, job(1, o.Huge, 1), 2, yard, false, false},
	}
}

// learnBodies lets the upstream keep a body of each size as smtp-source makes them, to compare with, beside our own.
func (b *benchmark) learnBodies(ctx context.Context) error {
	b.bodies = []string{load.Body(load.Message(watchSize, "")), load.Body(load.Message(messageSize, ""))}
	for _, w := range b.o.workloads() {
		body, err := b.learnBody(ctx, w.job)
		if err != nil {
			return err
		}
		b.bodies = append(b.bodies, body)
	}
	return nil
}

func (b *benchmark) learnBody(ctx context.Context, j load.Job) (string, error) {
	sink, ok := b.upstream.(counting)
	if !ok {
		return "", errors.New("only countsink shows bodies")
	}
	if err := sink.Reset(); err != nil {
		return "", err
	}
	j.Messages, j.Sessions = 1, 1
	if _, err := load.Source(ctx, b.source, b.upstreamAddr, j); err != nil {
		return "", err
	}
	r, err := sink.Report()
	if err != nil || len(r.Samples) != 1 {
		return "", fmt.Errorf("the upstream kept %d samples of one message, error %w", len(r.Samples), err)
	}
	return load.Body(r.Samples[0].Content), nil
}

// warmUp sends a few messages everywhere: connections are made, and the first time it shows how much a run can be.
func (b *benchmark) warmUp(ctx context.Context, _ int) error {
	for _, w := range b.o.workloads() {
		for _, t := range b.of(w) {
			w.job.Messages = w.trial
			s, err := b.once(ctx, w, t)
			if err != nil {
				return err
			}
			if b.counts[s.Cell] == 0 {
				b.counts[s.Cell] = b.messages(w, t, s.Values[results.Rate])
			}
		}
	}
	return nil
}

// of returns the targets of a row.
func (b *benchmark) of(w workload) (targets []target) {
	for _, t := range b.targets {
		if slices.Contains(w.targets, t.name) || w.peers && slices.Contains(b.o.Peers, t.name) {
			targets = append(targets, t)
		}
	}
	return targets
}

// messages of a run that takes about the time it should.
func (b *benchmark) messages(w workload, t target, rate float64) int {
	records := b.o.Records
	if t.name == results.Embedded {
		records = b.o.Embedded
	}
	most := records / w.job.Recipients
	if !w.job.Kept {
		most = min(most, maxNew)
	}
	return min(most, max(w.trial, int(math.Ceil(rate*b.o.Time.Seconds()))))
}

// throughput measures every row once for each of its targets, whose order changes from round to round.
func (b *benchmark) throughput(ctx context.Context, round int) error {
	for _, w := range b.o.workloads() {
		targets := b.of(w)
		for i := range targets {
			t := targets[(i+round)%len(targets)]
			w.job.Messages = b.counts[b.cell(w.row, t.name)]
			s, err := b.best(ctx, w, t)
			if err != nil {
				return err
			}
			s.Round = round
			b.file.Add(s)
		}
	}
	return nil
}

func (b *benchmark) cell(r results.Row, target string) results.Cell {
	return results.Cell{Row: r, Upstream: b.upstreamName, Target: target}
}

// best repeats a run that other programs disturbed.
func (b *benchmark) best(ctx context.Context, w workload, t target) (best results.Sample, err error) {
	for i := range maxTries {
		if b.o.Quiet > 0 {
			procs.AwaitQuiet(quietShare, b.o.Quiet)
		}
		s, err := b.once(ctx, w, t)
		if err != nil {
			return s, err
		}
		if i == 0 || s.Others < best.Others {
			best = s
		}
		if b.o.Quiet == 0 || s.Others < quietShare {
			break
		}
	}
	return best, nil
}

// once is one run. One that was asked to try again later does: the report tells how many there were.
func (b *benchmark) once(ctx context.Context, w workload, t target) (s results.Sample, err error) {
	for range maxTries {
		if s, err = b.attempt(ctx, w, t); !errors.Is(err, load.ErrDeferred) {
			break
		}
		b.file.Deferred++
		b.say("again, since mail was deferred: %v", err)
	}
	return s, err
}

// attempt is one run, with a Watch beside it, and its check.
func (b *benchmark) attempt(ctx context.Context, w workload, t target) (results.Sample, error) {
	s := results.Sample{Cell: b.cell(w.row, t.name)}
	sink := b.upstreamOf(t)
	if err := sink.Reset(); err != nil {
		return s, err
	}
	_, pid := t.where()
	watched := b.watch(ctx, t, w.job.From)
	m := startMeter(pid, cmp.Or(t.redis, b.redis))
	took, err := b.send(ctx, w, t)
	if !t.queues {
		s.Values, s.Others = m.read(w.job, took)
	}
	sent, watchErr := watched()
	want := b.expected(t, w, sent)
	if err = cmp.Or(err, watchErr); err == nil && t.queues {
		took, err = b.drained(ctx, m.start, want.Taken())
		s.Values, s.Others = m.read(w.job, took)
	}
	if err == nil {
		err = sink.Check(want)
	}
	if err != nil {
		return s, fmt.Errorf("%s: %w%s", s.Cell, err, t.said())
	}
	return s, nil
}

func (b *benchmark) upstreamOf(t target) upstream {
	if t.upstream != nil {
		return t.upstream
	}
	return b.upstream
}

func (b *benchmark) send(ctx context.Context, w workload, t target) (time.Duration, error) {
	addr, _ := t.where()
	if !w.own {
		return load.Source(ctx, b.source, addr, w.job)
	}
	s, err := load.Swarm{Addr: addr, TLS: t.tls}.Run(ctx, w.job)
	return s.Took, err
}

// drained waits until a queue has given n messages to the upstream, and returns the time since start.
func (b *benchmark) drained(ctx context.Context, start time.Time, n int) (time.Duration, error) {
	deadline := start.Add(drainTime)
	for time.Now().Before(deadline) && ctx.Err() == nil {
		if got, err := b.upstream.Taken(n); err != nil || got >= n {
			return time.Since(start), err
		}
		time.Sleep(10 * time.Millisecond)
	}
	return 0, fmt.Errorf("the queue has not given %d messages to the upstream after %v", n, time.Since(start).Round(time.Second))
}

// expected is what the upstream must have received of a run.
func (b *benchmark) expected(t target, w workload, watched load.Sent) rig.Expected {
	judge := &rig.Judge{Bodies: b.bodies}
	if t.gate != nil {
		judge.Keys = t.gate.Keys
	}
	return rig.Expected{
		Messages: w.job.Messages, Recipients: w.job.Recipients, Size: w.job.Size, Watch: watched,
		Copies: t.gate != nil && w.job.From == rig.FromPerRecipient, Samples: judge,
	}
}

// Octets of the messages that are our own, about.
const (
	watchSize   = kib
	messageSize = 4 * kib
)

// watch starts a [load.Watch] and returns what ends it and tells what it sent.
func (b *benchmark) watch(ctx context.Context, t target, from string) func() (load.Sent, error) {
	ctx, stop := context.WithCancel(ctx)
	addr, _ := t.where()
	w := load.Watch{Addr: addr, From: from, Size: watchSize, Decides: t.decides, TLS: t.tls}
	var sent load.Sent
	var err error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		sent, err = w.Run(ctx)
	}()
	return func() (load.Sent, error) {
		stop()
		<-ended
		return sent, err
	}
}

// meter reads /proc before and after a run.
type meter struct {
	pid, redis                int
	start                     time.Time
	cpu, redisCPU, busy, ours time.Duration
}

// startMeter watches a process and Redis, where there is one.
func startMeter(pid int, r *rig.Redis) meter {
	m := meter{pid: pid}
	if r != nil {
		m.redis = r.PID
	}
	procs.ResetPeak(pid)
	m.cpu, m.redisCPU = procs.CPU(pid), procs.CPU(m.redis)
	m.start, m.busy, m.ours = time.Now(), procs.Busy(), procs.CPU(os.Getpid())
	return m
}

// read returns the run's values and the share of the machine that others took. All that works for the run is this
// process, its children, or a child that has ended.
func (m meter) read(j load.Job, took time.Duration) (values, float64) {
	busy, ours, elapsed := procs.Busy()-m.busy, procs.CPU(os.Getpid())-m.ours, time.Since(m.start)
	rate := float64(j.Messages) / took.Seconds()
	v := values{results.Rate: rate}
	if j.Recipients > 1 {
		v[results.Copies] = rate * float64(j.Recipients)
	}
	if m.pid != 0 {
		perThousand := func(d time.Duration) float64 { return d.Seconds() * 1000 / float64(j.Messages) }
		v[results.CPU] = perThousand(procs.CPU(m.pid) - m.cpu)
		v[results.RedisCPU] = perThousand(procs.CPU(m.redis) - m.redisCPU)
		v[results.Peak] = float64(procs.MemoryOf(m.pid).Peak) / mib
	}
	return v, procs.Share(busy-ours, elapsed)
}
