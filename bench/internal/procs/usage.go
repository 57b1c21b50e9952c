//go:build linux

package procs

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tick is the unit of CPU times in /proc (USER_HZ), 10 ms on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// stat is what we need of /proc/PID/stat (proc(5)).
type stat struct {
	parent int
	cpu    time.Duration // its own, and that of children that ended and were waited for
}

func readStat(pid int) (stat, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, err
	}
	// The name, in parentheses, may hold anything. Behind it: state, ppid, …; utime stime cutime cstime are 12th to 15th.
	fields := strings.Fields(string(b[bytes.LastIndexByte(b, ')')+1:]))
	if len(fields) < 15 {
		return stat{}, errors.New("/proc/PID/stat is short")
	}
	s := stat{}
	s.parent, err = strconv.Atoi(fields[1])
	for _, f := range fields[11:15] {
		n, e := strconv.ParseInt(f, 10, 64)
		s.cpu, err = s.cpu+time.Duration(n)*tick, errors.Join(err, e)
	}
	return s, err
}

// family is pid and all processes below it that live.
func family(pid int) []int {
	children := map[int][]int{}
	dirs, _ := filepath.Glob("/proc/[0-9]*") // the pattern is right
	for _, dir := range dirs {
		child, _ := strconv.Atoi(filepath.Base(dir))
		if s, err := readStat(child); err == nil { // else it has ended
			children[s.parent] = append(children[s.parent], child)
		}
	}
	all := []int{pid}
	for i := 0; i < len(all); i++ {
		all = append(all, children[all[i]]...)
	}
	return all
}

// CPU is the time that a process and its children have used, in steps of 10 ms. Of no process (0) it is 0.
func CPU(pid int) time.Duration {
	if pid == 0 {
		return 0
	}
	var sum time.Duration
	for _, p := range family(pid) {
		if s, err := readStat(p); err == nil {
			sum += s.cpu
		}
	}
	return sum
}

// Memory of a process and its children, in bytes. Pages that they share count for each.
type Memory struct {
	RSS  int64 // resident now
	File int64 // of RSS, clean pages of files: the program itself, which the system may drop and other processes share
	Peak int64 // most that was resident since ResetPeak, or ever
}

// MemoryOf reads /proc/PID/status. Of no process (0) it is nothing.
func MemoryOf(pid int) Memory {
	var m Memory
	if pid == 0 {
		return m
	}
	for _, p := range family(pid) {
		b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p)) // has ended: uses nothing
		for line := range strings.Lines(string(b)) {
			switch name, value, _ := strings.Cut(line, ":"); name {
			case "VmRSS":
				m.RSS += kilobytes(value)
			case "RssFile":
				m.File += kilobytes(value)
			case "VmHWM":
				m.Peak += kilobytes(value)
			}
		}
	}
	return m
}

// Descriptors is how many files and sockets a process has open.
func Descriptors(pid int) int {
	all, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid)) // has ended: has none
	return len(all)
}

// Threads is how many threads a process has.
func Threads(pid int) int {
	all, _ := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	return len(all)
}

// AllowDescriptors lets this process, and those that it starts from now on, have n descriptors, and returns how many
// they may have where the system allows less.
func AllowDescriptors(n int) int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	wanted := syscall.Rlimit{Cur: max(limit.Max, uint64(n)), Max: max(limit.Max, uint64(n))}
	if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &wanted) == nil {
		return int(wanted.Cur)
	}
	limit.Cur = limit.Max // more is for whoever has the right
	_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	return int(limit.Cur)
}

// kilobytes reads "   1234 kB".
func kilobytes(s string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(s), " kB"), 10, 64) // the kernel's own form
	return n << 10
}

// ResetPeak makes what is resident now the peak.
func ResetPeak(pid int) {
	if pid == 0 {
		return
	}
	for _, p := range family(pid) {
		_ = os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p), []byte("5"), 0) // has ended: has no peak
	}
}
