package smtpproxy_test

import (
	"bytes"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/consentgate/consentgate/smtpproxy"
)

// BenchmarkDelivery is a message from the first MAIL to the reply, over loopback, to an upstream that keeps nothing.
// Client and upstream run in the same process and count too.
func BenchmarkDelivery(b *testing.B) {
	for _, tc := range []struct {
		from       string
		recipients int
		size       int
		open       bool // the ledger has notes
	}{
		{"news@example.com", 1, 4 << 10, false},
		{"news@example.com", 1, 4 << 10, true},
		{"news@example.com", 10, 4 << 10, false},
		{"news@example.com", 10, 4 << 10, true},
		{"promo@example.com", 10, 4 << 10, false},
		{"news@example.com", 1, 25 << 20, false},
		{"news@example.com", 10, 25 << 20, false},
		{"news@example.com", 10, 25 << 20, true},
	} {
		stream, _, _ := strings.Cut(tc.from, "@")
		b.Run(fmt.Sprintf("%s/%dto/%dKiB/open=%v", stream, tc.recipients, tc.size>>10, tc.open), func(b *testing.B) {
			w := start(b, bigMessages, unrecorded, func(_ *world, o *smtpproxy.Options) {
				o.PartlyDelivered = func() bool { return tc.open }
			})
			to, c := w.crowd(tc.recipients), w.rawClient()
			content := append([]byte("Subject: x\r\n\r\n"), bytes.Repeat([]byte(strings.Repeat("x", 70)+"\r\n"), tc.size/72)...)
			b.SetBytes(int64(len(content)))
			before := cpuTime(b)
			for b.Loop() {
				if got := c.message(content, tc.from, to...); !strings.HasPrefix(got, "250") {
					b.Fatal(got)
				}
			}
			b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/float64(b.N), "cpu-µs/op")
		})
	}
}

// cpuTime is what the process has used so far; other programs on the machine hardly change it.
func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		tb.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
