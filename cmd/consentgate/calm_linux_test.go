package main

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// The file of the process says what its first thread has, and so what those of the runtime began with.
func TestAGateRunsWithTimersThatMayBeLate(t *testing.T) {
	t.Parallel()
	test, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := newSite(t, scriptConfig)
	var log output
	gate := exec.CommandContext(context.Background(), test)
	gate.Args = []string{"consentgate", "serve", "--listen", "127.0.0.1:0", "--mode", "observe"}
	gate.Env = append(os.Environ(), "CONSENTGATE_CONFIG="+s.env("CONSENTGATE_CONFIG"), "CONSENTGATE_DATA_DIR="+s.env("CONSENTGATE_DATA_DIR"))
	gate.Stderr = &log
	if err := gate.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = gate.Process.Signal(syscall.SIGTERM)
		_ = gate.Wait()
	}()
	log.wait(t, "msg=ready")
	text, err := os.ReadFile("/proc/" + strconv.Itoa(gate.Process.Pid) + "/timerslack_ns")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(string(text)); got != strconv.Itoa(int(timerSlack)) {
		t.Errorf("the gate's timers may be %s ns late, want %d", got, timerSlack)
	}
	if n := strings.Count(log.String(), "msg=ready"); n != 1 {
		t.Errorf("it said %d times that it was ready, want once", n)
	}
}
