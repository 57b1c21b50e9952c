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

// scaleoutOptions are how much is measured with several gates.
type scaleoutOptions struct {
	Rounds   int
	Records  int // recipients in the Cluster
	Messages int // of a run
	Quiet    time.Duration
	Out      string
}

const (
	manyGates    = 3
	manySessions = 48
)

func scaleoutFlags(args []string, log io.Writer) (o scaleoutOptions, err error) {
	f := flag.NewFlagSet("bench scaleout", flag.ContinueOnError)
	f.SetOutput(log)
	f.IntVar(&o.Rounds, "rounds", 3, "`times` that everything is measured")
	f.IntVar(&o.Records, "records", 100_000, "`recipients` in the Cluster")
	f.IntVar(&o.Messages, "messages", 15_000, "`messages` of a run")
	f.DurationVar(&o.Quiet, "quiet", 20*time.Second, "`time` to wait before each run until the machine is quiet")
	f.StringVar(&o.Out, "out", "bench/results", "`folder` of the results")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if f.NArg() > 0 {
		return o, fmt.Errorf("scaleout has no argument %q", f.Arg(0))
	}
	if o.Rounds < 1 || o.Messages < manySessions || o.Records < o.Messages+withdrawals*o.Rounds {
		return o, fmt.Errorf("scaleout wants a round, %d messages and more records than messages", manySessions)
	}
	return o, nil
}

// scaleout measures one gate, two and three behind haproxy on one Redis Cluster.
func scaleout(ctx context.Context, args []string, out, log io.Writer) error {
	o, err := scaleoutFlags(args, log)
	if err != nil {
		return err
	}
	return scaledOut(ctx, o, out, log)
}

func scaledOut(ctx context.Context, o scaleoutOptions, out, log io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "consentgate-scaleout-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	f := &fleet{benchmark: newBenchmark(short(), dir, log), o: o}
	defer func() { err = errors.Join(err, f.end()) }()
	f.describe(ctx)
	f.file.Part = "scaleout"
	f.file.Settings = map[string]string{"recipients": fmt.Sprint(o.Records), "messages of a run": fmt.Sprint(o.Messages), "rounds": fmt.Sprint(o.Rounds)}
	if err := f.start(ctx); err != nil {
		return err
	}
	for round := 1; round <= o.Rounds; round++ {
		f.say("round %d of %d", round, o.Rounds)
		if err := f.round(ctx, round); err != nil {
			return err
		}
	}
	return f.report(out, o.Out)
}

// fleet is several gates on one store.
type fleet struct {
	*benchmark
	o        scaleoutOptions
	cluster  *rig.Cluster
	balancer *rig.Balancer
	gates    []*rig.Gate
	asked    int // recipients who have withdrawn
}

func (f *fleet) start(ctx context.Context) (err error) {
	for _, step := range []func(context.Context) error{f.findPrograms, f.build, f.startUpstream} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if f.cluster, err = rig.StartCluster(ctx, f.path("cluster"), 3); err != nil {
		return err
	}
	if err := f.startGates(ctx); err != nil {
		return err
	}
	var doors []string
	for _, g := range f.gates {
		doors = append(doors, g.Addrs[0])
	}
	f.balancer, err = rig.StartBalancer(ctx, f.path("haproxy"), doors)
	return err
}

// startGates fills the store through the first gate and starts all. Each has a listener for haproxy and one without.
func (f *fleet) startGates(ctx context.Context) error {
	for i := range manyGates {
		addr, err := rig.FreeAddr(ctx) // that stays its own when it is started again
		if err != nil {
			return err
		}
		s := f.settings(fmt.Sprintf("gate%d", i+1), f.cluster.URL)
		s.Listeners = []string{"{address: '" + addr + "', proxy_protocol: [127.0.0.1/32]}", rig.Plain}
		if i > 0 {
			s.Sibling = f.gates[0]
		}
		g, err := rig.Make(ctx, s)
		if err != nil {
			return err
		}
		if i == 0 {
			f.say("writing %d records into the Cluster", f.o.Records)
			if err := g.Fill(ctx, f.o.Records, nil); err != nil {
				return err
			}
		}
		f.gates, f.more = append(f.gates, g), append(f.more, g)
		if err := g.Start(ctx); err != nil {
			return err
		}
	}
	return nil
}

// end ends what the benchmark itself does not know, in front of the gates and behind them.
func (f *fleet) end() error {
	var errs []error
	if f.balancer != nil {
		errs = append(errs, f.balancer.Stop())
	}
	errs = append(errs, f.stop())
	if f.cluster != nil {
		errs = append(errs, f.cluster.Stop())
	}
	return errors.Join(errs...)
}

func (f *fleet) round(ctx context.Context, round int) error {
	for i := range f.gates {
		n := (i+round-1)%len(f.gates) + 1
		if err := f.behind(ctx, round, n); err != nil {
			return fmt.Errorf("%d gates: %w", n, err)
		}
	}
	if err := f.withdraw(ctx, round); err != nil {
		return fmt.Errorf("withdrawal: %w", err)
	}
	if err := f.kill(ctx, round); err != nil {
		return fmt.Errorf("a gate killed: %w", err)
	}
	return nil
}

// behind measures n gates, and counts.
func (f *fleet) behind(ctx context.Context, round, n int) error {
	if err := f.upstream.Reset(); err != nil {
		return err
	}
	if f.o.Quiet > 0 {
		procs.AwaitQuiet(quietShare, f.o.Quiet)
	}
	used, busy, ours := f.used(), procs.Busy(), procs.CPU(os.Getpid())
	took, err := load.Source(ctx, f.source, f.balancer.Doors[n-1], f.job())
	if err != nil {
		return err
	}
	others := procs.Share(procs.Busy()-busy-(procs.CPU(os.Getpid())-ours), took)
	v := values{results.Rate: float64(f.o.Messages) / took.Seconds()}
	for m, cpu := range f.used() {
		v[m] = (cpu - used[m]).Seconds() * 1000 / float64(f.o.Messages)
	}
	f.file.Add(results.Sample{Cell: f.cell(results.ScaleOut, gatesName(n)), Round: round, Others: others, Values: v})
	return f.upstream.Check(rig.Expected{Messages: f.o.Messages, Recipients: 1, Size: messageSize, Copies: true})
}

func gatesName(n int) string {
	if n == 1 {
		return "1 gate"
	}
	return fmt.Sprintf("%d gates", n)
}

func (f *fleet) job() load.Job {
	return load.Job{
		From: rig.FromPerRecipient, Sessions: manySessions, Messages: f.o.Messages, Size: messageSize, Recipients: 1, Kept: true,
	}
}

// used is the CPU time of each component since it started.
func (f *fleet) used() map[results.Metric]time.Duration {
	cpu := map[results.Metric]time.Duration{results.HAProxyCPU: procs.CPU(f.balancer.PID)}
	for _, g := range f.gates {
		cpu[results.CPU] += procs.CPU(g.PID)
	}
	for _, r := range f.cluster.Nodes {
		cpu[results.RedisCPU] += procs.CPU(r.PID)
	}
	if sink, ok := f.upstream.(counting); ok {
		cpu[results.UpstreamCPU] = procs.CPU(sink.PID)
	}
	return cpu
}
