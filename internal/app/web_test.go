package app

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/internal/config"
)

// servePublic serves h as the public listener does, and returns where and what it logs.
func servePublic(t *testing.T, set config.Unsubscribe, h http.HandlerFunc) (address string, log lines) {
	t.Helper()
	var lc net.ListenConfig
	socket, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log = make(lines, 100)
	web, limited := publicServer(set, socket, h, slog.New(slog.NewTextHandler(log, nil)))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serveHTTP(ctx, web, limited) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return socket.Addr().String(), log
}

func dialPublic(t *testing.T, address string) net.Conn {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}

// ask sends a request and reads the first line of the answer, which has to come within so long.
func ask(conn net.Conn, within time.Duration, header string) (string, error) {
	if _, err := fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: x\r\n%s\r\n", header); err != nil {
		return "", err
	}
	if err := conn.SetReadDeadline(time.Now().Add(within)); err != nil {
		return "", err
	}
	return bufio.NewReader(conn).ReadString('\n')
}

func TestThePublicListenerHasSoManyConnectionsAndNoMore(t *testing.T) {
	t.Parallel()
	address, log := servePublic(t, config.Unsubscribe{Connections: 2}, func(http.ResponseWriter, *http.Request) {})
	first, second := dialPublic(t, address), dialPublic(t, address)
	for _, conn := range []net.Conn{first, second} {
		if line, err := ask(conn, 10*time.Second, ""); err != nil || !strings.Contains(line, "200") {
			t.Fatalf("within the bound: %q, %v", line, err)
		}
	}
	third := dialPublic(t, address)
	if line, err := ask(third, 200*time.Millisecond, ""); err == nil {
		t.Errorf("beyond the bound: %q", line)
	}
	if line := <-log; !strings.Contains(line, "others wait") || len(log) > 0 {
		t.Errorf("logged %q and %d lines more, want that others wait, once", line, len(log))
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if line, err := ask(third, 10*time.Second, ""); err != nil || !strings.Contains(line, "200") {
		t.Errorf("once there is a place: %q, %v", line, err)
	}
}

func TestThePublicListenerReadsNoHeaderWithoutBound(t *testing.T) {
	t.Parallel()
	address, _ := servePublic(t, config.Unsubscribe{Connections: 2}, func(http.ResponseWriter, *http.Request) {})
	line, err := ask(dialPublic(t, address), 10*time.Second, "X: "+strings.Repeat("x", 64<<10)+"\r\n")
	if err != nil || !strings.Contains(line, "431") {
		t.Errorf("got %q, %v", line, err)
	}
}

func TestThePublicListenerKnowsWhomItsProxySpeaksFor(t *testing.T) {
	t.Parallel()
	for trusted, want := range map[string]string{"127.0.0.0/8": "198.51.100.7", "10.0.0.0/8": "127.0.0.1"} {
		from := make(chan string, 1)
		set := config.Unsubscribe{Connections: 2, Proxies: []netip.Prefix{netip.MustParsePrefix(trusted)}}
		address, _ := servePublic(t, set, func(_ http.ResponseWriter, r *http.Request) {
			host, _, _ := net.SplitHostPort(r.RemoteAddr)
			from <- host
		})
		if _, err := ask(dialPublic(t, address), 10*time.Second, "X-Forwarded-For: 192.0.2.66, 198.51.100.7\r\n"); err != nil {
			t.Fatal(err)
		}
		if got := <-from; got != want {
			t.Errorf("with %s trusted: from %s, want %s", trusted, got, want)
		}
	}
}
