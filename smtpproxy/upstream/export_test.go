package upstream

import "net"

// ReadReply and MaxReply are for tests of the reply reader.
var ReadReply = readReply

const MaxReply = maxReply

// MaySendPassword reports whether AUTH would go over nc without TLS.
func MaySendPassword(nc net.Conn) bool { return newConn(&peer{}, nc).isSecure() }
