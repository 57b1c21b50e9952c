package combine

import "runtime"

// AwaitWaiting returns once a job waits for its batch.
func (g *Group[J]) AwaitWaiting() {
	for {
		g.mu.Lock()
		n := len(g.waiting)
		g.mu.Unlock()
		if n > 0 {
			return
		}
		runtime.Gosched()
	}
}
