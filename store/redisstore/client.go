package redisstore

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Bounds of one trip, whatever the context allows. A consent lookup has 250 ms in all, so no part of it may wait
// longer; a trip that carries hundreds of changes may on a busy server.
const (
	dialTimeout   = 200 * time.Millisecond
	poolTimeout   = 100 * time.Millisecond
	lookupTimeout = 200 * time.Millisecond
	workTimeout   = 2 * time.Second
)

// topologyAge is how old the map of a Cluster's slots may be. The library asks again when a node sends it elsewhere, but
// not when a node is gone: with its own 60 seconds the recipients of a shard that failed over would wait as long.
const topologyAge = time.Second

// Options says where Redis is and how to enter it.
type Options struct {
	Network            string   // "tcp" (the default) or "unix"
	Addrs              []string // one server, the nodes of a Cluster, or the Sentinels
	Master             string   // name of the master that the Sentinels watch; empty: no Sentinels
	Cluster            bool
	DB                 int // 0 in a Cluster
	Username, Password string
	TLS                *tls.Config // nil: none
	Entries            int64       // how many block entries are kept, about; 0: 1,000,000
	Logger             *slog.Logger
}

// newClient returns a client that waits at most timeout for a trip, honours contexts, and tries a command again at
// most retries times (-1: never). It connects when it is first used.
//
// The library's own defaults make a server that is down or hung cost seconds: five dials, three retries and sockets
// that do not know of the context.
func newClient(o Options, timeout time.Duration, retries int) redis.UniversalClient {
	universal := &redis.UniversalOptions{
		Addrs:                 slices.Clone(o.Addrs), // a Cluster's client appends the nodes that it finds
		MasterName:            o.Master,
		IsClusterMode:         o.Cluster,
		DB:                    o.DB,
		Username:              o.Username,
		Password:              o.Password,
		Dialer:                dialer(o),
		TLSConfig:             o.TLS,
		MaxRetries:            retries,
		Protocol:              2, // version 3 adds pushed messages, which we have no use for and each reply would look for
		DialerRetries:         1,
		DialTimeout:           dialTimeout,
		ReadTimeout:           timeout,
		WriteTimeout:          timeout,
		PoolTimeout:           poolTimeout,
		ContextTimeoutEnabled: true,
		DisableIdentity:       true,
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled,
		},
	}
	if !o.Cluster {
		return redis.NewUniversalClient(universal)
	}
	cluster := universal.Cluster()
	cluster.ClusterStateReloadInterval = topologyAge
	return redis.NewClusterClient(cluster)
}

// dialer returns a dialer that honours its context through the TLS handshake too, which the library's does not.
func dialer(o Options) func(ctx context.Context, network, addr string) (net.Conn, error) {
	plain := &net.Dialer{Timeout: dialTimeout, KeepAlive: time.Minute}
	network := o.Network
	if network == "" {
		network = "tcp"
	}
	if o.TLS == nil {
		return func(ctx context.Context, _, addr string) (net.Conn, error) {
			return plain.DialContext(ctx, network, addr)
		}
	}
	secure := &tls.Dialer{NetDialer: plain, Config: o.TLS}
	return func(ctx context.Context, _, addr string) (net.Conn, error) {
		return secure.DialContext(ctx, network, addr)
	}
}

// quiet is the library's logger: it has one for the whole process, which by default writes a line to stderr for every
// failed dial.
type quiet struct{ log *slog.Logger }

// Printf implements the library's logging interface.
func (q quiet) Printf(ctx context.Context, format string, v ...any) {
	if q.log.Enabled(ctx, slog.LevelDebug) {
		q.log.DebugContext(ctx, "redis client", "text", fmt.Sprintf(format, v...))
	}
}
