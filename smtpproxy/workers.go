package smtpproxy

import (
	"context"
	"sync"
	"sync/atomic"
)

// workers do what there is to do for sessions, which wait for their clients themselves: a goroutine that only waits
// never enlarges the stack of 2 KiB that it was born with, and one that has served a message keeps 8. Most sessions
// wait most of the time, so the stacks that are large are few. A worker that is done does the next session's work; those
// beyond spareWorkers end.
type workers struct {
	work  chan task
	spare atomic.Int32
	ended sync.WaitGroup
}

// spareWorkers is how many wait for work at most.
const spareWorkers = 16

type task struct {
	base    context.Context //nolint:containedctx // on its way from one goroutine to the other
	session *session
	do      func(*session, context.Context) bool
}

func newWorkers() *workers { return &workers{work: make(chan task)} }

// run lets a worker do it, waits, and returns what it returned.
func (w *workers) run(base context.Context, s *session, do func(*session, context.Context) bool) bool {
	t := task{base, s, do}
	select {
	case w.work <- t:
	default:
		w.ended.Add(1)
		go w.serve(t)
	}
	return <-s.done
}

func (w *workers) serve(t task) {
	defer w.ended.Done()
	for more := true; more; t, more = w.next() {
		t.session.done <- t.do(t.session, t.base)
	}
}

// next waits for a task where few others do, and reports whether there is one.
func (w *workers) next() (task, bool) {
	defer w.spare.Add(-1)
	if w.spare.Add(1) > spareWorkers {
		return task{}, false
	}
	t, more := <-w.work
	return t, more
}

// close ends the workers, once no session is left.
func (w *workers) close() {
	close(w.work)
	w.ended.Wait()
}
