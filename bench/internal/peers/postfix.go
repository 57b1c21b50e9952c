//go:build linux

package peers

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"text/template"
	"time"

	"github.com/consentgate/consentgate/bench/internal/procs"
)

//go:embed files
var files embed.FS

const startTime = 30 * time.Second

// Peer is a running program that takes mail at Addr.
type Peer struct {
	*procs.Process
	Addr string
}

// Neighbours are the addresses of those that a peer talks to, and its own.
type Neighbours struct {
	Addr     string // where it is to listen
	Upstream string
	Redis    string
	Policy   string // for Postfix
	IDKey    string // file, for Haraka
}

// StartPostfix starts a Postfix of its own in dir, which must be readable for all above. It queues: its 250 is not the
// upstream's. It needs root, as Postfix does.
func StartPostfix(ctx context.Context, dir string, n Neighbours) (*Peer, error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("postfix wants to be started by root")
	}
	binary, err := procs.Find("postfix")
	if err != nil {
		return nil, err
	}
	if err := writePostfix(dir, n); err != nil {
		return nil, err
	}
	cmd := procs.Command(ctx, binary, "-c", filepath.Join(dir, "conf"), "start-fg")
	p := &Peer{Addr: n.Addr}
	if p.Process, err = procs.Start("postfix", filepath.Join(dir, "log"), cmd); err != nil {
		return nil, err
	}
	return p, p.Await(startTime, func() bool { return greets(ctx, n.Addr) })
}

func writePostfix(dir string, n Neighbours) error {
	host, port, err := net.SplitHostPort(n.Upstream)
	if err != nil {
		return err
	}
	for _, sub := range []string{"conf", "spool", "data"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return err
		}
	}
	values := struct {
		Neighbours
		Dir, UpstreamHost, UpstreamPort string
	}{n, dir, host, port}
	for _, name := range []string{"main.cf", "master.cf", "header_checks"} {
		if err := write(filepath.Join(dir, "conf", name), name, values); err != nil {
			return err
		}
	}
	return giveToPostfix(filepath.Join(dir, "data"))
}

// write completes the template name.
func write(path, name string, values any) error {
	t, err := template.ParseFS(files, "files/"+name)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, values); err != nil {
		return err
	}
	return os.WriteFile(path, b.Bytes(), 0o644)
}

func giveToPostfix(dir string) error {
	u, err := user.Lookup("postfix")
	if err != nil {
		return err
	}
	id, err := strconv.Atoi(u.Uid)
	if err != nil {
		return err
	}
	return os.Chown(dir, id, -1)
}

// greets reports whether somebody says 220.
func greets(ctx context.Context, addr string) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(time.Second)) // a socket that has none reads an error below
	var code [3]byte
	_, err = c.Read(code[:])
	return err == nil && string(code[:]) == "220"
}

// run runs a program to its end.
func run(ctx context.Context, dir, program string, args ...string) error {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", program, err, out)
	}
	return nil
}
