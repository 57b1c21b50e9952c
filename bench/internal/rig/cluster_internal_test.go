//go:build linux

package rig

import (
	"net"
	"strconv"
	"testing"
)

func TestAPortWhoseBusPortIsTakenIsNotForANode(t *testing.T) {
	t.Parallel()
	addr, err := freeNodeAddr(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := net.SplitHostPort(addr)
	port, _ := strconv.Atoi(text) // FreeAddr's own
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port+busOffset)))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if busFree(t.Context(), addr) {
		t.Errorf("somebody listens at the bus port of %s", addr)
	}
	if busFree(t.Context(), "127.0.0.1:55536") {
		t.Error("65,536 is no port")
	}
}

// One in five that the system hands out has no valid bus port.
func TestEveryNodePortLeavesRoomForItsBusPort(t *testing.T) {
	t.Parallel()
	for range 100 {
		addr, err := freeNodeAddr(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, text, _ := net.SplitHostPort(addr)
		if port, err := strconv.Atoi(text); err != nil || port+busOffset > 65_535 {
			t.Fatalf("%s has no valid bus port", addr)
		}
	}
}
