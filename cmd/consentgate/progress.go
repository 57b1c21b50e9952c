package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"
)

// progress is a line on a terminal that is written over: how much, how fast, how long still.
type progress struct {
	w           io.Writer // nil: no terminal
	now         func() time.Time
	what        string
	total       int64 // of done's unit; 0: unknown
	start, last time.Time
}

func (p *program) newProgress(what string, total int64) *progress {
	bar := &progress{now: p.now, what: what, total: total, start: p.now()}
	if f, ok := p.err.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		bar.w = p.err
	}
	return bar
}

// show writes at most five times a second.
func (b *progress) show(count int, done int64) {
	now := b.now()
	if b.w == nil || now.Sub(b.last) < 200*time.Millisecond {
		return
	}
	b.last = now
	spent := now.Sub(b.start)
	text := fmt.Sprintf("%d %s, %.0f/s", count, b.what, float64(count)/max(spent.Seconds(), 0.001))
	if b.total > 0 && done > 0 {
		left := time.Duration(float64(spent) * float64(b.total-done) / float64(done))
		text += fmt.Sprintf(", %d%%, %s left", 100*done/b.total, left.Round(time.Second))
	}
	fmt.Fprintf(b.w, "\r\x1b[K%s", text)
}

// end removes the line.
func (b *progress) end() {
	if b.w != nil {
		fmt.Fprint(b.w, "\r\x1b[K")
	}
}
