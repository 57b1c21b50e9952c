package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

// smallMachine is how many processors a gate leaves to the mailer and the store beside it. On so few, each goroutine
// that becomes ready makes Go wake another thread, which takes the processor from whoever was about to answer: one
// running thread needs a third less CPU for the same mail (docs/performance.md).
const smallMachine = 2

// memoryLimitFile holds what a container may use, in octets, or the word max (Linux control groups, version 2).
const memoryLimitFile = "/sys/fs/cgroup/memory.max"

// tune fits Go's scheduler and collector to a gate. What the environment says (GOMAXPROCS, GOMEMLIMIT) stands.
func tune(getenv func(string) string) {
	if getenv("GOMAXPROCS") == "" {
		if procs := processors(runtime.GOMAXPROCS(0)); procs != runtime.GOMAXPROCS(0) {
			runtime.GOMAXPROCS(procs)
		}
	}
	if getenv("GOMEMLIMIT") != "" {
		return
	}
	// A missing file is a machine without such limits.
	text, _ := os.ReadFile(memoryLimitFile)
	if limit := memoryLimit(string(text)); limit > 0 {
		debug.SetMemoryLimit(limit)
	}
}

// processors is how many goroutines may run at a time, of n that the system allows.
func processors(n int) int {
	if n <= smallMachine {
		return 1
	}
	return n
}

// memoryLimit is nine tenths of a container's limit, so that the collector works harder before the system ends the
// gate; 0 where there is none.
func memoryLimit(text string) int64 {
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if err != nil || n <= 0 {
		return 0
	}
	return n / 10 * 9
}
