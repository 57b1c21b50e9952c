package metrics

import (
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
)

// process is what leaks of this process show in, under the names that every client library of Prometheus gives it, so that
// common dashboards and alerts find it. Where a system has no /proc only goroutines are told.
func process() []Gauge {
	all := []Gauge{{Name: "go_goroutines", Help: "Goroutines that exist.", Value: float64(runtime.NumGoroutine())}}
	if n, err := openDescriptors(); err == nil {
		all = append(all, Gauge{Name: "process_open_fds", Help: "Open file descriptors.", Value: float64(n)})
	}
	if n, err := residentMemory(); err == nil {
		all = append(all, Gauge{Name: "process_resident_memory_bytes", Help: "Resident memory in bytes.", Value: float64(n)})
	}
	return all
}

// openDescriptors counts them some at a time: a gate may have one for each of many thousand sessions.
func openDescriptors() (n int, err error) {
	dir, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0, err
	}
	defer dir.Close()
	n = -1 // the one to read them by
	for err == nil {
		var names []string
		names, err = dir.Readdirnames(256)
		n += len(names)
	}
	if !errors.Is(err, io.EOF) {
		return 0, err
	}
	return n, nil
}

// residentMemory is in bytes: the second field of /proc/self/statm, which is in pages (proc(5)).
func residentMemory() (int64, error) {
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0, err
	}
	var size, resident int64
	if _, err := fmt.Sscan(string(b), &size, &resident); err != nil {
		return 0, err
	}
	return resident * int64(os.Getpagesize()), nil
}
