//go:build linux

package rig

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
)

const (
	// slots is the number of hash slots of a Redis Cluster.
	slots = 16_384
	// busOffset is from a node's port to that at which it talks to the others.
	busOffset = 10_000
)

// Cluster is a Redis Cluster of masters.
type Cluster struct {
	URL   string
	Nodes []*Redis
}

// StartCluster starts n nodes that keep their data below dir.
func StartCluster(ctx context.Context, dir string, n int) (*Cluster, error) {
	c := &Cluster{}
	var addrs []string
	for i := range n {
		r, err := startNode(ctx, filepath.Join(dir, fmt.Sprint(i+1)))
		if r != nil {
			c.Nodes = append(c.Nodes, r)
		}
		if err != nil {
			return c, err
		}
		if err := r.join(ctx, c.Nodes[0], i, n); err != nil {
			return c, err
		}
		addrs = append(addrs, r.Addr)
	}
	c.URL = "redis+cluster://" + strings.Join(addrs, ",")
	return c, c.await(ctx)
}

func startNode(ctx context.Context, dir string) (*Redis, error) {
	addr, err := freeNodeAddr(ctx)
	if err != nil {
		return nil, err
	}
	return startRedis(ctx, addr, dir, "--cluster-enabled", "yes")
}

// freeNodeAddr is an address on loopback at which nobody listens, nor at its bus port.
func freeNodeAddr(ctx context.Context) (string, error) {
	for range 100 { // of the ports that the system hands out a fifth has no valid bus port
		addr, err := FreeAddr(ctx)
		if err != nil || busFree(ctx, addr) {
			return addr, err
		}
	}
	return "", errors.New("found no free port whose bus port is free")
}

// busFree reports whether a node at addr can have its bus port: a valid one, at which nobody listens.
func busFree(ctx context.Context, addr string) bool {
	host, text, _ := net.SplitHostPort(addr)
	port, err := strconv.Atoi(text)
	if err != nil {
		return false
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port+busOffset))) // beyond 65,535: no port
	return err == nil && l.Close() == nil
}

// join makes r node i of n, with its share of the slots.
func (r *Redis) join(ctx context.Context, first *Redis, i, n int) error {
	host, port, _ := net.SplitHostPort(first.Addr) // FreeAddr's own
	commands := fmt.Sprintf("CLUSTER ADDSLOTSRANGE %d %d\r\nCLUSTER SET-CONFIG-EPOCH %d\r\n", i*slots/n, (i+1)*slots/n-1, i+1)
	if err := r.trip(ctx, commands, 2, "+OK\r\n"); err != nil || r == first {
		return err
	}
	return r.trip(ctx, "CLUSTER MEET "+host+" "+port+"\r\n", 1, "+OK\r\n")
}

// await returns once every node serves, and knows all others.
func (c *Cluster) await(ctx context.Context) error {
	for _, r := range c.Nodes {
		err := r.Await(startTime, func() bool {
			text, err := r.ask(ctx, "CLUSTER INFO")
			return err == nil && strings.Contains(text, "cluster_state:ok") &&
				field(text, "cluster_known_nodes") == float64(len(c.Nodes)) && field(text, "cluster_slots_ok") == slots
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Stop ends all nodes.
func (c *Cluster) Stop() error {
	var errs []error
	for _, r := range c.Nodes {
		errs = append(errs, r.Stop())
	}
	return errors.Join(errs...)
}
