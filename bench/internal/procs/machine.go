//go:build linux

package procs

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Busy is the CPU time that all cores have spent at work since the machine started.
func Busy() time.Duration {
	b, _ := os.ReadFile("/proc/stat") // always there
	line, _, _ := strings.Cut(string(b), "\n")
	var sum time.Duration
	// cpu user nice system idle iowait irq softirq steal …
	for i, f := range strings.Fields(line) {
		if i == 0 || i == 4 || i == 5 || i > 7 {
			continue
		}
		n, _ := strconv.ParseInt(f, 10, 64)
		sum += time.Duration(n) * tick
	}
	return sum
}

// Share is what used is of the time that all cores had.
func Share(used, elapsed time.Duration) float64 {
	return used.Seconds() / elapsed.Seconds() / float64(runtime.NumCPU())
}

// AwaitQuiet returns once the machine as a whole does less than share of what it could, or when limit is over.
func AwaitQuiet(share float64, limit time.Duration) {
	const look = 200 * time.Millisecond
	for deadline := time.Now().Add(limit); time.Now().Before(deadline); {
		before := Busy()
		time.Sleep(look)
		if Share(Busy()-before, look) < share {
			return
		}
	}
}

// Machine is what figures were measured on.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory int64  `json:"memory"` // bytes
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
}

// ThisMachine reads /proc.
func ThisMachine() Machine {
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return Machine{
		CPU:    valueOf("/proc/cpuinfo", "model name"),
		Cores:  runtime.NumCPU(),
		Memory: kilobytes(valueOf("/proc/meminfo", "MemTotal")),
		Kernel: strings.TrimSpace(string(release)),
		Go:     runtime.Version(),
	}
}

// Load is the load average of the last minute.
func Load() float64 {
	b, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(b), " ")
	load, _ := strconv.ParseFloat(first, 64)
	return load
}

// valueOf is the first "name : value" of a file of /proc.
func valueOf(file, name string) string {
	b, _ := os.ReadFile(file)
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
