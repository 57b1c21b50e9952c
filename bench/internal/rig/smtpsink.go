//go:build linux

package rig

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/consentgate/consentgate/bench/internal/procs"
)

// SMTPSink is Postfix's smtp-sink: the upstream that published figures, and the goals, were measured with. It reads
// each octet for itself, as mailers do, and counts messages but knows nothing of them.
type SMTPSink struct {
	*procs.Process
	messages int // at the last Reset
}

// StartSMTPSink starts one at addr, with its log in dir.
func StartSMTPSink(ctx context.Context, dir, addr string) (*SMTPSink, error) {
	binary, err := procs.Find("smtp-sink")
	if err != nil {
		return nil, err
	}
	// -c shows running counters; as root it insists on becoming somebody else.
	cmd := procs.Command(ctx, binary, append(asNobody(), "-c", "-m", "15000", addr, "4096")...)
	s := &SMTPSink{}
	if s.Process, err = procs.Start("smtp-sink", filepath.Join(dir, "smtp-sink.log"), cmd); err != nil {
		return nil, err
	}
	return s, s.Await(startTime, func() bool { return answers(ctx, addr) })
}

func asNobody() []string {
	if os.Geteuid() == 0 {
		return []string{"-u", "nobody"}
	}
	return nil
}

// Reset makes Messages count from 0.
func (s *SMTPSink) Reset() { s.messages = s.shown() }

// Messages waits until smtp-sink shows n messages since the last Reset, or for a second, and returns how many it shows.
func (s *SMTPSink) Messages(n int) int {
	got := s.shown() - s.messages
	for deadline := time.Now().Add(time.Second); got < n && time.Now().Before(deadline); got = s.shown() - s.messages {
		time.Sleep(5 * time.Millisecond)
	}
	return got
}

// shown is the last of its counters, each written over the one before: "sess=1 quit=2 mesg=3\r".
func (s *SMTPSink) shown() int {
	text := s.Tail()
	text, _, _ = strings.Cut(text[max(0, strings.LastIndex(text, "mesg=")):], "\r")
	n, _ := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(text, "mesg=")))
	return n
}
