//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/consentgate/consentgate/bench/internal/load"
	"github.com/consentgate/consentgate/bench/internal/procs"
	"github.com/consentgate/consentgate/bench/internal/results"
	"github.com/consentgate/consentgate/bench/internal/rig"
)

// soakOptions are how long and how strictly.
type soakOptions struct {
	Time    time.Duration
	Every   time.Duration // between two samples
	Growth  float64       // that is forgiven from the first third to the last
	Records int           // recipients in Redis
	Large   int           // octets of a large message
	Out     string        // folder of the results
}

func soakFlags(args []string, log io.Writer) (o soakOptions, err error) {
	f := flag.NewFlagSet("bench soak", flag.ContinueOnError)
	f.SetOutput(log)
	f.DurationVar(&o.Time, "time", 10*time.Minute, "of the traffic; a tenth of it is warm-up")
	f.DurationVar(&o.Every, "every", 10*time.Second, "`time` between two samples")
	f.Float64Var(&o.Growth, "growth", 0.10, "`share` by which memory, descriptors and goroutines may grow from the first third to the last")
	f.IntVar(&o.Records, "records", 100_000, "`recipients` in Redis")
	f.IntVar(&o.Large, "large", 5*mib, "`octets` of a large message")
	f.StringVar(&o.Out, "out", "bench/results", "`folder` of the results")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("soak has no argument %q", f.Arg(0))
	}
	if o.Records < 100 || o.Every <= 0 || o.Time < 10*o.Every {
		return o, errors.New("soak wants 100 records at least, and time for ten samples")
	}
	return o, nil
}

// soak sends mixed traffic for long, and fails where memory, descriptors or goroutines grow or mail is lost.
func soak(ctx context.Context, args []string, out, log io.Writer) error {
	o, err := soakFlags(args, log)
	if err != nil {
		return err
	}
	return soaked(ctx, o, out, log)
}

func soaked(ctx context.Context, o soakOptions, out, log io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "consentgate-soak-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := newBenchmark(short(), dir, log)
	defer func() { err = errors.Join(err, b.stop()) }()
	b.o.Records = o.Records
	b.describe(ctx)
	b.file.Part = "soak"
	b.file.Settings = map[string]string{"recipients in Redis": fmt.Sprint(o.Records), "time": fmt.Sprint(o.Time)}
	for _, step := range []func(context.Context) error{b.findPrograms, b.build, b.startUpstream, b.startPrivate} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	b.file.Samples = nil // how the store was filled is another's matter
	if err := b.mix(ctx, o); err != nil {
		return err
	}
	if err := b.report(out, o.Out); err != nil {
		return err
	}
	return flat(b.file, o.Growth)
}

// startPrivate starts a gate that tells how many goroutines it has.
func (b *benchmark) startPrivate(ctx context.Context) error {
	return b.startGateWith(ctx, rig.PrivateListener)
}

// mix sends and takes samples beside it, then counts.
func (b *benchmark) mix(ctx context.Context, o soakOptions) error {
	if err := b.upstream.Reset(); err != nil {
		return err
	}
	m := &load.Mix{
		Addr: b.gate.Addr, From: rig.FromPerRecipient, Shared: rig.FromToAll, Known: o.Records, Size: messageSize, Large: o.Large,
	}
	during, stop := context.WithTimeout(ctx, o.Time)
	defer stop()
	b.say("mixed traffic for %v", o.Time)
	sent := make(chan error, 1)
	go func() { sent <- m.Run(during) }()
	sampled := b.sampleSoak(ctx, o, m.Sent(), sent)
	if sampled != nil {
		stop()
	}
	err := errors.Join(<-sent, sampled)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return fmt.Errorf("%w\nthe gate's log ends:\n%s", err, b.gate.Tail())
	}
	s := m.Sent()
	b.say("%d messages, %d copies, %d refused recipients, %d aborted sessions, %d deferred",
		s.Messages.Load(), s.Copies.Load(), s.Refused.Load(), s.Aborted.Load(), s.Deferred.Load())
	return b.arrivedAll(s)
}

// sampleSoak takes samples until the traffic is to end; what sent holds stays there.
func (b *benchmark) sampleSoak(ctx context.Context, o soakOptions, s *load.Mixed, sent chan error) error {
	n, before := int(o.Time/o.Every), int64(0)
	ticker := time.NewTicker(o.Every)
	defer ticker.Stop()
	for i := 1; i <= n && len(sent) == 0; i++ {
		<-ticker.C
		now := s.Messages.Load()
		v, err := holds(ctx, b.gate)
		if err != nil {
			return err
		}
		v[results.Rate] = float64(now-before) / o.Every.Seconds()
		b.file.Add(results.Sample{
			Cell: results.Cell{Row: results.Soak, Upstream: b.upstreamName, Target: phase(i, n)}, Round: i,
			Values: v,
		})
		before = now
	}
	return nil
}

// holds is what a gate has of that which a leak would grow.
func holds(ctx context.Context, g *rig.Gate) (values, error) {
	v := values{
		results.RSS:         float64(procs.MemoryOf(g.PID).RSS) / mib,
		results.Descriptors: float64(procs.Descriptors(g.PID)), results.Threads: float64(procs.Threads(g.PID)),
	}
	var err error
	v[results.Goroutines], err = g.Goroutines(ctx) // last: asking takes a connection
	return v, err
}

// Parts of a soak.
const (
	warmUpPhase = "warm-up"
	firstThird  = "first third"
	lastThird   = "last third"
)

// phase names the part that sample i of n belongs to.
func phase(i, n int) string {
	warm := max(1, n/10)
	switch third := (n - warm) / 3; {
	case i <= warm:
		return warmUpPhase
	case i <= warm+third:
		return firstThird
	case i <= n-third:
		return "second third"
	}
	return lastThird
}

// arrivedAll compares what the upstream took with what clients heard a 250 for. Where some were deferred it may be more.
func (b *benchmark) arrivedAll(s *load.Mixed) error {
	sink, ok := b.upstream.(counting)
	if !ok {
		return errors.New("only countsink counts")
	}
	got, err := sink.Report()
	if err != nil {
		return err
	}
	copies, recipients, total := int(s.Copies.Load()), int(s.Recipients.Load()), got.Series[load.Recipients].Total
	switch {
	case got.Messages < copies || total < recipients:
		return fmt.Errorf("lost mail: %d copies for %d recipients, want %d for %d", got.Messages, total, copies, recipients)
	case s.Deferred.Load() == 0 && (got.Messages > copies || total > recipients):
		return fmt.Errorf("doubled mail: %d copies for %d recipients, want %d for %d", got.Messages, total, copies, recipients)
	case got.Series[load.Withdrawn].Total > 0 || got.Foreign > 0:
		return fmt.Errorf("leaked mail: %d copies to the withdrawn, %d to the unknown", got.Series[load.Withdrawn].Total, got.Foreign)
	}
	return nil
}

// spareGoroutines is by how many goroutines more than the share may grow. There are some fifty, and of these as many as
// sixteen work at the moment or wait for work; one left behind by each session, or each message, would be thousands.
const spareGoroutines = 16

// flat is an error where the last third has more of something than the first, by more than a share.
func flat(f *results.File, growth float64) error {
	var errs []error
	spare := map[results.Metric]float64{results.Goroutines: spareGoroutines} // of the others none
	for _, m := range []results.Metric{results.RSS, results.Descriptors, results.Goroutines} {
		first, last := f.Median(results.Soak, firstThird, m), f.Median(results.Soak, lastThird, m)
		if most := first*(1+growth) + spare[m]; last > most {
			errs = append(errs, fmt.Errorf("%s grew from %.1f to %.1f; at most %.1f would be flat", m, first, last, most))
		}
	}
	return errors.Join(errs...)
}
