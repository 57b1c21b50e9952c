package main

import "testing"

func TestASmallMachineRunsOneGoroutineAtATime(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]int{1: 1, 2: 1, 3: 3, 16: 16} {
		if got := processors(n); got != want {
			t.Errorf("processors(%d) = %d, want %d", n, got, want)
		}
	}
}

func TestTheMemoryLimitOfAContainerLeavesRoom(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{"": 0, "max\n": 0, "0\n": 0, "-1": 0, "104857600\n": 94371840} {
		if got := memoryLimit(text); got != want {
			t.Errorf("memoryLimit(%q) = %d, want %d", text, got, want)
		}
	}
}
