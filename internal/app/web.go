package app

import (
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/unsub"
)

// crowdedAgain is how long after saying that the public listener is full it is not said again.
const crowdedAgain = time.Minute

// publicServer serves h at so many connections at once; who comes then waits in the system's queue. A request has
// webRequest from its first octet to its answer, and a connection without one webIdle.
func publicServer(set config.Unsubscribe, socket net.Listener, h http.Handler, log *slog.Logger) (*http.Server, net.Listener) {
	c := &crowd{most: set.Connections, now: time.Now, log: log}
	return &http.Server{
		Handler:           unsub.BehindProxies(set.Proxies, log, h),
		ReadHeaderTimeout: webHeaders, ReadTimeout: webRequest, WriteTimeout: webRequest, IdleTimeout: webIdle,
		MaxHeaderBytes: webMaxHeader, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug), ConnState: c.note,
	}, netutil.LimitListener(socket, set.Connections)
}

// crowd counts the connections of the public listener, to tell when no more are taken.
type crowd struct {
	most int
	now  func() time.Time
	log  *slog.Logger

	mu   sync.Mutex
	n    int
	said time.Time
}

// note is an http.Server's ConnState.
func (c *crowd) note(_ net.Conn, s http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch s {
	case http.StateNew:
		c.n++
	case http.StateClosed, http.StateHijacked:
		c.n--
	}
	if now := c.now(); c.n >= c.most && now.Sub(c.said) >= crowdedAgain {
		c.said = now
		c.log.Warn("the public listener has as many connections as it may: others wait", "connections", c.n)
	}
}
