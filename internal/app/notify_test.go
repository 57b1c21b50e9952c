package app

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
)

// manager is a service manager's socket.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

func newManager(t *testing.T, name string) *manager {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return &manager{t, conn}
}

// hears reads states until the wanted one, which must come within seconds, and fails on any that is not expected.
func (m *manager) hears(want string, meanwhile ...string) {
	m.t.Helper()
	buf := make([]byte, 1024)
	for {
		if err := m.conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
			m.t.Fatal(err)
		}
		n, err := m.conn.Read(buf)
		if err != nil {
			m.t.Fatalf("waiting for %s: %v", want, err)
		}
		switch got := string(buf[:n]); {
		case got == want:
			return
		case !slices.Contains(meanwhile, got):
			m.t.Fatalf("told %q, want %s", got, want)
		}
	}
}

func TestTheServiceManagerHearsOfStartReloadLifeAndEnd(t *testing.T) {
	up := smtptest.Start(t)
	for name, socket := range map[string]string{
		"a socket with a path": filepath.Join(t.TempDir(), "notify"),
		"an abstract socket":   "@consentgate-test-" + ulid.Make().String(),
	} {
		t.Run(name, func(t *testing.T) {
			m := newManager(t, socket)
			t.Setenv("NOTIFY_SOCKET", socket)
			t.Setenv("WATCHDOG_USEC", "20000")
			cfg := serving(t, up.Addr())
			ctx, end := context.WithCancel(t.Context())
			wanted, ended := make(chan os.Signal), make(chan error, 1)
			go func() {
				ended <- Run(ctx, cfg, slog.New(slog.DiscardHandler), Reloads{Wanted: wanted, Load: func() (*config.Config, error) {
					return nil, errors.New("a new config with a mistake")
				}})
			}()
			m.hears(notifyReady, notifyAlive)
			m.hears(notifyAlive)
			wanted <- os.Interrupt
			m.hears(notifyReloading, notifyAlive)
			m.hears(notifyReady, notifyAlive)
			end()
			m.hears(notifyStopping, notifyAlive)
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// serving is a config with an upstream and a data_dir of its own.
func serving(t *testing.T, upstream string) *config.Config {
	t.Helper()
	c, err := config.Parse("", nil, config.Options{Env: func(string) string { return "" }, Flags: config.Overlay{
		DataDir: t.TempDir(), Listen: []string{"127.0.0.1:0"}, Upstream: []string{upstream},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestOnlyTheProcessThatIsWatchedSaysThatItIsAlive(t *testing.T) {
	t.Parallel()
	pid := os.Getpid()
	for name, tt := range map[string]struct {
		socket, usec, pid string
		want              time.Duration
	}{
		"for whoever runs":          {"/run/n", "30000000", "", 15 * time.Second},
		"for this process":          {"/run/n", "30000000", strconv.Itoa(pid), 15 * time.Second},
		"for another process":       {"/run/n", "30000000", "1", 0},
		"without a watchdog":        {"/run/n", "", "", 0},
		"without a service manager": {"", "30000000", "", 0},
		"with nonsense":             {"/run/n", "-5", "", 0},
	} {
		env := map[string]string{"NOTIFY_SOCKET": tt.socket, "WATCHDOG_USEC": tt.usec, "WATCHDOG_PID": tt.pid}
		if got := newNotifier(func(k string) string { return env[k] }, pid, nil).every; got != tt.want {
			t.Errorf("%s: every %v, want %v", name, got, tt.want)
		}
	}
}

func TestAServiceManagerThatIsAwayIsLoggedAndNoReasonToStop(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	n := notifier{socket: filepath.Join(t.TempDir(), "nobody"), log: slog.New(slog.NewTextHandler(&log, nil))}
	n.tell(notifyReady)
	if !strings.Contains(log.String(), "READY=1") {
		t.Errorf("logged %q, want a word about READY=1", log.String())
	}
	notifier{}.tell(notifyReady) // nobody to tell, and no logger
}
