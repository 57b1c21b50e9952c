//go:build linux

package procs_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/bench/internal/procs"
)

func start(t *testing.T, script string) *procs.Process {
	t.Helper()
	p, err := procs.Start("child", filepath.Join(t.TempDir(), "log"), exec.Command("sh", "-c", script))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestStopEndsAProcessThatRuns(t *testing.T) {
	t.Parallel()
	p := start(t, "echo up; exec sleep 60")
	if err := p.Await(10*time.Second, func() bool { return p.Log() == "up\n" }); err != nil {
		t.Fatal(err)
	}
	if m := procs.MemoryOf(p.PID); m.RSS == 0 || m.Peak < m.RSS || m.File == 0 || m.File >= m.RSS {
		t.Errorf("memory %+v", m)
	}
	if procs.Descriptors(p.PID) < 3 || procs.Threads(p.PID) != 1 {
		t.Errorf("%d descriptors, want 3 at least; %d threads, want 1", procs.Descriptors(p.PID), procs.Threads(p.PID))
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if m := procs.MemoryOf(p.PID); m.RSS != 0 {
		t.Errorf("after the end: memory %+v", m)
	}
}

func TestAProcessThatEndsByItselfIsAnError(t *testing.T) {
	t.Parallel()
	p := start(t, "echo cannot bind >&2; exit 3")
	if err := p.Await(10*time.Second, func() bool { return false }); err == nil || !strings.Contains(err.Error(), "cannot bind") {
		t.Errorf("Await: %v, want what the process said", err)
	}
	if err := p.Stop(); err == nil {
		t.Error("Stop takes it for a good end")
	}
}

func TestCPUCountsChildren(t *testing.T) {
	t.Parallel()
	p := start(t, "i=0; (while [ $i -lt 200000 ]; do i=$((i+1)); done); echo done; exec sleep 60")
	if err := p.Await(time.Minute, func() bool { return p.Log() == "done\n" }); err != nil {
		t.Fatal(err)
	}
	if got := procs.CPU(p.PID); got == 0 {
		t.Error("a loop took no time")
	}
	if err := p.Stop(); err != nil {
		t.Error(err)
	}
	if procs.CPU(0) != 0 {
		t.Error("no process has used CPU")
	}
}

func TestTheMachineIsDescribed(t *testing.T) {
	t.Parallel()
	m := procs.ThisMachine()
	if m.Cores == 0 || m.Memory < 1<<20 || m.Kernel == "" || procs.Busy() == 0 {
		t.Errorf("%+v, busy %v", m, procs.Busy())
	}
	if _, err := procs.Find("no-such-program"); err == nil || !strings.Contains(err.Error(), "bench-bootstrap") {
		t.Errorf("a program that is missing: %v, want the script that installs it", err)
	}
	if procs.MemoryOf(os.Getpid()).RSS == 0 {
		t.Error("this process has no memory")
	}
}
