//go:build linux

package countsink

import (
	"bytes"
	"testing"
)

// FuzzEndOfData holds the search in pieces against one search of the whole.
func FuzzEndOfData(f *testing.F) {
	f.Add([]byte("a\r\n.\r\nQUIT\r\n"), 3, 1)
	f.Add([]byte(".\r\n"), 1, 1)
	f.Add([]byte("\r\n.\r\n.\r\n"), 2, 2)
	f.Add([]byte("a\r\r\n.\r\r\n.\r\n"), 4, 1)
	f.Add([]byte("a\n.\nb\r\n.\nc\r\n..\r\n"), 5, 3)
	f.Fuzz(func(t *testing.T, stream []byte, first, then int) {
		want := bytes.Index(append([]byte("\r\n"), stream...), []byte(endOfData)) // of its CRLF, which may be before stream
		var c content
		c.begin(nil)
		taken, end := 0, false
		for rest := stream; len(rest) > 0 && !end; {
			size := min(len(rest), 1+max(0, first)%7)
			first = then
			var n int
			n, end = c.take(rest[:size])
			taken += n
			rest = rest[n:]
		}
		if end != (want >= 0) {
			t.Fatalf("%q: end %v, want it at %d", stream, end, want)
		}
		if end && taken != want+len(endOfData)-len("\r\n") {
			t.Errorf("%q: content of %d octets, want %d", stream, taken, want+3)
		}
		if c.octets != int64(taken) {
			t.Errorf("%q: counted %d octets of %d", stream, c.octets, taken)
		}
	})
}
