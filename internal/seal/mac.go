package seal

import (
	"crypto/hmac"
	"crypto/sha256"
	"hash"
	"sync"
)

// macs computes HMAC-SHA256 with one key for many goroutines. The states are kept: starting one costs twice the work
// of an address.
type macs struct{ pool sync.Pool }

// mac is one state; buf holds the input and then the sum, so that nothing of the caller's goes to the heap.
type mac struct {
	hash hash.Hash
	buf  []byte
}

func newMACs(key []byte) *macs {
	return &macs{sync.Pool{New: func() any {
		return &mac{hash: hmac.New(sha256.New, key), buf: make([]byte, 0, 256)}
	}}}
}

func sum[T string | []byte](m *macs, data T) [sha256.Size]byte {
	s := m.pool.Get().(*mac)
	defer m.pool.Put(s)
	s.buf = append(s.buf[:0], data...)
	s.hash.Reset()
	_, _ = s.hash.Write(s.buf) // hash.Hash: never an error
	s.buf = s.hash.Sum(s.buf[:0])
	return [sha256.Size]byte(s.buf)
}
