//go:build !race

// The race detector makes sync.Pool forget at random, so that allocations are only counted without it.

package seal_test

import "testing"

func TestIDAllocatesNothing(t *testing.T) {
	_, k := create(t)
	a := address(t, "ann@example.com")
	if n := testing.AllocsPerRun(1000, func() { k.ID(a) }); n >= 1 {
		t.Errorf("%v allocations, want none", n)
	}
}
