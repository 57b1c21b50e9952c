//go:build linux

package procs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// stopTime is how long a process gets to end by itself.
const stopTime = 40 * time.Second

// Process is a program that was started and is ended by Stop.
type Process struct {
	Name string
	PID  int

	cmd   *exec.Cmd
	log   string
	ended chan struct{} // closed once err is set
	err   error
}

// Command is for Start: it goes on when ctx ends, since Stop ends it.
func Command(ctx context.Context, path string, args ...string) *exec.Cmd {
	return exec.CommandContext(context.WithoutCancel(ctx), path, args...)
}

// Start starts cmd with stderr, and stdout where nothing else was set, going to the file log.
func Start(name, log string, cmd *exec.Cmd) (*Process, error) {
	f, err := os.Create(log)
	if err != nil {
		return nil, err
	}
	defer f.Close() // the child has its own
	cmd.Stderr = f
	if cmd.Stdout == nil {
		cmd.Stdout = f
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	p := &Process{Name: name, PID: cmd.Process.Pid, cmd: cmd, log: log, ended: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return p, nil
}

// Await calls ready until it says true. The error, with the end of the process's log, says that the process ended or
// that it was not ready in time.
func (p *Process) Await(limit time.Duration, ready func() bool) error {
	deadline := time.Now().Add(limit)
	for !ready() {
		select {
		case <-p.ended:
			return fmt.Errorf("%s ended: %w\n%s", p.Name, errors.Join(p.err, errors.New("it was not ready")), p.Tail())
		case <-time.After(5 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%s is not ready after %v\n%s", p.Name, limit, p.Tail())
		}
	}
	return nil
}

// Log is what the process has written by now.
func (p *Process) Log() string {
	b, _ := os.ReadFile(p.log) // gone: nothing to show
	return string(b)
}

// Tail is the end of Log, 2,000 octets at most.
func (p *Process) Tail() string {
	const size = 2000
	f, err := os.Open(p.log)
	if err != nil {
		return ""
	}
	defer f.Close()
	end := make([]byte, size)
	whole, _ := f.Seek(0, io.SeekEnd) // of a file that can be opened
	n, _ := f.ReadAt(end, max(0, whole-size))
	return string(end[:n])
}

// Stop asks the process to end, and kills it where it does not. The error is that of a process that ended badly, or
// had ended before. A nil Process has nothing to stop.
func (p *Process) Stop() error {
	if p == nil {
		return nil
	}
	select {
	case <-p.ended:
		return fmt.Errorf("%s had ended: %w\n%s", p.Name, errors.Join(p.err, errors.New("nobody asked it to")), p.Tail())
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // has ended meanwhile: Wait tells
	return p.Wait()
}

// Kill ends the process at once, without its doing (SIGKILL).
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // has ended by itself: the same
	<-p.ended
}

// Wait waits for a process that was asked to end, and kills it where it does not.
func (p *Process) Wait() error {
	select {
	case <-p.ended:
	case <-time.After(stopTime):
		_ = p.cmd.Process.Kill()
		<-p.ended
		return fmt.Errorf("%s did not end within %v and was killed\n%s", p.Name, stopTime, p.Tail())
	}
	return p.verdict()
}

// verdict forgives those that know no other end than the signal.
func (p *Process) verdict() error {
	if exit, ok := errors.AsType[*exec.ExitError](p.err); ok {
		if s, ok := exit.Sys().(syscall.WaitStatus); ok && s.Signal() == syscall.SIGTERM {
			return nil
		}
	}
	if p.err != nil {
		return fmt.Errorf("%s ended badly: %w\n%s", p.Name, p.err, p.Tail())
	}
	return nil
}

// Find returns the path of a program, also where daemons live, which is not on every account's PATH. The error names
// the script that installs it.
func Find(program string) (string, error) {
	for _, dir := range []string{"", "/usr/sbin", "/usr/local/sbin", "/sbin"} {
		if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is not installed: run script/bench-bootstrap", program)
}
