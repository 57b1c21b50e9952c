//go:build linux

// Command bench measures consentgate beside a straight connection and a blind TCP proxy, row by row of the table in
// docs/performance.md, and judges it by the goals there. `make bench` runs it whole.
//
// It starts everything itself, on loopback and in a temporary folder: an upstream that counts (internal/countsink), a
// real Redis, haproxy and the gate (internal/rig). It loads them (internal/load), reads from /proc what they used
// (internal/procs) and writes what it found (internal/results). A run that lost, doubled or leaked mail gives no figure.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/consentgate/consentgate/bench/internal/countsink"
	"github.com/consentgate/consentgate/bench/internal/results"
)

const usage = `usage:
  bench [flags]            measure everything; bench -h lists the flags
  bench compare OLD NEW    what changed between two results (JSON files)
  bench posts [flags]      one-click POSTs a second beside mail, and how long they take
  bench soak [flags]       mixed traffic for ten minutes: memory, descriptors and goroutines stay flat, no mail is lost
  bench scaleout [flags]   three gates behind haproxy on a Redis Cluster
  bench profile [flags]    where the gate's CPU time goes in the row "16 sessions kept"
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := execute(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2) //nolint:forbidigo // this is a main too
	case err != nil:
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1) //nolint:forbidigo // this is a main too
	}
}

// execute runs one command. Those below profile are processes that the others start.
func execute(ctx context.Context, args []string, in io.Reader, out, log io.Writer) error {
	name := ""
	if len(args) > 0 {
		name = args[0]
	}
	switch name {
	case "compare":
		return compare(args[1:], out)
	case "soak":
		return soak(ctx, args[1:], out, log)
	case "scaleout":
		return scaleout(ctx, args[1:], out, log)
	case "profile":
		return profile(ctx, args[1:], out, log)
	case "posts":
		return posts(ctx, args[1:], out, log)
	case "countsink":
		return countsink.Run(args[1:], in, out)
	case "policy":
		return policy(ctx, strings.Join(args[1:], ""), log)
	case "profiled-gate":
		return profiledGate(ctx, args[1:], log)
	}
	o, err := parseFlags(args, log)
	if err != nil {
		return err
	}
	return run(ctx, o, out, log)
}

// run measures everything, prints the report and saves it.
func run(ctx context.Context, o options, out, log io.Writer) error {
	b, err := measure(ctx, o, log)
	if err != nil {
		return fmt.Errorf("no figures: %w", err)
	}
	return b.report(out, o.Out)
}

// report prints what was measured and saves it in a folder.
func (b *benchmark) report(out io.Writer, folder string) error {
	if err := b.file.Markdown(out); err != nil {
		return err
	}
	path, err := b.file.Save(folder)
	if err != nil {
		return err
	}
	b.say("saved %s.md and %s.json", path, path)
	return nil
}

func compare(args []string, out io.Writer) error {
	if len(args) != 2 {
		return errors.New("compare wants two JSON files: the old results and the new ones")
	}
	old, err := results.Load(args[0])
	if err != nil {
		return err
	}
	now, err := results.Load(args[1])
	if err != nil {
		return err
	}
	return results.Compare(out, old, now)
}
