package testredis

import (
	"net"
	"strconv"
	"testing"
)

func TestAPortWhoseBusPortIsTakenIsNotForAServer(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port+10_000)))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if busFree(port) {
		t.Errorf("somebody listens at the bus port of %d", port)
	}
	if busFree(55_536) {
		t.Error("65,536 is no port")
	}
}
