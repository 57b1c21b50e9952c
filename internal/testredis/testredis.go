// Package testredis starts real Redis servers on loopback for tests: one, or a Cluster of three. They keep their data
// in the test's own folder and end with the test. Only tests import it.
//
// A missing redis-server fails the test: a store that was not tested against Redis was not tested.
package testredis

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Databases is how many databases a single server has, numbered from 0.
const Databases = 128

// startTimeout is how long a server may take to answer.
const startTimeout = 20 * time.Second

// Server is a redis-server of the test's own.
type Server struct {
	URL    string // redis://127.0.0.1:port/0
	Addr   string // 127.0.0.1:port
	Socket string // path of its unix socket

	t      testing.TB
	binary string
	dir    string
	args   []string

	mu  sync.Mutex
	cmd *exec.Cmd // nil: not running
}

// Start starts a server with an append-only file. extra are further arguments of redis-server.
func Start(t testing.TB, extra ...string) *Server {
	t.Helper()
	s := prepare(t, extra)
	s.Start()
	return s
}

// prepare makes the folder and picks a free port.
func prepare(t testing.TB, extra []string) *Server {
	t.Helper()
	binary, err := exec.LookPath("redis-server")
	if err != nil {
		t.Fatal("redis-server is not installed: run script/bootstrap")
	}
	dir, err := os.MkdirTemp("", "redis") // short: a unix socket's path is limited to some 100 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	port := freePort(t)
	s := &Server{
		Addr:   net.JoinHostPort("127.0.0.1", strconv.Itoa(port)),
		Socket: filepath.Join(dir, "socket"),
		t:      t, binary: binary, dir: dir,
	}
	s.URL = "redis://" + s.Addr + "/0"
	s.args = append([]string{
		"--bind", "127.0.0.1", "--port", strconv.Itoa(port), "--unixsocket", s.Socket, "--dir", dir,
		"--appendonly", "yes", "--save", "", "--databases", strconv.Itoa(Databases),
		"--daemonize", "no", "--logfile", filepath.Join(dir, "log"),
	}, extra...)
	t.Cleanup(s.Stop)
	return s
}

// freePort returns a port at which nobody listens, nor at the one that it makes a Cluster's bus port.
func freePort(t testing.TB) int {
	t.Helper()
	for range 100 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		if busFree(port) {
			return port
		}
	}
	t.Fatal("found no free port whose bus port is free")
	return 0
}

// busFree reports whether a node at port can have its bus port, 10,000 above: a valid one, at which nobody listens.
func busFree(port int) bool {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port+10_000)))
	return err == nil && l.Close() == nil
}

// Start starts the server, again after Stop: on the same port and with the data that its append-only file holds.
func (s *Server) Start() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd != nil {
		return
	}
	cmd := exec.Command(s.binary, s.args...)
	endWithParent(cmd)
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("start redis-server: %v", err)
	}
	s.cmd = cmd
	if err := s.await(); err != nil {
		log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
		s.t.Fatalf("redis-server does not answer: %v\n%s", err, log)
	}
}

// await returns once the server answers PING.
func (s *Server) await() error {
	deadline := time.Now().Add(startTimeout)
	for {
		reply, err := s.Do("PING")
		if err == nil && reply == "+PONG" {
			return nil
		}
		if time.Now().After(deadline) {
			return errors.Join(err, fmt.Errorf("last reply %q", reply))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// Do sends one command and returns the first line of the reply.
func (s *Server) Do(words ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", s.Addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline)
	command := fmt.Appendf(nil, "*%d\r\n", len(words))
	for _, w := range words {
		command = fmt.Appendf(command, "$%d\r\n%s\r\n", len(w), w)
	}
	if _, err := conn.Write(command); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return "", err
	}
	return line[:len(line)-2], nil
}

// MustDo is Do for commands that must not be refused.
func (s *Server) MustDo(words ...string) string {
	s.t.Helper()
	reply, err := s.Do(words...)
	if err != nil || (reply != "" && reply[0] == '-') {
		s.t.Fatalf("redis %v: reply %q, error %v", words, reply, err)
	}
	return reply
}

// Stop kills the server, as a crash does.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	_ = s.cmd.Wait()
	s.cmd = nil
}

// Freeze stops the server's process without closing its connections, as a stalled disk or host does.
func (s *Server) Freeze() { s.signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (s *Server) Thaw() { s.signal(syscall.SIGCONT) }

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cmd == nil {
		s.t.Fatalf("redis-server is not running: cannot send %v", sig)
	}
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatalf("send %v to redis-server: %v", sig, err)
	}
}
