//go:build linux

package rig

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
)

// slots is the number of hash slots of a Redis Cluster.
const slots = 16_384

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
		r, err := StartRedis(ctx, filepath.Join(dir, fmt.Sprint(i+1)), "--cluster-enabled", "yes")
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
