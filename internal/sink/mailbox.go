package sink

import (
	"slices"
	"sync"
)

// mailbox holds the newest messages, bounded in number and octets.
type mailbox struct {
	keep int

	mu      sync.Mutex
	held    []Message
	octets  int
	total   int
	arrived chan struct{} // closed and replaced with each message
}

// add gives m its ID, stores it and lets the oldest go where a bound is passed. The newest always stays.
func (b *mailbox) add(m Message) Message {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total++
	m.ID = b.total
	b.held = append(b.held, m)
	b.octets += len(m.Data)
	for len(b.held) > b.keep || (b.octets > maxHeld && len(b.held) > 1) {
		b.octets -= len(b.held[0].Data)
		b.held = slices.Delete(b.held, 0, 1)
	}
	close(b.arrived)
	b.arrived = make(chan struct{})
	return m
}

// state returns what is held, how many came since the start, and a channel that closes when another comes.
func (b *mailbox) state() (held []Message, total int, arrived <-chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.held), b.total, b.arrived
}

func (b *mailbox) all() []Message {
	held, _, _ := b.state()
	return held
}

func (b *mailbox) get(id int) (Message, bool) {
	held := b.all()
	i := slices.IndexFunc(held, func(m Message) bool { return m.ID == id })
	if i < 0 {
		return Message{}, false
	}
	return held[i], true
}
