package smtpproxy

import "time"

// memory is what is remembered of clients, of boundedly many: two generations, and an entry that is touched is young
// again. Turning them by time forgets what nobody touched for memorySpan; turning them because one is full forgets what
// was untouched longest. The zero value is ready.
type memory[K comparable, V any] struct {
	young, old map[K]V
	turned     time.Time // when young was begun
}

const (
	memorySpan = time.Hour
	// memoryMost bounds each of the two generations.
	memoryMost = 1 << 14
)

func (m *memory[K, V]) of(key K) V {
	if v, ok := m.young[key]; ok {
		return v
	}
	return m.old[key]
}

func (m *memory[K, V]) keep(now time.Time, key K, v V) {
	if len(m.young) >= memoryMost || now.Sub(m.turned) >= memorySpan {
		m.old, m.young, m.turned = m.young, nil, now
	}
	if m.young == nil {
		m.young = make(map[K]V)
	}
	m.young[key] = v
}

func (m *memory[K, V]) forget(key K) {
	delete(m.young, key)
	delete(m.old, key)
}
