package smtpproxy

import (
	"sync"
	"time"
)

// budget counts acts in each window of time.
type budget struct {
	mu    sync.Mutex
	began time.Time
	spent int
}

// take spends one of n acts that each window allows, and reports whether there was one left.
func (b *budget) take(now time.Time, n int, window time.Duration) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now.Sub(b.began) >= window {
		b.began, b.spent = now, 0
	}
	if b.spent >= n {
		return false
	}
	b.spent++
	return true
}
