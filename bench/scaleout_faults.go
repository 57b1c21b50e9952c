//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/consentgate/consentgate/bench/internal/load"
	"github.com/consentgate/consentgate/bench/internal/results"
	"github.com/consentgate/consentgate/bench/internal/rig"
)

const (
	// withdrawals are so many in each round.
	withdrawals = 20
	// inForce is how long a withdrawal may take to reach the other gates (promise 4 of the design).
	inForce = time.Second
	// retries of a message whose session broke with its gate.
	retries = 100
)

// withdraw has people withdraw at the first gate and asks the others until they refuse them.
func (f *fleet) withdraw(ctx context.Context, round int) error {
	var others []*load.Conn
	defer func() {
		for _, c := range others {
			c.Close()
		}
	}()
	for _, g := range f.gates[1:] {
		c, err := load.Dial(g.Addrs[1])
		if err != nil {
			return err
		}
		others = append(others, c)
	}
	var took []time.Duration
	for range withdrawals {
		d, err := f.withdrawOne(ctx, others)
		if err != nil {
			return err
		}
		took = append(took, d)
	}
	f.file.Add(results.Sample{
		Cell: f.cell(results.Withdrawal, "median"), Round: round, Values: values{results.Delay: percentile(took, 50) / 1000},
	}, results.Sample{
		Cell: f.cell(results.Withdrawal, "slowest"), Round: round, Values: values{results.Delay: percentile(took, 100) / 1000},
	})
	if slowest := slices.Max(took); slowest > inForce {
		return fmt.Errorf("one was in force after %v, want %v", slowest, inForce)
	}
	return nil
}

// withdrawOne returns how long after the answer to the POST the last of the others refuses the recipient. It takes
// recipients from the end, whom no run sends to.
func (f *fleet) withdrawOne(ctx context.Context, others []*load.Conn) (time.Duration, error) {
	who := load.Address(f.o.Records-f.asked, load.Recipients)
	f.asked++
	for _, c := range others {
		if ok, err := c.Permitted(rig.FromPerRecipient, who); err != nil || !ok {
			return 0, errors.Join(fmt.Errorf("%s is refused before the withdrawal: %v", who, !ok), err)
		}
	}
	path, err := f.gates[0].OneClick(who)
	if err != nil {
		return 0, err
	}
	if err := load.Withdraw(ctx, f.gates[0].Web, path); err != nil {
		return 0, err
	}
	answered := time.Now()
	for _, c := range others {
		for ok := true; ok; {
			if ok, err = c.Permitted(rig.FromPerRecipient, who); err != nil {
				return 0, err
			}
			if time.Since(answered) > 10*inForce {
				return 0, fmt.Errorf("%s is not refused %v after the withdrawal", who, 10*inForce)
			}
		}
	}
	return time.Since(answered), nil
}

// kill ends the last gate in the midst of a run through all of them, and looks whether every message that a client
// heard a 250 for has arrived. The gate is started again.
func (f *fleet) kill(ctx context.Context, round int) error {
	if err := f.upstream.Reset(); err != nil {
		return err
	}
	last := f.gates[manyGates-1]
	during, over := context.WithCancel(ctx)
	killed := make(chan error, 1)
	go func() { killed <- f.killAt(during, last, f.o.Messages/3) }()
	sent, err := load.Swarm{Addr: f.balancer.Doors[manyGates-1], Retry: retries}.Run(ctx, f.job())
	over()
	if err := errors.Join(err, <-killed); err != nil {
		return err
	}
	sink, ok := f.upstream.(counting)
	if !ok {
		return errors.New("only countsink counts")
	}
	got, err := sink.Report()
	if err != nil {
		return err
	}
	s := got.Series[load.Recipients]
	f.file.Add(results.Sample{Cell: f.cell(results.Killed, "2 of 3 gates left"), Round: round, Values: values{
		results.Rate: float64(f.o.Messages) / sent.Took.Seconds(), results.Taken: float64(f.o.Messages), results.Retried: float64(sent.Retried),
		results.Doubled: float64(s.Total - s.Distinct), results.Lost: float64(f.o.Messages - s.Distinct),
	}})
	if s.Distinct != f.o.Messages {
		return fmt.Errorf("lost mail: %d of %d messages that were taken arrived", s.Distinct, f.o.Messages)
	}
	if err := last.Start(ctx); err != nil {
		return err
	}
	time.Sleep(2 * settle) // haproxy looks every second
	return nil
}

// killAt kills a gate once the upstream has taken n messages.
func (f *fleet) killAt(ctx context.Context, g *rig.Gate, n int) error {
	for ctx.Err() == nil {
		got, err := f.upstream.Taken(n)
		if err != nil {
			return err
		}
		if got >= n {
			g.Kill()
			return nil
		}
		time.Sleep(time.Millisecond)
	}
	return ctx.Err()
}
