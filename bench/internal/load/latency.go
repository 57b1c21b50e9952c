//go:build linux

package load

import (
	"context"
	"fmt"
	"runtime"
	"time"
)

// Mode is a way to send one message.
type Mode int

// The modes. A message of NewConnection is timed from connect to QUIT's reply, one of the others from MAIL on.
const (
	StepByStep Mode = iota
	Pipelined
	NewConnection
)

func (m Mode) String() string { return [...]string{"step by step", "pipelined", "new connection"}[m] }

// renew is after how many messages a kept connection is replaced: some servers end it after a hundred.
const renew = 90

// Latency sends n messages to each of addrs, one at a time, the addresses in turn message by message, and returns how
// long each took: a slice for each address. Recipients are 1rcpt@bench.test to NNrcpt@bench.test.
func Latency(ctx context.Context, m Mode, addrs []string, from string, size, n int) ([][]time.Duration, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p := &prober{mode: m, from: from, content: Message(size, "latency"), conns: make([]*Conn, len(addrs))}
	defer p.close()
	took := make([][]time.Duration, len(addrs))
	for i := range n {
		for k := range addrs {
			at := (i + k) % len(addrs)
			d, err := p.one(addrs[at], at, i+1)
			if err != nil {
				return nil, fmt.Errorf("message %d, %v, to %s: %w", i+1, m, addrs[at], err)
			}
			took[at] = append(took[at], d)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
	}
	return took, nil
}

type prober struct {
	mode    Mode
	from    string
	content []byte
	conns   []*Conn // kept, by address
}

// one sends message number n to the address at place at.
func (p *prober) one(addr string, at, n int) (time.Duration, error) {
	t := newTransaction(p.from, p.content, Address(n, Recipients))
	if p.mode == NewConnection {
		return p.fresh(addr, t)
	}
	c, err := p.kept(addr, at, n)
	if err != nil {
		return 0, err
	}
	send := c.stepwise
	if p.mode == Pipelined {
		send = c.pipelined
	}
	start := time.Now()
	err = send(t)
	return time.Since(start), err
}

func (p *prober) fresh(addr string, t transaction) (time.Duration, error) {
	start := time.Now()
	c, err := Dial(addr)
	if err != nil {
		return 0, err
	}
	if err := c.stepwise(t); err != nil {
		c.Close()
		return 0, err
	}
	err = c.Quit()
	return time.Since(start), err
}

func (p *prober) kept(addr string, at, n int) (*Conn, error) {
	if c := p.conns[at]; c != nil && n%renew != 0 {
		return c, nil
	} else if c != nil {
		p.conns[at] = nil
		if err := c.Quit(); err != nil {
			return nil, err
		}
	}
	c, err := Dial(addr)
	p.conns[at] = c
	return c, err
}

func (p *prober) close() {
	for _, c := range p.conns {
		if c != nil {
			c.Close()
		}
	}
}
