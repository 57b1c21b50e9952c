//go:build linux

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/pprof"
	"time"

	"github.com/consentgate/consentgate/bench/internal/results"
	"github.com/consentgate/consentgate/bench/internal/rig"
	"github.com/consentgate/consentgate/internal/app"
	"github.com/consentgate/consentgate/internal/config"
)

// profile runs the row "16 sessions kept" against a gate that is profiled, and prints the top of its CPU profile. The
// profile itself is kept.
func profile(ctx context.Context, args []string, out, log io.Writer) error {
	o := short()
	f := flag.NewFlagSet("bench profile", flag.ContinueOnError)
	f.SetOutput(log)
	f.IntVar(&o.Records, "records", 200_000, "`recipients` in Redis")
	f.DurationVar(&o.Time, "time", 10*time.Second, "of the run, about")
	f.StringVar(&o.Out, "out", "cpu.prof", "`file` to keep the profile in")
	if err := f.Parse(args); err != nil {
		return err
	}
	if err := profiled(ctx, o, log); err != nil {
		return err
	}
	top := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-nodecount=40", o.Out)
	top.Stdout, top.Stderr = out, log
	return top.Run()
}

func profiled(ctx context.Context, o options, log io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "consentgate-profile-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b := newBenchmark(o, dir, log)
	defer func() { err = errors.Join(err, b.stop()) }()
	for _, step := range []func(context.Context) error{b.findPrograms, b.build, b.startUpstream, b.startProfiled} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	b.targets = []target{b.gateTarget(results.Gate, b.gate)}
	return b.load(ctx, b.o.workloads()[0])
}

// startProfiled is startGate with this program in consentgate's place.
func (b *benchmark) startProfiled(ctx context.Context) (err error) {
	if b.redis, err = rig.StartRedis(ctx, b.path("redis")); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	out, err := filepath.Abs(b.o.Out)
	if err != nil {
		return err
	}
	b.gate, err = rig.NewGate(ctx, b.path("gate"), b.redis.URL, b.upstreamAddr, b.binary, self, "profiled-gate", "--profile", out)
	if err != nil {
		return err
	}
	if err := b.gate.Fill(ctx, b.o.Records, nil); err != nil {
		return err
	}
	return b.gate.Start(ctx)
}

// load sends messages for as long as it should, all checked.
func (b *benchmark) load(ctx context.Context, w workload) error {
	w.job.Messages = w.trial
	s, err := b.once(ctx, w, b.targets[0])
	if err != nil {
		return err
	}
	w.job.Messages = b.messages(w, b.targets[0], s.Values[results.Rate])
	if s, err = b.once(ctx, w, b.targets[0]); err != nil {
		return err
	}
	b.say("%.0f messages/s, profiled", s.Values[results.Rate])
	return nil
}

// profiledGate is `consentgate serve` that writes a CPU profile of its whole life.
func profiledGate(ctx context.Context, args []string, log io.Writer) (err error) {
	f := flag.NewFlagSet("profiled-gate", flag.ContinueOnError)
	file := f.String("profile", "cpu.prof", "")
	path := f.String("config", "", "")
	if err := f.Parse(args); err != nil {
		return err
	}
	cfg, err := config.Load(config.Options{Path: *path, Env: func(string) string { return "" }})
	if err != nil {
		return err
	}
	out, err := os.Create(*file)
	if err != nil {
		return fmt.Errorf("profile: %w", err)
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	if err := pprof.StartCPUProfile(out); err != nil {
		return err
	}
	defer pprof.StopCPUProfile()
	return app.Run(ctx, cfg, slog.New(slog.NewTextHandler(log, nil)), app.Reloads{})
}
