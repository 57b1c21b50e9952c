package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the program, built once for all tests.
type binary struct {
	once sync.Once
	path string
	err  error
}

func (b *binary) build(t *testing.T) string {
	t.Helper()
	b.once.Do(func() {
		dir, err := os.MkdirTemp("", "consentgate-e2e-")
		if err != nil {
			b.err = err
			return
		}
		b.path = filepath.Join(dir, "consentgate")
		out, err := exec.Command("go", "build", "-o", b.path, "../../cmd/consentgate").CombinedOutput()
		if err != nil {
			b.err = errors.New(string(out))
		}
	})
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.path
}

// built is shared by the tests of this package, which are the only thing in it.
var built binary

func TestMain(m *testing.M) {
	code := m.Run()
	if built.path != "" {
		_ = os.RemoveAll(filepath.Dir(built.path))
	}
	os.Exit(code)
}

// gateway is a running `consentgate serve` and its command line beside it.
type gateway struct {
	t     *testing.T
	dir   string
	store string
	addr  string // of the SMTP listener
	web   string // of the public listener, if there is one
	cmd   *exec.Cmd
	ended chan error
	log   *lines
}

// startGate runs `consentgate serve` with the arguments and waits for its word ready. The test fails if it does not end
// well on SIGTERM.
func startGate(t *testing.T, store string, args ...string) *gateway {
	t.Helper()
	g := &gateway{t: t, dir: t.TempDir(), store: store}
	g.start(args...)
	t.Cleanup(g.stop)
	return g
}

func (g *gateway) start(args ...string) {
	g.t.Helper()
	g.cmd = exec.Command(built.build(g.t), append(g.global("serve"), args...)...)
	g.cmd.Env = environment()
	g.log = &lines{}
	g.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	g.cmd.Stderr = g.log
	if err := g.cmd.Start(); err != nil {
		g.t.Fatal(err)
	}
	g.ended = make(chan error, 1)
	go func() { g.ended <- g.cmd.Wait() }()
	waitFor(g.t, 20*time.Second, "ready", func() bool {
		select {
		case err := <-g.ended:
			g.t.Fatalf("serve ended: %v\n%s", err, g.log)
		default:
		}
		return g.log.has("msg=ready")
	})
	g.addr = g.log.find(`msg=listening listener=smtp address=(\S+)`)
	g.web = g.log.find(`msg=listening listener=unsubscribe address=(\S+)`)
}

// stop ends the gate as an init system does.
func (g *gateway) stop() {
	if g.cmd == nil {
		return
	}
	_ = g.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-g.ended:
		if err != nil {
			g.t.Errorf("serve ended with %v\n%s", err, g.log)
		}
	case <-time.After(40 * time.Second):
		_ = g.cmd.Process.Kill()
		g.t.Errorf("serve did not end on SIGTERM\n%s", g.log)
	}
	g.cmd = nil
}

func (g *gateway) global(args ...string) []string {
	return append([]string{"--data-dir", g.dir, "--store", g.store}, args...)
}

// run runs another command on the same store.
func (g *gateway) run(args ...string) (stdout string, code int) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, built.build(g.t), g.global(args...)...)
	cmd.Env = environment()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		g.t.Fatal(err)
	}
	g.t.Logf("consentgate %s: exit %d\n%s%s", strings.Join(args, " "), cmd.ProcessState.ExitCode(), out.String(), errs.String())
	return out.String(), cmd.ProcessState.ExitCode()
}

// must is run for commands that have to succeed.
func (g *gateway) must(args ...string) string {
	g.t.Helper()
	out, code := g.run(args...)
	if code != 0 {
		g.t.Fatalf("consentgate %s exits %d", strings.Join(args, " "), code)
	}
	return out
}

func (g *gateway) grant(address, method string) {
	g.t.Helper()
	box := "unticked"
	if method == "passive" {
		box = "ticked"
	}
	g.must("consent", "grant", address, "--purpose", "marketing", "--method", method, "--source", "form:footer", "--default-state", box)
}

// environment keeps settings of whoever runs the tests out of them.
func environment() []string {
	var out []string
	for _, e := range os.Environ() {
		if !strings.HasPrefix(e, "CONSENTGATE_") {
			out = append(out, e)
		}
	}
	return out
}

// lines collects what a process writes.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

var _ io.Writer = (*lines)(nil)

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *lines) has(s string) bool { return strings.Contains(l.String(), s) }

func (l *lines) find(expr string) string {
	re := regexp.MustCompile(expr)
	scan := bufio.NewScanner(strings.NewReader(l.String()))
	for scan.Scan() {
		if m := re.FindStringSubmatch(scan.Text()); m != nil {
			return m[1]
		}
	}
	return ""
}

// configFile writes a config for a test.
func configFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "consentgate.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
