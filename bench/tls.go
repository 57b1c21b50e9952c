//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/consentgate/consentgate/bench/internal/countsink"
	"github.com/consentgate/consentgate/bench/internal/load"
	"github.com/consentgate/consentgate/bench/internal/procs"
	"github.com/consentgate/consentgate/bench/internal/results"
	"github.com/consentgate/consentgate/bench/internal/rig"
)

const starttls = "{address: 127.0.0.1:0, tls: starttls}"

// tlsGates are two gates on the first one's store: with TLS for clients, and with TLS for the upstream as well.
type tlsGates struct {
	authority *rig.Authority
	in        target
}

// startTLS starts an upstream that offers STARTTLS and the gates that use it, and names them as targets.
func (b *benchmark) startTLS(ctx context.Context) (err error) {
	if b.tls.authority, err = rig.NewAuthority(b.dir); err != nil {
		return err
	}
	sink, err := b.startSecure(ctx)
	if err != nil {
		return err
	}
	s := b.settings("tls-in", b.redis.URL)
	s.Sibling, s.TLS, s.Plain, s.Listeners = b.gate, b.tls.authority, true, []string{starttls}
	in, err := b.addGate(ctx, s)
	if err != nil {
		return err
	}
	s.Dir, s.Plain, s.Upstream, s.Listeners = b.path("tls-out"), false, sink, []string{rig.Plain, starttls}
	out, err := b.addGate(ctx, s)
	if err != nil {
		return err
	}
	client := b.tls.authority.Client
	b.tls.in = b.gateTarget(results.TLSIn, in)
	b.tls.in.tls = client
	plain, both := b.gateTarget(results.TLSOut, out), b.gateTarget(results.TLSBoth, out)
	both.tls, both.where = client, func() (string, int) { return out.Addrs[1], out.PID }
	plain.upstream, both.upstream = b.secure, b.secure
	b.targets = append(b.targets, b.tls.in, plain, both)
	return nil
}

// startSecure starts this program once more as an upstream with STARTTLS, and returns where it listens.
func (b *benchmark) startSecure(ctx context.Context) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	a := b.tls.authority
	c, err := countsink.Start(procs.Command(ctx, self, "countsink", "127.0.0.1:0", a.Certificate, a.Key), b.path("secure.log"))
	if err != nil {
		return "", err
	}
	b.secure = counting{c}
	return c.Addr, nil
}

// measureTLS measures what TLS costs, with a client of our own, whose figures without TLS are the yardstick.
func (b *benchmark) measureTLS(ctx context.Context, round int) error {
	for _, w := range b.o.tlsWorkloads() {
		if err := b.compare(ctx, round, w, results.Gate, results.PerPlain, results.Rate); err != nil {
			return err
		}
	}
	return b.idleTLS(ctx, round)
}

func (o options) tlsWorkloads() []workload {
	kept := load.Job{From: rig.FromPerRecipient, Sessions: 16, Size: 4 * kib, Recipients: 1, Kept: true}
	fresh := kept
	fresh.Kept = false
	targets := []string{results.Direct, results.HAProxy, results.Gate, results.TLSIn, results.TLSOut, results.TLSBoth}
	return []workload{
		{row: results.TLSKept, job: kept, trial: 320, targets: targets, own: true},
		{row: results.TLSNew, job: fresh, trial: 160, targets: targets, own: true},
	}
}

// compare measures a row for each of its targets, in an order that changes from round to round, and notes what metric m
// is in relation to that of base.
func (b *benchmark) compare(ctx context.Context, round int, w workload, base string, ratio, m results.Metric) error {
	targets, samples := b.of(w), map[string]results.Sample{}
	for i := range targets {
		t := targets[(i+round)%len(targets)]
		s, err := b.sized(ctx, w, t)
		if err != nil {
			return err
		}
		s.Round = round
		samples[t.name] = s
	}
	for _, t := range targets {
		s := samples[t.name]
		if t.gate != nil {
			s.Values[ratio] = s.Values[m] / samples[base].Values[m]
		}
		b.file.Add(s)
	}
	return nil
}

// sized is a run of about the time it should take; the first time a shorter one tells how many messages that are.
func (b *benchmark) sized(ctx context.Context, w workload, t target) (results.Sample, error) {
	cell := b.cell(w.row, t.name)
	if b.counts[cell] == 0 {
		w.job.Messages = w.trial
		s, err := b.once(ctx, w, t)
		if err != nil {
			return s, err
		}
		b.counts[cell] = b.messages(w, t, s.Values[results.Rate])
	}
	w.job.Messages = b.counts[cell]
	return b.best(ctx, w, t)
}

// idleTLS reads the memory of a fresh gate with many sessions in TLS that wait.
func (b *benchmark) idleTLS(ctx context.Context, round int) error {
	g, n := b.tls.in.gate, b.o.Idle[0]
	if err := g.Restart(ctx); err != nil {
		return err
	}
	time.Sleep(settle)
	fresh := procs.MemoryOf(g.PID).RSS
	open, err := load.OpenTLS(ctx, g.Addr, b.tls.authority.Client, n)
	if err != nil {
		return fmt.Errorf("%s: %w", results.IdleTLSRow(n), err)
	}
	defer open.Close()
	time.Sleep(settle)
	b.file.Add(results.Sample{
		Cell: b.cell(results.IdleTLSRow(n), results.TLSIn), Round: round, Values: idleValues(fresh, procs.MemoryOf(g.PID).RSS, n),
	})
	return nil
}

// idleValues are what n sessions that wait add to a fresh gate, both in bytes.
func idleValues(fresh, idle int64, n int) values {
	v := values{results.Fresh: float64(fresh) / mib, results.Idle: float64(idle) / mib}
	if n > 0 {
		v[results.PerSession] = float64(idle-fresh) / kib / float64(n)
	}
	return v
}
