package redisstore_test

import (
	"sync/atomic"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/internal/testredis"
	"github.com/consentgate/consentgate/store/redisstore"
)

// open opens a store that the test closes at its end, if nobody did before.
func open(t testing.TB, o redisstore.Options) *redisstore.Store {
	t.Helper()
	s, err := redisstore.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestContractOnMiniredis(t *testing.T) {
	t.Parallel()
	gatetest.TestStore(t, func(t *testing.T) gatetest.Backend {
		m := miniredis.RunT(t)
		o := redisstore.Options{Addrs: []string{m.Addr()}}
		return gatetest.Backend{
			Store: open(t, o),
			Again: func() gate.Store { return open(t, o) },
			Empty: m.FlushAll,
			Pass:  m.FastForward,
			Stall: func() func() {
				m.SetError("LOADING the dataset")
				return func() { m.SetError("") }
			},
		}
	})
}

func TestContractOnRedis(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	var used atomic.Int64
	gatetest.TestStore(t, func(t *testing.T) gatetest.Backend {
		db := int(used.Add(1))
		if db >= testredis.Databases {
			t.Fatalf("the suite has grown past %d databases", testredis.Databases)
		}
		o := redisstore.Options{Addrs: []string{server.Addr}, DB: db}
		return gatetest.Backend{
			Store: open(t, o),
			Again: func() gate.Store { return open(t, o) },
			Empty: func() { flush(t, o) },
			Stall: func() func() { server.Freeze(); return server.Thaw },
		}
	})
}

func TestContractOnCluster(t *testing.T) {
	t.Parallel()
	cluster := testredis.Cluster(t)
	empty := func() {
		for _, s := range cluster.Nodes {
			s.MustDo("FLUSHALL")
		}
	}
	gatetest.TestStore(t, func(t *testing.T) gatetest.Backend {
		empty()
		o := redisstore.Options{Addrs: cluster.Addrs, Cluster: true}
		return gatetest.Backend{
			Store: open(t, o),
			Again: func() gate.Store { return open(t, o) },
			Empty: empty,
			Stall: func() func() {
				for _, s := range cluster.Nodes {
					s.Freeze()
				}
				return func() {
					for _, s := range cluster.Nodes {
						s.Thaw()
					}
				}
			},
		}
	})
}

// flush empties one database.
func flush(t testing.TB, o redisstore.Options) {
	t.Helper()
	c := redis.NewClient(&redis.Options{Addr: o.Addrs[0], DB: o.DB})
	defer c.Close()
	if err := c.FlushDB(t.Context()).Err(); err != nil {
		t.Fatal(err)
	}
}
