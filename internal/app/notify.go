package app

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"time"
)

// What the service manager is told (sd_notify(3)).
const (
	notifyReady     = "READY=1"
	notifyReloading = "RELOADING=1"
	notifyStopping  = "STOPPING=1"
	notifyAlive     = "WATCHDOG=1"
)

// notifier tells the service manager how the program fares. The zero value tells nobody.
type notifier struct {
	socket string        // a path, or @name of an abstract socket
	every  time.Duration // how often to say that we are alive; 0: never
	log    *slog.Logger
}

// newNotifier reads NOTIFY_SOCKET, and WATCHDOG_USEC where it is meant for this process. Twice in each of its periods
// the watchdog is told, as systemd asks.
func newNotifier(env func(string) string, pid int, log *slog.Logger) notifier {
	n := notifier{socket: env("NOTIFY_SOCKET"), log: log}
	if whose := env("WATCHDOG_PID"); n.socket == "" || whose != "" && whose != strconv.Itoa(pid) {
		return n
	}
	if usec, err := strconv.ParseInt(env("WATCHDOG_USEC"), 10, 64); err == nil && usec > 0 {
		n.every = time.Duration(usec) * time.Microsecond / 2
	}
	return n
}

// tell sends one state. A service manager that is away is logged and no reason to stop.
func (n notifier) tell(state string) {
	if n.socket == "" {
		return
	}
	if err := n.send(state); err != nil {
		n.log.Warn("service manager", "state", state, "err", err)
	}
}

func (n notifier) send(state string) error {
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Net: "unixgram", Name: n.socket})
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	_, err = conn.Write([]byte(state))
	return err
}

// run says as long as ctx lasts that the program is alive, which alive sees to: it returns only if what it asks still
// answers. When front ends, at the latest when ctx does, it says that the program is stopping.
func (n notifier) run(ctx, front context.Context, alive func()) {
	var tick <-chan time.Time
	if n.every > 0 {
		t := time.NewTicker(n.every)
		defer t.Stop()
		tick = t.C
	}
	for ending := front.Done(); ; {
		select {
		case <-tick:
			alive()
			n.tell(notifyAlive)
			continue
		case <-ending:
		case <-ctx.Done():
		}
		if ending != nil {
			n.tell(notifyStopping)
			ending = nil
		}
		if ctx.Err() != nil {
			return
		}
	}
}
