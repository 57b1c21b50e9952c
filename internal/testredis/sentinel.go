package testredis

import (
	"fmt"
	"net"
	"testing"
)

// MasterName is what the Sentinel of Sentinel calls its master.
const MasterName = "main"

// Sentinel starts a server and a Sentinel that watches it.
func Sentinel(t testing.TB) (url string, sentinel, master *Server) {
	t.Helper()
	master = Start(t)
	host, port, _ := net.SplitHostPort(master.Addr)
	sentinel = startSentinel(t, fmt.Sprintf("sentinel monitor %s %s %s 1\n", MasterName, host, port))
	return "redis+sentinel://" + sentinel.Addr + "/" + MasterName, sentinel, master
}
