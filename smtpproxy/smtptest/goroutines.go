package smtptest

import (
	"bytes"
	"runtime"
)

// Goroutines counts those of the program, but for workers of a gate that wait for a session: those end with it.
// [runtime.NumGoroutine] counts some of the runtime's own as well, which begin when the collector first needs them and
// are no leak.
func Goroutines() int {
	n := 0
	for _, stack := range goroutines() {
		if !bytes.Contains(stack, []byte("smtpproxy.(*workers).next(")) {
			n++
		}
	}
	return n
}

// Workers counts the goroutines that work for a gate's sessions, or wait to.
func Workers() int {
	n := 0
	for _, stack := range goroutines() {
		if bytes.Contains(stack, []byte("smtpproxy.(*workers).serve(")) {
			n++
		}
	}
	return n
}

// goroutines are their stacks, as text.
func goroutines() [][]byte {
	all := make([]byte, 4<<20)
	return bytes.Split(all[:runtime.Stack(all, true)], []byte("\n\n"))
}
