//go:build linux

package rig

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/consentgate/consentgate/bench/internal/procs"
)

// haproxyConfig makes haproxy copy octets between %s (where it listens) and %s.
const haproxyConfig = `global
  maxconn 9000
defaults
  mode tcp
  timeout connect 5s
  timeout client 10m
  timeout server 10m
listen smtp
  bind %s
  server upstream %s
`

// HAProxy is the yardstick: a proxy that understands nothing of what it passes on.
type HAProxy struct {
	*procs.Process
	Addr string
}

// StartHAProxy starts one in front of upstream.
func StartHAProxy(ctx context.Context, dir, upstream string) (*HAProxy, error) {
	addr, err := FreeAddr(ctx)
	if err != nil {
		return nil, err
	}
	h := &HAProxy{Addr: addr}
	h.Process, err = startHAProxy(ctx, dir, fmt.Sprintf(haproxyConfig, addr, upstream))
	if err != nil {
		return nil, err
	}
	return h, h.Await(startTime, func() bool { return answers(ctx, addr) })
}

func startHAProxy(ctx context.Context, dir, config string) (*procs.Process, error) {
	binary, err := procs.Find("haproxy")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	return procs.Start("haproxy", filepath.Join(dir, "log"), procs.Command(ctx, binary, "-db", "-f", file))
}

// answers reports whether somebody listens.
func answers(ctx context.Context, addr string) bool {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return false
	}
	_ = c.Close() // was opened for this only
	return true
}
