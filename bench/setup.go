//go:build linux

package main

import (
	"context"
	"crypto/tls"
	"errors"
	"os"
	"slices"
	"time"

	"github.com/consentgate/consentgate/bench/internal/procs"
	"github.com/consentgate/consentgate/bench/internal/results"
	"github.com/consentgate/consentgate/bench/internal/rig"
)

// setup is what runs beside the benchmark.
type setup struct {
	source   string // smtp-source
	binary   string // consentgate
	redis    *rig.Redis
	haproxy  *rig.HAProxy
	gate     *rig.Gate   // with Redis
	embedded *rig.Gate   // with the embedded store
	more     []*rig.Gate // with settings of their own, on the same Redis or another
	large    *rig.Redis  // with more recipients; nil: there is none
	secure   upstream    // that offers STARTTLS; nil: there is none
	crowded  *rig.Gate   // that takes more sessions than one as shipped
	tls      tlsGates
	targets  []target
	peers    []*procs.Process

	upstream     upstream
	upstreamName string
	upstreamAddr string // of either
}

// target is what a client sends to.
type target struct {
	name string
	// where it listens and which process it is (0: none of its own); both change with a restart.
	where func() (addr string, pid int)
	gate  *rig.Gate // nil: it is no consentgate

	tls      *tls.Config // clients use STARTTLS
	upstream upstream    // of its own; nil: that of all
	redis    *rig.Redis  // the same

	decides bool // it asks for consent
	queues  bool // its 250 is not the upstream's
}

// said is the end of the gate's log, for an error.
func (t target) said() string {
	if t.gate == nil || t.gate.Process == nil {
		return ""
	}
	return "\nthe gate's log ends:\n" + t.gate.Tail()
}

func (b *benchmark) setUp(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		b.findPrograms, b.build, b.startUpstream, b.startHAProxy, b.measureMemory, b.startGate, b.startEmbedded,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	b.targets = []target{
		{name: results.Direct, where: func() (string, int) { return b.upstreamAddr, 0 }},
		{name: results.HAProxy, where: func() (string, int) { return b.haproxy.Addr, b.haproxy.PID }},
		b.gateTarget(results.Gate, b.gate),
		b.gateTarget(results.Embedded, b.embedded),
	}
	for _, part := range []struct {
		kind  string
		start func(context.Context) error
	}{{"tls", b.startTLS}, {"large", b.startLarge}} {
		if !b.o.wants(part.kind) {
			continue
		}
		if err := part.start(ctx); err != nil {
			return err
		}
	}
	return b.startPeers(ctx)
}

// addGate starts one more gate.
func (b *benchmark) addGate(ctx context.Context, s rig.Settings) (*rig.Gate, error) {
	g, err := rig.Make(ctx, s)
	if err != nil {
		return nil, err
	}
	b.more = append(b.more, g)
	return g, g.Start(ctx)
}

// settings of a gate on a store.
func (b *benchmark) settings(name, store string) rig.Settings {
	return rig.Settings{
		Dir: b.path(name), Store: store, Upstream: b.upstreamAddr, Binary: b.binary, Command: []string{b.binary, "serve"},
	}
}

func (b *benchmark) gateTarget(name string, g *rig.Gate) target {
	return target{name: name, gate: g, decides: true, where: func() (string, int) { return g.Addr, g.PID }}
}

func (b *benchmark) findPrograms(context.Context) (err error) {
	b.source, err = procs.Find("smtp-source")
	return err
}

func (b *benchmark) build(ctx context.Context) error {
	b.binary = b.path("consentgate")
	b.say("building consentgate")
	return rig.Build(ctx, "github.com/consentgate/consentgate/cmd/consentgate", b.binary)
}

func (b *benchmark) startUpstream(ctx context.Context) (err error) {
	if b.upstreamAddr, err = rig.FreeAddr(ctx); err != nil {
		return err
	}
	if err := b.use(ctx, results.CountSink); err != nil {
		return err
	}
	return b.learnBodies(ctx)
}

func (b *benchmark) startHAProxy(ctx context.Context) (err error) {
	b.haproxy, err = rig.StartHAProxy(ctx, b.path("haproxy"), b.upstreamAddr)
	return err
}

// measureMemory fills a Redis of its own and keeps only the records.
func (b *benchmark) measureMemory(ctx context.Context) (err error) {
	r, err := rig.StartRedis(ctx, b.path("memory"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Stop(), os.RemoveAll(b.path("memory"))) }()
	g, err := rig.NewGate(ctx, b.path("memory", "gate"), r.URL, b.upstreamAddr, b.binary)
	if err != nil {
		return err
	}
	b.say("writing %d records without histories, to see what one takes", b.o.Records)
	bytes, err := r.BytesEach(ctx, g, b.o.Records, false)
	b.file.Add(results.Sample{
		Cell: results.Cell{Row: results.Memory, Target: results.Gate}, Round: 1, Values: values{results.Record: bytes},
	})
	return err
}

func (b *benchmark) startGate(ctx context.Context) error { return b.startGateWith(ctx, "") }

// startGateWith has further sections in the gate's config.
func (b *benchmark) startGateWith(ctx context.Context, sections string) (err error) {
	if b.redis, err = rig.StartRedis(ctx, b.path("redis")); err != nil {
		return err
	}
	s := b.settings("gate", b.redis.URL)
	s.Sections = sections
	if b.gate, err = rig.Make(ctx, s); err != nil {
		return err
	}
	b.say("writing %d records into Redis", b.o.Records)
	start := time.Now()
	bytes, err := b.redis.BytesEach(ctx, b.gate, b.o.Records, true)
	if err != nil {
		return err
	}
	b.filled(results.Gate, b.o.Records, time.Since(start), values{results.History: bytes})
	return b.gate.Start(ctx)
}

func (b *benchmark) startEmbedded(ctx context.Context) (err error) {
	url := "sqlite:" + b.path("consent.db")
	if b.embedded, err = rig.NewGate(ctx, b.path("embedded"), url, b.upstreamAddr, b.binary, b.binary, "serve"); err != nil {
		return err
	}
	b.say("writing %d records into the embedded store", b.o.Embedded)
	start := time.Now()
	if err := b.embedded.Fill(ctx, b.o.Embedded, nil); err != nil {
		return err
	}
	b.filled(results.Embedded, b.o.Embedded, time.Since(start), values{})
	return b.embedded.Start(ctx)
}

type values = map[results.Metric]float64

func (b *benchmark) filled(target string, n int, took time.Duration, v values) {
	v[results.Records] = float64(n) / took.Seconds()
	b.file.Add(results.Sample{Cell: results.Cell{Row: results.Fill, Target: target}, Round: 1, Values: v})
}

// stop ends what was started. A gate that does not end well on SIGTERM is an error like any other.
func (b *benchmark) stop() error {
	var errs []error
	for _, p := range slices.Backward(b.peers) {
		errs = append(errs, p.Stop())
	}
	for _, g := range append([]*rig.Gate{b.gate, b.embedded}, b.more...) {
		if g != nil {
			errs = append(errs, g.Stop())
		}
	}
	if b.haproxy != nil {
		errs = append(errs, b.haproxy.Stop())
	}
	for _, r := range []*rig.Redis{b.redis, b.large} {
		if r != nil {
			errs = append(errs, r.Stop())
		}
	}
	for _, u := range []upstream{b.upstream, b.secure} {
		if u != nil {
			errs = append(errs, u.Stop())
		}
	}
	return errors.Join(errs...)
}
