package testredis

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// MasterName is what the Sentinel of Sentinel calls its master.
const MasterName = "main"

// Sentinel starts a server and a Sentinel that watches it.
func Sentinel(t testing.TB) (url string, sentinel, master *Server) {
	t.Helper()
	master = Start(t)
	host, port, _ := net.SplitHostPort(master.Addr)
	sentinel = prepare(t, nil)
	_, own, _ := net.SplitHostPort(sentinel.Addr)
	config := filepath.Join(sentinel.dir, "sentinel.conf")
	text := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nlogfile log\nsentinel monitor %s %s %s 1\n",
		own, sentinel.dir, MasterName, host, port)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sentinel.args = []string{config, "--sentinel"}
	sentinel.Start()
	return "redis+sentinel://" + sentinel.Addr + "/" + MasterName, sentinel, master
}
