//go:build linux

package smtpproxy_test

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
)

// fullDisk lets no file of the process grow beyond size, until the function that it returns is called: the system
// refuses the write in the middle, as it does where a disk is full. No other test may run meanwhile.
func fullDisk(t *testing.T, size uint64) (free func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ) // which would end the process
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: size, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	free = func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
			t.Error(err)
		}
		signal.Reset(syscall.SIGXFSZ)
	}
	t.Cleanup(free)
	return free
}

// halfMegabyte is a message that does not fit where 64 KiB do.
const halfMegabyte = 512 << 10

// sized is a transaction of a message of so many octets; reply is what each answer to its end begins with.
func sized(size int, reply string, answers int, to ...string) string {
	text := message("promo@example.com", reply, to...)
	line := "C: " + strings.Repeat("x", 1022) + "\n"
	text = strings.Replace(text, "C: text\n", strings.Repeat(line, size>>10), 1)
	return text + strings.Repeat("S: "+reply+"\n", answers-1)
}

// TestADiskThatFillsInMidSpoolIs452AndNothingIsSent: SMTP and LMTP, and a first try that was delivered in part.
func TestADiskThatFillsInMidSpoolIs452AndNothingIsSent(t *testing.T) { //nolint:paralleltest // see fullDisk
	for protocol, answers := range map[string]int{"SMTP": 1, "LMTP": 2} {
		t.Run(protocol, func(t *testing.T) {
			var dir string
			w := start(t, bigMessages, func(_ *world, o *smtpproxy.Options) { o.Listeners[0].LMTP, dir = answers > 1, o.SpoolDir })
			w.upstream.CloseConnections()
			checkLeaks(t, w)
			c := smtptest.Dial(t, w.addr, w.upstream)
			c.Play("S: 220\nC: " + map[string]string{"SMTP": "EHLO", "LMTP": "LHLO"}[protocol] + " client.example\nS* 250\n")
			free := fullDisk(t, 64<<10)
			c.Play(sized(halfMegabyte, "452 4.3.1 Not enough room", answers, "active", "double"))
			if got := w.upstream.Messages(); len(got) != 0 {
				t.Errorf("%d messages were begun upstream, want none", len(got))
			}
			c.Play(sized(1<<10, "250", answers, "active", "double"))
			free()
			c.Play(sized(halfMegabyte, "250", answers, "active", "double") + "C: QUIT\nS: 221\nS.\n")
			for _, who := range []string{"active", "double"} {
				if n := w.served(who); n != 2 {
					t.Errorf("%s was served %d times, want twice", who, n)
				}
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
				t.Errorf("left in the spool: %v, %v", left, err)
			}
			w.upstream.CloseConnections()
		})
	}
}

func TestADiskThatFillsDuringTheRetryOfWhatWasPartlyDeliveredRepeatsNothing(t *testing.T) { //nolint:paralleltest // see fullDisk
	w := start(t, bigMessages)
	w.upstream.OnRcpt("double@example.net", smtptest.Reply("450 4.2.0 later").Times(1))
	w.play(sized(halfMegabyte, "451 4.4.2 Delivered to 1 of 2", 1, "active", "double"))
	free := fullDisk(t, 64<<10)
	w.play(sized(halfMegabyte, "452 4.3.1", 1, "active", "double"))
	free()
	w.play(sized(halfMegabyte, "250", 1, "active", "double"))
	for _, who := range []string{"active", "double"} {
		if n := w.served(who); n != 1 {
			t.Errorf("%s was served %d times, want once", who, n)
		}
	}
}

func TestADiskThatIsFullAltogetherIs452(t *testing.T) { //nolint:paralleltest // see fullDisk
	for _, size := range []int{halfMegabyte, 66 << 10} { // the second one needs a file for its last lines only
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			w := start(t, bigMessages)
			fullDisk(t, 0)
			w.play(sized(size, "452 4.3.1", 1, "active", "double") + "C: NOOP\nS: 250\n")
			if w.served("active")+w.served("double") != 0 {
				t.Error("a copy was sent")
			}
		})
	}
}
