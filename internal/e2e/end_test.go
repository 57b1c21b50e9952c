package e2e_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/consentgate/consentgate/smtpproxy/smtptest"
)

// The tests of this file are about how a gate ends, and how much memory it takes until then.

const halfMessage = "S: 220\nC: EHLO client.example\nS* 250\nC: MAIL FROM:<news@example.com>\nS: 250\nC: RCPT TO:<ann@example.com>\nS: 250\n" +
	"C: DATA\nS: 354\nC: Subject: half\nC:\nC: the first half\n"

func TestAGateThatIsKilledInMidMessageLeavesNoTruncatedMail(t *testing.T) {
	t.Parallel()
	up := smtptest.Start(t)
	g := startGate(t, embedded(t), "--listen", "127.0.0.1:0", "--upstream", up.Addr())
	g.grant("ann@example.com", "active")
	c := smtptest.Dial(t, g.addr, nil)
	c.Play(halfMessage)
	waitFor(t, 10*time.Second, "the message on its way upstream", func() bool { return up.Open() == 1 && slices.Contains(up.Lines(), "DATA") })
	_ = g.cmd.Process.Kill()
	if err := <-g.ended; err == nil {
		t.Error("a killed gate ended well")
	}
	c.Play("S.\n")
	waitFor(t, 10*time.Second, "the upstream to see the end", func() bool { return up.Open() == 0 })
	for _, m := range up.Messages() {
		if m.Complete {
			t.Errorf("the upstream took %+v", m)
		}
	}
	g.start("--listen", "127.0.0.1:0", "--upstream", up.Addr())
	if o := smtplib(t, g.addr, envelope{From: sender, To: []string{"ann@example.com"}, Data: []byte(plain)}); o.Code != 250 {
		t.Errorf("after the restart: %+v", o)
	}
}

// TestADrainLetsBusyClientsFinishAndPooledOnesGo: a pool of nodemailer holds idle connections, and finds a new gate
// at the same address.
func TestADrainLetsBusyClientsFinishAndPooledOnesGo(t *testing.T) {
	t.Parallel()
	up, addr := smtptest.Start(t), freeAddr(t)
	g := startGate(t, embedded(t), "--listen", addr, "--upstream", up.Addr())
	g.grant("ann@example.com", "active")
	one := message{From: sender, To: "ann@example.com", Subject: "pooled"}
	pool := startNode(t, addr, map[string]any{"pool": true}, one, one)
	if r := pool.result(); len(r.Accepted) != 1 {
		t.Fatalf("nodemailer: %+v", r)
	}
	busy := smtptest.Dial(t, addr, nil)
	busy.Play(halfMessage)
	stopped := make(chan struct{})
	go func() { defer close(stopped); g.stop() }()
	waitFor(t, 10*time.Second, "no new connections", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err != nil
	})
	busy.Play("C: the other half\nC: .\nS: 250\nS: 421 4.3.2\nS.\n")
	<-stopped
	g.start("--listen", addr, "--upstream", up.Addr())
	if r := pool.next(); len(r.Accepted) != 1 {
		t.Errorf("nodemailer after the restart: %+v", r)
	}
	if n := len(up.Messages()); n != 3 {
		t.Errorf("%d messages upstream, want 3", n)
	}
}

// nodeProcess is send.mjs with its pool open.
type nodeProcess struct {
	t   *testing.T
	in  *os.File
	out *bufio.Scanner
}

func startNode(t *testing.T, addr string, transport map[string]any, messages ...message) *nodeProcess {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program(t, "node"), "testdata/node/send.mjs")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin = r
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.Close(); _ = cmd.Wait(); _ = r.Close() })
	p := &nodeProcess{t, w, bufio.NewScanner(out)}
	p.write(nodeJob(t, addr, transport, true, messages))
	return p
}

func (p *nodeProcess) write(line []byte) {
	p.t.Helper()
	if _, err := p.in.Write(line); err != nil {
		p.t.Fatal(err)
	}
}

func (p *nodeProcess) result() nodemailed {
	p.t.Helper()
	if !p.out.Scan() {
		p.t.Fatalf("nodemailer ended: %v", p.out.Err())
	}
	return parseNodemailed(p.t, p.out.Bytes())
}

// next sends the message that was kept back.
func (p *nodeProcess) next() nodemailed {
	p.t.Helper()
	p.write([]byte("go\n"))
	return p.result()
}

// TestEightMessagesOf25MBAtOnceNeedLittleMemory reads what the kernel says of the process.
func TestEightMessagesOf25MBAtOnceNeedLittleMemory(t *testing.T) {
	t.Parallel()
	up := smtptest.Start(t, smtptest.Unrecorded())
	g := startGate(t, embedded(t), "--listen", "127.0.0.1:0", "--upstream", up.Addr())
	g.grant("ann@example.com", "active")
	before := g.peak()
	var sending sync.WaitGroup
	for range 8 {
		sending.Go(func() {
			if reply, err := sendLarge(g.addr); err != nil || !strings.HasPrefix(reply, "250") {
				t.Errorf("%q, %v", reply, err)
			}
		})
	}
	sending.Wait()
	if used := g.peak() - before; used > 20<<10 {
		t.Errorf("the process grew by %d KiB, want 20 MiB at most", used)
	}
}

// peak is the most memory that the process ever had, in KiB.
func (g *gateway) peak() (kib int) {
	g.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.cmd.Process.Pid))
	if err != nil {
		g.t.Fatal(err)
	}
	_, rest, _ := bytes.Cut(status, []byte("VmHWM:"))
	if _, err := fmt.Sscan(string(rest), &kib); err != nil {
		g.t.Fatal(err)
	}
	return kib
}

// sendLarge sends 25 MB to ann@example.com and returns the reply to the dot.
func sendLarge(addr string) (string, error) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return "", err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	if _, err := c.Write([]byte("EHLO c\r\nMAIL FROM:<news@example.com>\r\nRCPT TO:<ann@example.com>\r\nDATA\r\n")); err != nil {
		return "", err
	}
	replies := bufio.NewScanner(c)
	for replies.Scan() && !strings.HasPrefix(replies.Text(), "354") {
	}
	text := append([]byte("Subject: large\r\n\r\n"), bytes.Repeat([]byte(strings.Repeat("x", 998)+"\r\n"), 26_214)...)
	if _, err := c.Write(append(text, ".\r\n"...)); err != nil {
		return "", err
	}
	replies.Scan()
	return replies.Text(), replies.Err()
}
