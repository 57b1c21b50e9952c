package docker_test

import (
	"bytes"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// engine stands in for Docker's: it holds the image as a tree of files, and runs services in it.
//
// Where it may (as root with namespaces), a service has a root of its own that is read-only, process number 1, the uid
// of the image, and no capabilities. Elsewhere the program runs from the tree with the same arguments, environment
// and folders, as the uid of the image for root and as oneself for others; the log of the test says which.
type engine struct {
	t      *testing.T
	img    image
	tree   string // the image's files
	volume string // data, mounted at data_dir
	closed bool   // with namespaces
}

const (
	configPath = "/etc/consentgate/config.yaml"
	// enter makes $1 a read-only root, with the folder $2 mounted at $3, and runs the rest in it as $4 (uid:gid).
	enter = `set -e
mount --bind "$1" "$1"
mount --bind "$2" "$1$3"
mount -o remount,bind,ro "$1"
root=$1 user=$4
shift 4
exec setpriv --no-new-privs chroot --userspec="$user" --groups= "$root" "$@"`
)

func newEngine(t *testing.T) *engine {
	t.Helper()
	dir := t.TempDir()
	// The parents of a test's folder are closed to other users.
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	e := &engine{t: t, img: readImage(t), tree: filepath.Join(dir, "root"), volume: filepath.Join(dir, "volume")}
	out := e.build(filepath.Join(dir, "out"))
	for _, l := range e.img.copies {
		e.lay(l, out)
	}
	e.mkdir(e.volume, e.img.user) // a new named volume has the owner of the folder that it is mounted on
	e.closed = e.mayClose()
	return e
}

// build runs what the build stage does in /out, with that folder elsewhere.
func (e *engine) build(out string) string {
	e.t.Helper()
	e.mkdir(out, "")
	for _, run := range e.img.build {
		if !strings.Contains(run, "/out/") {
			continue
		}
		run = regexp.MustCompile(`--mount=\S+ +`).ReplaceAllString(run, "")
		cmd := exec.Command("sh", "-ec", strings.ReplaceAll(run, "/out/", out+"/"))
		cmd.Dir = ".."
		cmd.Env = append(os.Environ(), "TARGETOS="+runtime.GOOS, "TARGETARCH="+runtime.GOARCH)
		if text, err := cmd.CombinedOutput(); err != nil {
			e.t.Fatalf("RUN %s: %v\n%s", run, err, text)
		}
	}
	return out
}

// lay does one COPY: what is not of /out is taken from this machine, in place of the base image's.
func (e *engine) lay(l layer, out string) {
	e.t.Helper()
	from, to := l.from, filepath.Join(e.tree, l.to)
	if rel, built := strings.CutPrefix(l.from, "/out/"); built {
		from = filepath.Join(out, rel)
	}
	info, err := os.Stat(from)
	if err != nil {
		e.t.Fatalf("COPY %s: %v", l.from, err)
	}
	if info.IsDir() {
		e.mkdir(to, l.owner)
		if err := os.Chmod(to, info.Mode().Perm()); err != nil {
			e.t.Fatal(err)
		}
		return // the only one there is, and it is empty
	}
	b, err := os.ReadFile(from)
	if err != nil {
		e.t.Fatal(err)
	}
	e.write(l.to, string(b), info.Mode().Perm())
}

// write puts a file into the tree.
func (e *engine) write(name, text string, mode fs.FileMode) {
	e.t.Helper()
	name = filepath.Join(e.tree, name)
	e.mkdir(filepath.Dir(name), "")
	if err := os.WriteFile(name, []byte(text), mode); err != nil {
		e.t.Fatal(err)
	}
}

func (e *engine) mkdir(dir, owner string) {
	e.t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		e.t.Fatal(err)
	}
	if uid, gid := ids(e.t, owner); uid != 0 && os.Geteuid() == 0 {
		if err := os.Chown(dir, int(uid), int(gid)); err != nil {
			e.t.Fatal(err)
		}
	}
}

// mayClose finds out whether this process may make namespaces and mount in them.
func (e *engine) mayClose() bool {
	cmd := exec.Command("sh", "-ec", `mount --bind "$1" "$1"`, "sh", e.tree)
	cmd.SysProcAttr = namespaces()
	text, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		e.t.Logf("services run in a read-only root of their own as %s, without capabilities", e.img.user)
	case os.Geteuid() == 0:
		e.t.Logf("no namespaces here (%v %s): services run as %s, but see the whole machine", err, text, e.img.user)
	default:
		e.t.Logf("not root: services run as uid %d instead of %s and see the whole machine", os.Geteuid(), e.img.user)
	}
	return err == nil
}

// namespaces are those of processes and of mounts, the latter without a way back to the machine's.
func namespaces() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID, Unshareflags: syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL,
	}
}

// command is the entrypoint with arguments, as a container runs it.
func (e *engine) command(args ...string) *exec.Cmd {
	uid, gid := ids(e.t, e.img.user)
	dataDir, program := e.img.variable("CONSENTGATE_DATA_DIR"), e.img.entrypoint[0]
	env := append([]string{"HOME=/", "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}, e.img.env...)
	if e.closed {
		script := []string{"-c", enter, "sh", e.tree, e.volume, dataDir, e.img.user, program}
		cmd := exec.Command("sh", append(script, args...)...)
		cmd.SysProcAttr = namespaces()
		cmd.Env = env
		return cmd
	}
	cmd := exec.Command(filepath.Join(e.tree, program), args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() == 0 {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uid, Gid: gid}
	}
	for i := range env {
		env[i] = strings.ReplaceAll(env[i], "="+dataDir, "="+e.volume)
	}
	cmd.Env = append(env, "CONSENTGATE_CONFIG="+filepath.Join(e.tree, configPath))
	return cmd
}

// exec runs a command beside a service, as `docker compose exec` does, and returns its exit code and what it wrote.
func (e *engine) exec(args ...string) (code int, stdout, stderr string) {
	e.t.Helper()
	cmd := e.command(args...)
	var out, errText bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errText
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		e.t.Fatalf("%v: %v", args, err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), errText.String()
}

// container is a running service.
type container struct {
	t     *testing.T
	log   *lines
	cmd   *exec.Cmd
	ended chan error
}

// start runs a service until it has logged text.
func (e *engine) start(text string, args ...string) *container {
	e.t.Helper()
	c := &container{t: e.t, log: &lines{}, cmd: e.command(args...), ended: make(chan error, 1)}
	c.cmd.Stdout, c.cmd.Stderr = c.log, c.log
	if err := c.cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	go func() { c.ended <- c.cmd.Wait() }()
	e.t.Cleanup(c.stop)
	waitFor(e.t, args[0]+" to log "+text, func() bool {
		select {
		case err := <-c.ended:
			c.cmd = nil
			e.t.Fatalf("%v ended: %v\n%s", args, err, c.log)
		default:
		}
		return strings.Contains(c.log.String(), text)
	})
	return c
}

// stop is `docker stop`: SIGTERM, upon which a service exits with 0.
func (c *container) stop() {
	if c.cmd == nil {
		return
	}
	_ = c.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case err := <-c.ended:
		if err != nil {
			c.t.Errorf("%v ended with %v\n%s", c.cmd.Args, err, c.log)
		}
	case <-time.After(patience):
		_ = c.cmd.Process.Kill()
		c.t.Errorf("%v did not end on SIGTERM\n%s", c.cmd.Args, c.log)
	}
	c.cmd = nil
}

// address is where a listener of the service is, from its log.
func (c *container) address(listener string) string {
	c.t.Helper()
	m := regexp.MustCompile(`msg=listening listener=` + listener + ` address=(\S+)`).FindStringSubmatch(c.log.String())
	if m == nil {
		c.t.Fatalf("no listener %s in\n%s", listener, c.log)
	}
	return m[1]
}

// lines is a log that is written and read at once.
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
