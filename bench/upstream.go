//go:build linux

package main

import (
	"context"
	"fmt"
	"os"

	"github.com/consentgate/consentgate/bench/internal/countsink"
	"github.com/consentgate/consentgate/bench/internal/procs"
	"github.com/consentgate/consentgate/bench/internal/results"
	"github.com/consentgate/consentgate/bench/internal/rig"
)

// upstream is who takes the mail of a run and can tell whether it was the right mail.
type upstream interface {
	Reset() error
	// Taken is how many messages it has taken since Reset; it may wait a moment for n.
	Taken(n int) (int, error)
	Check(want rig.Expected) error
	Stop() error
}

// counting knows every recipient.
type counting struct{ *countsink.Child }

func (c counting) Taken(int) (int, error) {
	got, err := c.Report()
	return got.Messages, err
}

func (c counting) Check(want rig.Expected) error {
	got, err := c.Report()
	if err != nil {
		return err
	}
	return want.Check(got)
}

// known is smtp-sink, which knows how many messages there were.
type known struct{ *rig.SMTPSink }

func (k known) Reset() error {
	k.SMTPSink.Reset()
	return nil
}

func (k known) Taken(n int) (int, error) { return k.Messages(n), nil }

func (k known) Check(want rig.Expected) error {
	if n := want.Taken(); k.Messages(n) != n {
		return fmt.Errorf("smtp-sink took %d messages, want %d: mail was lost, doubled or leaked", k.Messages(n), n)
	}
	return nil
}

// use makes name the upstream. Both stand at one address, so that nobody else need know; whoever kept connections to
// the former one finds them closed.
func (b *benchmark) use(ctx context.Context, name string) error {
	if b.upstream != nil {
		old := b.upstream
		b.upstream = nil
		if err := old.Stop(); err != nil {
			return err
		}
	}
	b.upstreamName = name
	start := b.startCounting
	if name == results.SMTPSink {
		start = b.startKnown
	}
	var err error
	b.upstream, err = start(ctx)
	return err
}

// startCounting starts this program once more, so that the upstream has a process, and a Go runtime, of its own.
func (b *benchmark) startCounting(ctx context.Context) (upstream, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c, err := countsink.Start(procs.Command(ctx, self, "countsink", b.upstreamAddr), b.path("countsink.log"))
	if err != nil {
		return nil, err
	}
	return counting{c}, nil
}

func (b *benchmark) startKnown(ctx context.Context) (upstream, error) {
	s, err := rig.StartSMTPSink(ctx, b.dir, b.upstreamAddr)
	if err != nil {
		return nil, err
	}
	return known{s}, nil
}
