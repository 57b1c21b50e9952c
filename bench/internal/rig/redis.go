//go:build linux

package rig

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/consentgate/consentgate/bench/internal/procs"
)

const (
	startTime   = 20 * time.Second
	commandTime = 2 * time.Minute
)

// Redis is a redis-server with an append-only file and nothing else that disturbs: no snapshots, no rewriting.
type Redis struct {
	*procs.Process
	Addr string
	URL  string
}

// StartRedis starts one that keeps its data in dir. Further arguments override ours.
func StartRedis(ctx context.Context, dir string, more ...string) (*Redis, error) {
	addr, err := FreeAddr(ctx)
	if err != nil {
		return nil, err
	}
	return startRedis(ctx, addr, dir, more...)
}

func startRedis(ctx context.Context, addr, dir string, more ...string) (*Redis, error) {
	binary, err := procs.Find("redis-server")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	host, port, _ := net.SplitHostPort(addr) // FreeAddr's own
	cmd := procs.Command(ctx, binary, append([]string{
		"--bind", host, "--port", port, "--dir", dir, "--daemonize", "no", "--save", "",
		"--appendonly", "yes", "--auto-aof-rewrite-percentage", "0", "--maxmemory-policy", "noeviction",
	}, more...)...)
	r := &Redis{Addr: addr, URL: "redis://" + addr + "/0"}
	if r.Process, err = procs.Start("redis-server", filepath.Join(dir, "log"), cmd); err != nil {
		return nil, err
	}
	return r, r.Await(startTime, func() bool {
		_, err := r.UsedMemory(ctx)
		return err == nil
	})
}

// FreeAddr is an address on loopback at which nobody listens.
func FreeAddr(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// UsedMemory is what the data takes, in bytes: the whole without the buffers of clients and of the append-only file.
func (r *Redis) UsedMemory(ctx context.Context) (float64, error) {
	text, err := r.info(ctx, "memory")
	if err != nil {
		return 0, err
	}
	return field(text, "used_memory") - field(text, "mem_clients_normal") - field(text, "mem_aof_buffer"), nil
}

// field is a number of INFO's answer; one that is not there is 0.
func field(text, name string) float64 {
	_, after, _ := strings.Cut(text, "\n"+name+":")
	value, _, _ := strings.Cut(after, "\r")
	n, _ := strconv.ParseFloat(value, 64)
	return n
}

func (r *Redis) info(ctx context.Context, section string) (string, error) {
	return r.ask(ctx, "INFO "+section)
}

// ask returns the answer to a command that gives one text, behind a line feed.
func (r *Redis) ask(ctx context.Context, command string) (string, error) {
	c, err := r.dial(ctx)
	if err != nil {
		return "", err
	}
	defer c.Close()
	if _, err := fmt.Fprintf(c, "%s\r\n", command); err != nil {
		return "", err
	}
	in := bufio.NewReader(c)
	var size int
	if _, err := fmt.Fscanf(in, "$%d\r\n", &size); err != nil {
		return "", fmt.Errorf("redis, %s: %w", command, err)
	}
	text := make([]byte, size)
	for n := 0; n < size && err == nil; {
		var k int
		k, err = in.Read(text[n:])
		n += k
	}
	return "\n" + string(text), err
}

// Delete deletes keys in one trip.
func (r *Redis) Delete(ctx context.Context, keys []string) error {
	return r.trip(ctx, "DEL "+strings.Join(keys, "\r\nDEL ")+"\r\n", len(keys), ":1\r\n")
}

// trip sends n commands at once and wants the same answer to each.
func (r *Redis) trip(ctx context.Context, commands string, n int, want string) error {
	c, err := r.dial(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	sent := make(chan error, 1)
	go func() {
		_, err := io.WriteString(c, commands)
		sent <- err
	}()
	in := bufio.NewReader(c)
	for range n {
		line, err := in.ReadString('\n')
		if err != nil || line != want {
			return fmt.Errorf("redis: got %q, want %q, error %w", line, want, err)
		}
	}
	return <-sent
}

func (r *Redis) dial(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", r.Addr)
	if err != nil {
		return nil, err
	}
	return c, c.SetDeadline(time.Now().Add(commandTime))
}
