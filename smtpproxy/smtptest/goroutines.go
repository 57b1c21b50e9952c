package smtptest

import (
	"bytes"
	"runtime"
)

// Goroutines counts those of the program. [runtime.NumGoroutine] counts some of the runtime's own as well, which begin
// when the collector first needs them and are no leak.
func Goroutines() int {
	stacks := make([]byte, 4<<20)
	stacks = stacks[:runtime.Stack(stacks, true)]
	return 1 + bytes.Count(stacks, []byte("\n\ngoroutine "))
}
