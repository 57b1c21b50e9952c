//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/consentgate/consentgate/bench/internal/load"
	"github.com/consentgate/consentgate/bench/internal/results"
	"github.com/consentgate/consentgate/bench/internal/rig"
)

// measureImport runs `consentgate import` into a new Redis, where this version has that command.
func (b *benchmark) measureImport(ctx context.Context) error {
	if exec.CommandContext(ctx, b.binary, "import", "--help").Run() != nil {
		b.say("this version has no command import: no such row")
		return nil
	}
	file := b.path("people.csv")
	if err := writePeople(file, b.o.Imported); err != nil {
		return err
	}
	for round := 1; round <= b.o.Rounds; round++ {
		s, err := b.importOnce(ctx, file)
		if err != nil {
			return fmt.Errorf("import: %w", err)
		}
		s.Round = round
		b.file.Add(s)
	}
	return nil
}

// writePeople writes a CSV file of n recipients.
func writePeople(file string, n int) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(f)
	fmt.Fprintln(w, "recipient,time")
	for i := range n {
		fmt.Fprintf(w, "%s,2026-10-01T10:00:00Z\n", load.Address(i+1, load.Recipients))
	}
	return errors.Join(w.Flush(), f.Close())
}

func (b *benchmark) importOnce(ctx context.Context, file string) (s results.Sample, err error) {
	dir := b.path("import")
	r, err := rig.StartRedis(ctx, dir)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, r.Stop(), os.RemoveAll(dir)) }()
	g, err := rig.NewGate(ctx, b.path("import", "gate"), r.URL, b.upstreamAddr, b.binary)
	if err != nil {
		return s, err
	}
	cmd := exec.CommandContext(ctx, b.binary, "import", file, "--config", g.Config, "--set", "purpose=newsletter",
		"--set", "method=active", "--set", "source=form:footer", "--set", "default_state=unticked",
		"--attest", "a benchmark's people")
	cmd.Dir = dir
	start := time.Now()
	if out, err := cmd.CombinedOutput(); err != nil {
		return s, fmt.Errorf("%w\n%s", err, out)
	}
	took := time.Since(start)
	s = results.Sample{
		Cell:   results.Cell{Row: results.Import, Target: results.Gate},
		Values: values{results.Records: float64(b.o.Imported) / took.Seconds()},
	}
	if u, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		s.Values[results.Peak] = float64(u.Maxrss<<10) / mib
	}
	return s, b.reached(ctx, g)
}

// reached looks whether the last recipient of the file may be mailed now.
func (b *benchmark) reached(ctx context.Context, g *rig.Gate) error {
	last := load.Address(b.o.Imported, load.Recipients)
	cmd := exec.CommandContext(ctx, b.binary, "check", last, "--stream", rig.PerRecipient, "--config", g.Config)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("after the import %s is not permitted: %w\n%s", last, err, out)
	}
	return nil
}
