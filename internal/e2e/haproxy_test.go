package e2e_test

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/consentgate/consentgate/smtpproxy/smtptest"
)

// haproxyConf has two doors, which tell the gate who the client is by PROXY version 2 and 1. Every tenth of a second it
// asks in all the ways that it has whether the gate is alive: it connects and leaves, with a header and without, and it
// says EHLO (option smtpchk), to a listener that wants the header and to one that does not.
const haproxyConf = `global
  stats socket %[1]s/stats mode 600 level user
defaults
  mode tcp
  timeout connect 5s
  timeout client 1m
  timeout server 1m
frontend door2
  bind %[2]s
  default_backend two
frontend door1
  bind %[3]s
  default_backend one
backend two
  server gate %[4]s send-proxy-v2 check check-send-proxy inter 100ms
backend one
  server gate %[4]s send-proxy check check-send-proxy inter 100ms
backend greeted
  option smtpchk EHLO health.example.com
  server gate %[4]s send-proxy-v2 check check-send-proxy inter 100ms
backend silent
  server gate %[4]s check inter 100ms
backend connected
  server gate %[5]s check inter 100ms
backend spoken
  option smtpchk EHLO health.example.com
  server gate %[5]s check inter 100ms
`

// haproxy is a real one before a gate.
type haproxy struct {
	t        *testing.T
	dir      string
	two, one string // doors, by the version of the header
}

// startHAProxy puts one before proxied, a listener with proxy_protocol, that also looks after plain, one without.
func startHAProxy(t *testing.T, proxied, plain string) *haproxy {
	t.Helper()
	dir, err := os.MkdirTemp("", "haproxy-") // the name of a socket has to be short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	h := &haproxy{t: t, dir: dir, two: freeAddr(t), one: freeAddr(t)}
	conf := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(conf, fmt.Appendf(nil, haproxyConf, dir, h.two, h.one, proxied, plain), 0o600); err != nil {
		t.Fatal(err)
	}
	log := &lines{}
	cmd := exec.CommandContext(context.Background(), program(t, "haproxy"), "-db", "-f", conf) //nolint:gosec // the file just written
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("haproxy says\n%s", log)
		}
	})
	waitFor(t, startTimeout, "haproxy", func() bool { return greeting(h.two) != "" && greeting(h.one) != "" })
	return h
}

// checks are the results of haproxy's checks, by backend: L4OK for a connection, L7OK for a greeting.
func (h *haproxy) checks() map[string]string {
	h.t.Helper()
	conn, err := net.Dial("unix", filepath.Join(h.dir, "stats"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "show stat\n"); err != nil {
		h.t.Fatal(err)
	}
	rows, err := csv.NewReader(conn).ReadAll()
	if err != nil {
		h.t.Fatal(err)
	}
	column := slices.Index(rows[0], "check_status")
	found := map[string]string{}
	for _, row := range rows[1:] {
		if row[1] == "gate" {
			found[strings.TrimPrefix(row[0], "# ")] = strings.TrimPrefix(row[column], "* ")
		}
	}
	return found
}

func TestBehindHAProxyTheClientIsKnownAndChecksAreQuiet(t *testing.T) {
	t.Parallel()
	up := smtptest.Start(t)
	g := startGate(t, embedded(t), "--config", configFile(t, `
default_stream: news
listeners:
  - {address: "127.0.0.1:0", proxy_protocol: [127.0.0.1], networks: [127.0.0.7]}
  - {address: "127.0.0.1:0"}
upstreams: [{address: "`+up.Addr()+`"}]
streams: {news: {kind: marketing, purpose: marketing}}
`))
	g.grant("ann@example.com", "active")
	quiet, dialled := g.log.String(), up.Total()
	at := g.addresses()
	h := startHAProxy(t, at[0], at[1])
	healthy := map[string]string{
		"two": "L4OK", "one": "L4OK", "silent": "L4OK", "greeted": "L7OK", "connected": "L4OK", "spoken": "L7OK",
	}
	waitFor(t, startTimeout, "haproxy to have checked the gate in every way", func() bool { return maps.Equal(h.checks(), healthy) })
	if log := g.log.String(); log != quiet || up.Total() != dialled {
		t.Errorf("%d connections upstream, want %d; checks made the gate say\n%s", up.Total(), dialled, strings.TrimPrefix(log, quiet))
	}
	for n, door := range []string{h.two, h.one} {
		for to, want := range map[string]int{"ann@example.com": 0, "bob@example.com": 24} {
			if dialogue, code := swaks(t, door, "--from", sender, "--to", to, "--local-interface", "127.0.0.7"); code != want {
				t.Errorf("to %s: swaks exits %d, want %d\n%s", to, code, want, dialogue)
			}
		}
		// The proxy itself is no client that may relay, nor is who stands behind no address that it lists.
		if dialogue, code := swaks(t, door, "--from", sender, "--to", "ann@example.com"); code == 0 || !strings.Contains(dialogue, "<** 554 5.7.1") {
			t.Errorf("from 127.0.0.1: swaks exits %d\n%s", code, dialogue)
		}
		clients := g.blockedClients(n + 1)
		if len(clients) != n+1 || clients[n] != "127.0.0.7" {
			t.Errorf("blocked entries of clients %q, want 127.0.0.7", clients)
		}
	}
	if n := len(up.Messages()); n != 2 {
		t.Errorf("%d messages upstream, want 2", n)
	}
	if checks := h.checks(); !maps.Equal(checks, healthy) {
		t.Errorf("afterwards haproxy thinks of the gate %v", checks)
	}
}

// blockedClients are the addresses of the clients in the log of blocked mail, once it has n entries.
func (g *gateway) blockedClients(n int) (clients []string) {
	g.t.Helper()
	waitFor(g.t, 10*time.Second, "the blocks in the store", func() bool {
		clients = nil
		for line := range strings.Lines(g.must("blocked", "--format", "json")) {
			var e struct{ Client string }
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				g.t.Fatal(err)
			}
			clients = append(clients, e.Client)
		}
		return len(clients) == n
	})
	return clients
}
