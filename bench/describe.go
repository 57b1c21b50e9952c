//go:build linux

package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/consentgate/consentgate/bench/internal/procs"
)

// describe notes what the figures are of, and what they were measured on.
func (b *benchmark) describe(ctx context.Context) {
	m := procs.ThisMachine()
	b.file.Commit = output(ctx, "git", "describe", "--always", "--dirty")
	b.file.Machine = map[string]string{
		"cores": fmt.Sprint(m.Cores), "processor": m.CPU, "Linux": m.Kernel, "Go": strings.TrimPrefix(m.Go, "go"),
		"memory": fmt.Sprintf("%d GiB", m.Memory>>30),
	}
	b.file.Versions = map[string]string{
		"haproxy": word(output(ctx, "haproxy", "-v"), 2),
		"Redis":   strings.TrimPrefix(word(output(ctx, "redis-server", "--version"), 2), "v="),
		"Postfix": word(output(ctx, "postconf", "-d", "mail_version"), 2),
	}
	b.file.Settings = map[string]string{
		"rounds":                        fmt.Sprint(b.o.Rounds),
		"recipients in Redis":           fmt.Sprint(b.o.Records),
		"recipients in embedded store":  fmt.Sprint(b.o.Embedded),
		"load of the machine before it": fmt.Sprint(procs.Load()),
		"time of a run":                 fmt.Sprint(b.o.Time),
	}
}

// output of a program; one that is not there has none.
func output(ctx context.Context, program string, args ...string) string {
	path, err := procs.Find(program)
	if err != nil {
		return ""
	}
	out, _ := exec.CommandContext(ctx, path, args...).Output()
	return strings.TrimSpace(string(out))
}

// word is the nth of a text, counted from 0.
func word(text string, n int) string {
	if words := strings.Fields(text); len(words) > n {
		return words[n]
	}
	return "?"
}
