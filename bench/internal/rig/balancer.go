//go:build linux

package rig

import (
	"context"
	"fmt"
	"strings"

	"github.com/consentgate/consentgate/bench/internal/procs"
)

// balancerDefaults stand before a Balancer's doors, as docs/performance.md shows them.
const balancerDefaults = `global
  maxconn 9000
defaults
  mode tcp
  balance leastconn
  option redispatch 1
  retries 3
  timeout connect 5s
  timeout client 10m
  timeout server 10m
  default-server send-proxy-v2 check check-send-proxy inter 1s fall 2 rise 1 on-marked-down shutdown-sessions
`

// Balancer is haproxy before several gates, which it tells by PROXY version 2 who the client is.
type Balancer struct {
	*procs.Process
	Doors []string // the first leads to the first gate alone, the second to two gates, and so on
}

// StartBalancer starts one before gates, addresses of listeners that want the PROXY header.
func StartBalancer(ctx context.Context, dir string, gates []string) (*Balancer, error) {
	b := &Balancer{}
	var config strings.Builder
	config.WriteString(balancerDefaults)
	for n := 1; n <= len(gates); n++ {
		addr, err := FreeAddr(ctx)
		if err != nil {
			return nil, err
		}
		b.Doors = append(b.Doors, addr)
		fmt.Fprintf(&config, "listen gates%d\n  bind %s\n%s", n, addr, servers(gates[:n]))
	}
	var err error
	if b.Process, err = startHAProxy(ctx, dir, config.String()); err != nil {
		return nil, err
	}
	return b, b.Await(startTime, func() bool {
		for _, addr := range b.Doors {
			if !answers(ctx, addr) {
				return false
			}
		}
		return true
	})
}

func servers(gates []string) string {
	var s strings.Builder
	for i, addr := range gates {
		fmt.Fprintf(&s, "  server gate%d %s\n", i+1, addr)
	}
	return s.String()
}
