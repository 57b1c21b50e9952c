package upstream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

var (
	// ErrUnavailable: no upstream could take the message, and none has accepted any of it. It wraps the causes; their
	// text names hosts and is for the log, never for a client.
	ErrUnavailable = errors.New("upstream unavailable")
	// ErrUnknown: the final dot may have left and no answer came, so the message may have been accepted.
	ErrUnknown = errors.New("upstream outcome unknown")

	errLacks  = errors.New("lacks what the message needs")
	errClosed = errors.New("pool is closed")
)

// Options says where a Pool connects and how long it waits. Zero values take the defaults named.
type Options struct {
	Targets []Target // in order: a later one is used when those before it fail
	Hello   string   // name in EHLO; default "localhost"

	MaxIdle     int           // connections kept idle for each target; default 64, negative for none
	MaxOpen     int           // connections open to each target; Get waits for one, Probe adds one; default no bound
	MaxMessages int           // messages on one connection; default 1000
	IdleTimeout time.Duration // age of an idle connection; default 60 s, below what servers allow

	Dial  time.Duration // connect, greeting, EHLO, TLS and AUTH together; default 10 s
	Reply time.Duration // one reply before content; default 30 s
	Dot   time.Duration // the reply to the final dot; default 60 s
	Write time.Duration // one write of at most writeSize bytes, or of the slice given; default 30 s

	Logger *slog.Logger     // default: discards
	Now    func() time.Time // for idle ages and rests; default time.Now
}

func (o *Options) setDefaults() {
	setDefault(&o.Hello, "localhost")
	setDefault(&o.MaxIdle, 64)
	setDefault(&o.MaxMessages, 1000)
	setDefault(&o.IdleTimeout, 60*time.Second)
	setDefault(&o.Dial, 10*time.Second)
	setDefault(&o.Reply, 30*time.Second)
	setDefault(&o.Dot, 60*time.Second)
	setDefault(&o.Write, 30*time.Second)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Pool keeps connections to its targets. It is safe for concurrent use and starts no goroutine that outlives a call,
// but for a timer while connections are idle, which Close stops.
type Pool struct {
	opt   Options
	peers []*peer
}

// New makes a pool. It connects to nothing yet.
func New(o Options) *Pool {
	o.setDefaults()
	p := &Pool{opt: o}
	buffers := &sync.Pool{New: func() any { return new([writeSize]byte) }}
	for _, t := range o.Targets {
		p.peers = append(p.peers, newPeer(t, &p.opt, buffers))
	}
	return p
}

// Probe opens a connection to each target, at the same time, and learns what it can do. The error joins what failed;
// what a target said earlier stays known.
func (p *Pool) Probe(ctx context.Context) error {
	failed := make([]error, len(p.peers))
	var probes sync.WaitGroup
	for i, t := range p.peers {
		probes.Go(func() { failed[i] = t.probe(ctx) })
	}
	probes.Wait()
	return errors.Join(failed...)
}

// Caps is what every target has, as of its last probe or use. While a target is not known, nothing is.
func (p *Pool) Caps() Caps {
	var all Caps
	for i, t := range p.peers {
		c := t.caps.Load()
		switch {
		case c == nil:
			return Caps{}
		case i == 0:
			all = *c
		default:
			all = all.both(*c)
		}
	}
	return all
}

// Up reports whether the last connection to some target came about. A target that nobody asked yet is not up.
func (p *Pool) Up() bool {
	return slices.ContainsFunc(p.peers, func(t *peer) bool { return t.caps.Load() != nil && t.rest.Load() == 0 })
}

// Get hands out a connection to the first target that is up and has what need asks: a kept one, or a new one. It
// blocks until one is there, all targets failed, or ctx ends; ctx then holds for the whole lease, and its end closes
// the connection. The error wraps ErrUnavailable.
func (p *Pool) Get(ctx context.Context, need Need) (*Lease, error) {
	c, err := p.acquire(ctx, need, false)
	if err != nil {
		return nil, err
	}
	l := &Lease{pool: p, ctx: ctx, need: need}
	l.hold(c)
	return l, nil
}

// acquire asks the targets in order, those that failed a moment ago last. A failure that another target makes good is
// logged, else it is returned. After a stale connection only a new one will do.
func (p *Pool) acquire(ctx context.Context, need Need, stale bool) (*conn, error) {
	failed := []error{ErrUnavailable}
	for _, t := range p.order() {
		c, err := t.acquire(ctx, need, stale)
		if err == nil {
			p.logFailover(failed[1:], t)
			return c, nil
		}
		failed = append(failed, fmt.Errorf("%s: %w", t.Address, err))
		if ctx.Err() != nil {
			break
		}
	}
	return nil, join(failed)
}

// order is the targets, those at rest last.
func (p *Pool) order() []*peer {
	if len(p.peers) == 1 {
		return p.peers
	}
	now := p.opt.Now()
	var up, resting []*peer
	for _, t := range p.peers {
		if t.resting(now) {
			resting = append(resting, t)
		} else {
			up = append(up, t)
		}
	}
	return append(up, resting...)
}

// logFailover tells of the targets that failed; one that lacks something is passed over every time.
func (p *Pool) logFailover(failed []error, to *peer) {
	for _, err := range failed {
		if errors.Is(err, errLacks) {
			continue
		}
		p.opt.Logger.Warn("upstream passed over", "err", err, "instead", to.Address)
	}
}

// Close ends all idle connections; leased ones end at their release, and Get fails from now on.
func (p *Pool) Close() error {
	for _, t := range p.peers {
		t.close()
	}
	return nil
}

// join is errors.Join on one line.
func join(errs []error) error {
	err := errs[0]
	for _, e := range errs[1:] {
		err = fmt.Errorf("%w: %w", err, e)
	}
	return err
}
