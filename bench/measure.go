//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/consentgate/consentgate/bench/internal/results"
)

// measure sets everything up, measures every row in every round, and gives everything back.
func measure(ctx context.Context, o options, log io.Writer) (done *benchmark, err error) {
	dir := o.Dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "consentgate-bench-"); err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
	}
	b := newBenchmark(o, dir, log)
	defer func() { err = errors.Join(err, b.stop()) }()
	b.describe(ctx)
	if err := b.setUp(ctx); err != nil {
		return nil, err
	}
	for round := 1; round <= o.Rounds; round++ {
		b.say("round %d of %d", round, o.Rounds)
		if err := b.round(ctx, round); err != nil {
			return nil, err
		}
	}
	if !o.wants("import") {
		return b, nil
	}
	return b, b.measureImport(ctx)
}

// benchmark is one run of it.
type benchmark struct {
	o    options
	dir  string
	log  io.Writer
	file *results.File

	setup
	counts map[results.Cell]int // messages of a run
	bodies []string             // that clients send
}

func newBenchmark(o options, dir string, log io.Writer) *benchmark {
	file := &results.File{Date: time.Now().UTC()}
	return &benchmark{o: o, dir: dir, log: log, file: file, counts: map[results.Cell]int{}}
}

// round measures every row once, so that whatever changes about the machine changes for all of them: before the
// upstream that sees every fault, then before the one that others know.
func (b *benchmark) round(ctx context.Context, round int) error {
	for _, upstream := range []string{results.CountSink, results.SMTPSink} {
		if err := b.use(ctx, upstream); err != nil {
			return err
		}
		if err := b.rows(ctx, round, upstream); err != nil {
			return err
		}
	}
	return nil
}

func (b *benchmark) rows(ctx context.Context, round int, upstream string) error {
	for _, step := range []struct {
		kind    string
		measure func(context.Context, int) error
		memory  bool // the same whatever upstream it is, or it needs one that counts
	}{
		{"throughput", b.warmUp, false},
		{"throughput", b.throughput, false},
		{"latency", b.latency, false},
		{"idle", b.idle, true},
		{"huge", b.eightHuge, true},
		{"tls", b.measureTLS, true},
		{"scale", b.scale, true},
		{"large", b.measureLarge, true},
	} {
		if !b.o.wants(step.kind) || step.memory && upstream != results.CountSink {
			continue
		}
		if err := step.measure(ctx, round); err != nil {
			return err
		}
	}
	return nil
}

func (b *benchmark) say(format string, args ...any) {
	fmt.Fprintf(b.log, "bench: %s\n", fmt.Sprintf(format, args...))
}

func (b *benchmark) path(elements ...string) string {
	return filepath.Join(slices.Insert(elements, 0, b.dir)...)
}
