package smtpproxy_test

import (
	"fmt"
	"io"
	"log/slog"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
)

// held is what the process holds after a collection: objects, and the stacks of goroutines.
func held() (heap, stack float64) {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc), float64(m.StackInuse)
}

// BenchmarkIdleSession reports what a session holds while it waits for a command, before its first message and after.
func BenchmarkIdleSession(b *testing.B) {
	const sessions = 2000
	w := start(b, func(w *world, o *smtpproxy.Options) {
		o.Log = slog.New(slog.NewTextHandler(io.Discard, nil)) //nolint:sloglint // one that weighs what a gate's does
		pool := upstream.New(upstream.Options{Targets: []upstream.Target{{Address: blind(b), TLS: upstream.None}}})
		w.pools = append(w.pools, pool)
		o.Upstream, o.Records, o.Count = pool, newPermits(), func(gate.Counter) {}
		o.Limits.Sessions, o.Limits.NetworkSessions = 2*sessions, 2*sessions
	})
	for b.Loop() {
		heap, stack := held()
		all := make([]socket, sessions)
		for i := range all {
			all[i] = w.socket()
			all[i].say([]byte("EHLO client.example\r\n"), 1)
		}
		report := func(when string) {
			h, s := held()
			b.ReportMetric((h-heap)/sessions, "heap-B-"+when)
			b.ReportMetric((s-stack)/sessions, "stack-B-"+when)
		}
		report("fresh")
		for _, s := range all {
			for _, command := range []string{"MAIL FROM:<news@example.com>\r\n", "RCPT TO:<active@example.net>\r\n", "DATA\r\n"} {
				s.say([]byte(command), 1)
			}
			s.say([]byte("Subject: idle\r\n\r\nx\r\n.\r\n"), 1)
		}
		report("after")
		for _, s := range all {
			_ = unix.Close(s.fd)
		}
	}
}

// BenchmarkMessage passes 4 KiB messages through a gate between two ends that allocate nothing: allocs/op is the
// session's whole work on a message, with a store in memory.
func BenchmarkMessage(b *testing.B) {
	body := strings.Repeat(strings.Repeat("x", 70)+"\r\n", 56)
	for _, bench := range []struct {
		name, from string
		rcpts      int
		pipelined  bool
	}{
		{"one", "news@example.com", 1, false},
		{"pipelined", "news@example.com", 1, true},
		{"ten", "news@example.com", 10, false},
		{"split", "promo@example.com", 10, false},
	} {
		b.Run(bench.name, func(b *testing.B) {
			w := start(b, func(w *world, o *smtpproxy.Options) {
				pool := upstream.New(upstream.Options{
					Targets: []upstream.Target{{Address: blind(b), TLS: upstream.None}}, Hello: "gate.example",
				})
				w.pools = append(w.pools, pool)
				o.Upstream = pool
				o.Limits.Recipients, o.Limits.Wire.Message = 50, 1<<20
				o.Records = newPermits()
				o.Count = func(gate.Counter) {}
			})
			c := w.socket()
			c.say([]byte("EHLO client.example\r\n"), 1)
			group, content, replies := transaction(bench.from, body, bench.rcpts, bench.pipelined)
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				for _, s := range group {
					c.say(s, replies)
				}
				c.say(content, 1)
			}
			_ = unix.Close(c.fd)
		})
	}
}

// transaction is what is sent for one message: commands, in steps that have so many replies each, and the content.
func transaction(from, body string, rcpts int, pipelined bool) (group [][]byte, content []byte, replies int) {
	steps := []string{"MAIL FROM:<" + from + ">\r\n"}
	for i := range rcpts {
		steps = append(steps, fmt.Sprintf("RCPT TO:<p%02d@example.net>\r\n", i))
	}
	steps, replies = append(steps, "DATA\r\n"), 1
	if pipelined {
		replies, steps = len(steps), []string{strings.Join(steps, "")}
	}
	const header = "From: a@example.com\r\nTo: b@example.net\r\nSubject: bench\r\nMessage-Id: <1@example.com>\r\n\r\n"
	return bytesOf(steps), []byte(header + body + ".\r\n"), replies
}

func bytesOf(texts []string) [][]byte {
	out := make([][]byte, len(texts))
	for i, t := range texts {
		out[i] = []byte(t)
	}
	return out
}
