package smtpproxy

import (
	"sync"
	"time"
)

// budget allows n acts in each window of time.
type budget struct {
	n      int
	window time.Duration

	mu    sync.Mutex
	began time.Time
	spent int
}

func newBudget(n int, window time.Duration) *budget { return &budget{n: n, window: window} }

// take spends one act, and reports whether there was one left.
func (b *budget) take(now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.began) >= b.window {
		b.began, b.spent = now, 0
	}
	if b.spent >= b.n {
		return false
	}
	b.spent++
	return true
}
