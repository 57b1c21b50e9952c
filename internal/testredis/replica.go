package testredis

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Failover starts a master, a replica that follows it, and a Sentinel that makes the replica the master half a second
// after the master has gone.
func Failover(t testing.TB) (sentinel, master, replica *Server) {
	t.Helper()
	master = Start(t, "--repl-diskless-sync-delay", "0")
	replica = master.Replica(t)
	host, port, _ := net.SplitHostPort(master.Addr)
	return startSentinel(t, fmt.Sprintf("sentinel monitor %[1]s %[2]s %[3]s 1\nsentinel down-after-milliseconds %[1]s 500\n"+
		"sentinel failover-timeout %[1]s 2000\n", MasterName, host, port)), master, replica
}

// Replica starts a replica of s and waits until it follows.
func (s *Server) Replica(t testing.TB) *Server {
	t.Helper()
	host, port, _ := net.SplitHostPort(s.Addr)
	r := Start(t, "--replicaof", host+" "+port, "--repl-diskless-sync-delay", "0")
	s.AwaitReplica(t)
	return r
}

// AwaitReplica returns once the first replica has all that s had when it was called. A replica that has just come is
// behind for a second: it gets nothing new before its first word on how far it is.
func (s *Server) AwaitReplica(t testing.TB) {
	t.Helper()
	s.MustDo("SET", "testredis", "1")
	want := number(info(t, s, "replication", "master_repl_offset"))
	deadline := time.Now().Add(startTimeout)
	for {
		replica := info(t, s, "replication", "slave0") // ip=…,port=…,state=online,offset=…,lag=…
		_, after, _ := strings.Cut(replica, "offset=")
		offset, _, _ := strings.Cut(after, ",")
		if strings.Contains(replica, "state=online") && number(offset) >= want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("the replica does not follow its master")
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// number is -1 where there is none.
func number(text string) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return -1
	}
	return n
}

// startSentinel starts a Sentinel with further lines of config.
func startSentinel(t testing.TB, lines string) *Server {
	t.Helper()
	s := prepare(t, nil)
	_, own, _ := net.SplitHostPort(s.Addr)
	config := filepath.Join(s.dir, "sentinel.conf")
	text := fmt.Sprintf("port %s\nbind 127.0.0.1\ndir %s\nlogfile log\n%s", own, s.dir, lines)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s.args = []string{config, "--sentinel"}
	s.Start()
	return s
}

// AddReplica starts a node that follows the i-th master, and waits until it does.
func (c *Nodes) AddReplica(t testing.TB, i int) *Server {
	t.Helper()
	master := c.Nodes[i]
	r := Start(t, "--cluster-enabled", "yes", "--cluster-node-timeout", "2000", "--cluster-require-full-coverage", "no")
	host, port, _ := net.SplitHostPort(master.Addr)
	r.MustDo("CLUSTER", "MEET", host, port)
	id, deadline := master.nodeID(t), time.Now().Add(startTimeout)
	for {
		if reply, err := r.Do("CLUSTER", "REPLICATE", id); err == nil && reply == "+OK" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the Cluster does not take the replica in")
		}
		time.Sleep(20 * time.Millisecond)
	}
	for info(t, r, "replication", "master_link_status") != "up" {
		if time.Now().After(deadline) {
			t.Fatal("the replica does not follow its master")
		}
		time.Sleep(20 * time.Millisecond)
	}
	for _, s := range c.Nodes { // a vote needs masters that know the replica
		for !strings.Contains(bulk(t, s, "CLUSTER", "NODES"), r.nodeID(t)) {
			if time.Now().After(deadline) {
				t.Fatal("the Cluster does not know the replica")
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	return r
}

// Reshard moves slots from one master to another while both serve, as an operator does.
func (c *Nodes) Reshard(t testing.TB, from, to, slots int) {
	t.Helper()
	cli, err := exec.LookPath("redis-cli")
	if err != nil {
		t.Fatal("redis-cli is not installed: run script/bootstrap")
	}
	out, err := exec.Command(cli, "--cluster", "reshard", c.Addrs[from], "--cluster-from", c.Nodes[from].nodeID(t),
		"--cluster-to", c.Nodes[to].nodeID(t), "--cluster-slots", fmt.Sprint(slots), "--cluster-yes").CombinedOutput()
	if err != nil {
		t.Fatalf("reshard: %v\n%s", err, out)
	}
}

func (s *Server) nodeID(t testing.TB) string {
	t.Helper()
	return bulk(t, s, "CLUSTER", "MYID")
}

// Role is master or slave, as Redis calls it.
func (s *Server) Role(t testing.TB) string {
	t.Helper()
	return info(t, s, "replication", "role")
}

// info reads one field of a section of INFO.
func info(t testing.TB, s *Server, section, field string) string {
	t.Helper()
	_, after, _ := strings.Cut(bulk(t, s, "INFO", section), "\n"+field+":")
	value, _, _ := strings.Cut(after, "\r")
	return value
}

// bulk sends a command whose reply is a text of many lines.
func bulk(t testing.TB, s *Server, words ...string) string {
	t.Helper()
	conn, err := net.DialTimeout("tcp", s.Addr, startTimeout)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(startTimeout))
	fmt.Fprintf(conn, "%s\r\n", strings.Join(words, " "))
	r := bufio.NewReader(conn)
	var n int
	if _, err := fmt.Fscanf(r, "$%d\r\n", &n); err != nil {
		t.Fatalf("redis %v: %v", words, err)
	}
	text := make([]byte, n)
	for at := 0; at < n; {
		k, err := r.Read(text[at:])
		if err != nil {
			t.Fatalf("redis %v: %v", words, err)
		}
		at += k
	}
	return string(text)
}
