//go:build !unix

package wire

import "net"

// awaiter is for sockets that can be waited for without a buffer; here there are none.
type awaiter struct{}

func newAwaiter(net.Conn, *Buffers) *awaiter { return nil }

func (*awaiter) read(*input) error { return nil }
