package unsub

import (
	"context"
	"sync"
	"sync/atomic"

	"github.com/consentgate/consentgate/gate"
)

// pending is the withdrawals that the journal has, or is about to have, and the store may not. The zero pending is
// empty.
type pending struct {
	n      atomic.Int64 // of events; lets has return at once
	mu     sync.RWMutex
	events map[string]*pendingEvent // by event id
	keys   map[pendingKey]tally
}

type pendingKey struct {
	id      gate.ID
	purpose string
}

type pendingEvent struct {
	key  pendingKey
	kept bool // the journal has it for sure
	// tried is closed when whoever made the withdrawal has tried the store; nil: nobody but the journal does.
	tried chan struct{}
}

// tally counts the events of a key.
type tally struct{ events, kept int }

// count adds an event to its key's tally, or takes it off. mu is held.
func (p *pending) count(e *pendingEvent, by int) {
	t := p.keys[e.key]
	t.events += by
	if e.kept {
		t.kept += by
	}
	if t.events == 0 {
		delete(p.keys, e.key)
		return
	}
	p.keys[e.key] = t
}

func (p *pending) add(event string, k pendingKey, kept bool) {
	p.put(event, &pendingEvent{key: k, kept: kept})
}

// begin adds an event that its maker is about to keep and to bring to the store; tried has to follow.
func (p *pending) begin(event string, k pendingKey) (tried func()) {
	e := &pendingEvent{key: k, tried: make(chan struct{})}
	p.put(event, e)
	return func() { close(e.tried) }
}

// settled reports whether the event is pending once its maker has tried the store, or ctx has ended.
func (p *pending) settled(ctx context.Context, event string) bool {
	p.mu.RLock()
	e := p.events[event]
	p.mu.RUnlock()
	if e == nil || e.tried == nil {
		return e != nil
	}
	select {
	case <-e.tried:
	case <-ctx.Done():
	}
	return p.holds(event)
}

func (p *pending) put(event string, e *pendingEvent) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.events == nil {
		p.events, p.keys = make(map[string]*pendingEvent), make(map[pendingKey]tally)
	}
	if p.events[event] != nil {
		return
	}
	p.events[event] = e
	p.count(e, 1)
	p.n.Add(1)
}

// keep notes that the journal has the event.
func (p *pending) keep(event string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.events[event]; e != nil {
		p.count(e, -1)
		e.kept = true
		p.count(e, 1)
	}
}

func (p *pending) remove(event string) {
	if p.n.Load() == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.events[event]
	if e == nil {
		return
	}
	delete(p.events, event)
	p.count(e, -1)
	p.n.Add(-1)
}

// holds reports whether an event is pending.
func (p *pending) holds(event string) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.events[event] != nil
}

// safe reports whether an event is pending that cannot be lost any more.
func (p *pending) safe(event string) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	e := p.events[event]
	return e != nil && e.kept
}

// kept reports whether an event of the key is pending that cannot be lost any more.
func (p *pending) kept(k pendingKey) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.keys[k].kept > 0
}

// has reports whether anything is pending for the recipient that speaks of the purpose.
func (p *pending) has(id gate.ID, purpose string) bool {
	if p.n.Load() == 0 {
		return false
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.keys[pendingKey{id, purpose}].events > 0 || p.keys[pendingKey{id, gate.AllPurposes}].events > 0
}
