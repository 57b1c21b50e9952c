package testredis

import (
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// slots is the number of hash slots of a Cluster.
const slots = 16_384

// Nodes is a Cluster of masters without replicas.
type Nodes struct {
	URL   string // redis+cluster://127.0.0.1:port,…
	Addrs []string
	Nodes []*Server
}

// Cluster starts a Cluster of three masters. A lost master leaves the slots of the others served.
func Cluster(t testing.TB) *Nodes {
	t.Helper()
	const size = 3
	c := &Nodes{}
	for i := range size {
		s := Start(t, "--cluster-enabled", "yes", "--cluster-require-full-coverage", "no",
			"--cluster-node-timeout", "2000", "--appendfsync", "always")
		first, last := i*slots/size, (i+1)*slots/size-1
		s.MustDo("CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(last))
		s.MustDo("CLUSTER", "SET-CONFIG-EPOCH", strconv.Itoa(i+1))
		c.Nodes, c.Addrs = append(c.Nodes, s), append(c.Addrs, s.Addr)
	}
	for _, s := range c.Nodes[1:] {
		host, port, _ := net.SplitHostPort(s.Addr)
		c.Nodes[0].MustDo("CLUSTER", "MEET", host, port)
	}
	c.URL = "redis+cluster://" + strings.Join(c.Addrs, ",")
	c.await(t)
	return c
}

// await returns once every node serves and knows every slot.
func (c *Nodes) await(t testing.TB) {
	t.Helper()
	deadline := time.Now().Add(startTimeout)
	for _, s := range c.Nodes {
		for !s.serves() {
			if time.Now().After(deadline) {
				t.Fatal("the Redis Cluster did not form")
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}

// serves asks for CLUSTER SLOTS, whose reply has an element for each range, one for each node here; and for a key, which
// a node that waits for the others refuses.
func (s *Server) serves() bool {
	ranges, err := s.Do("CLUSTER", "SLOTS")
	if err != nil || ranges != "*3" {
		return false
	}
	reply, err := s.Do("GET", "key")
	return err == nil && !strings.HasPrefix(reply, "-CLUSTERDOWN")
}
