//go:build linux

package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"regexp"
	"strconv"
	"time"
)

// Series of recipients: 1rcpt@bench.test and so on.
const (
	Recipients = "rcpt"      // what throughput is measured with; consented
	Watched    = "watch"     // consented, and mixed with
	Withdrawn  = "withdrawn" // who took consent back
)

// Job is what smtp-source has to send. Recipients are 1rcpt@bench.test to NNrcpt@bench.test, each of them once.
type Job struct {
	From       string
	Sessions   int  // at the same time
	Messages   int  // together
	Size       int  // octets of the body
	Recipients int  // of each message
	Kept       bool // sessions are kept for many messages; else each message has its own
}

// Source runs smtp-source, found at path, and returns how long it took. It says HELO, does not pipeline, and ends with
// an error at the first reply that is not a good one.
func Source(ctx context.Context, path, addr string, j Job) (time.Duration, error) {
	if err := loopback(addr); err != nil {
		return 0, err
	}
	args := []string{
		"-s", strconv.Itoa(j.Sessions), "-m", strconv.Itoa(j.Messages), "-l", strconv.Itoa(j.Size),
		"-r", strconv.Itoa(j.Recipients), "-N", "-f", j.From, "-t", Recipients + "@bench.test",
	}
	if j.Kept {
		args = append(args, "-d")
	}
	cmd := exec.CommandContext(ctx, path, append(args, addr)...)
	var said bytes.Buffer
	cmd.Stderr = &said
	start := time.Now()
	err := cmd.Run()
	took := time.Since(start)
	switch text := bytes.TrimSpace(said.Bytes()); {
	case err != nil && deferral().Match(text):
		return 0, fmt.Errorf("smtp-source: %w: %s", ErrDeferred, text)
	case err != nil:
		return 0, fmt.Errorf("smtp-source: %w: %s", err, text)
	}
	return took, nil
}

// ErrDeferred is a reply that asks to try again: no mail is lost, but this run is no measure.
var ErrDeferred = errors.New("deferred")

// ErrRefused is a reply that says never.
var ErrRefused = errors.New("refused")

// deferral is how smtp-source tells of a 4xx: "fatal: rcpt to rejected: 451 4.3.0 …".
func deferral() *regexp.Regexp { return regexp.MustCompile(`: 4\d\d `) }

// loopback refuses to load any machine but this one.
func loopback(addr string) error {
	a, err := netip.ParseAddrPort(addr)
	if err != nil {
		return err
	}
	if !a.Addr().IsLoopback() {
		return fmt.Errorf("%s is not on loopback", addr)
	}
	return nil
}
