package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/internal/testredis"
	"github.com/consentgate/consentgate/store/redisstore"
)

// budget is what a lookup of the gate has; grace is what a busy test machine may add.
const (
	budget = 250 * time.Millisecond
	grace  = 2 * time.Second
)

// ready returns an initialised store.
func ready(t testing.TB, o redisstore.Options) *redisstore.Store {
	t.Helper()
	s := open(t, o)
	if err := s.Init(t.Context(), gate.Meta{Fingerprint: "f", Created: time.Unix(1, 0)}); err != nil {
		t.Fatal(err)
	}
	return s
}

// spread returns n ids whose first two characters differ, so that a Cluster spreads them.
func spread(n int) []gate.ID {
	ids := make([]gate.ID, n)
	for i := range ids {
		ids[i] = gate.ID{byte(i * 37), byte(i * 101), byte(i)}
	}
	return ids
}

// grants is a grant to each id.
func grants(ids []gate.ID, event string) []gate.Change {
	changes := make([]gate.Change, len(ids))
	for i, id := range ids {
		changes[i] = gate.Change{ID: id, Sealed: "sealed", Event: gate.Event{
			ID: fmt.Sprint(event, i), Type: gate.Granted, Method: gate.MethodActive, Purpose: "newsletter",
			Time: time.Unix(1_790_000_000, 0), Source: gate.Source{Kind: "form", ID: "footer"},
		}}
	}
	return changes
}

// mustApply applies changes that must all be taken.
func mustApply(t testing.TB, s gate.Applier, changes []gate.Change) {
	t.Helper()
	for i, a := range s.Apply(t.Context(), changes) {
		if a.Err != nil {
			t.Fatalf("change %d: %v", i, a.Err)
		}
	}
}

// within fails the test where call takes longer than a lookup may.
func within(t testing.TB, call func(ctx context.Context)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), budget)
	defer cancel()
	start := time.Now()
	call(ctx)
	if took := time.Since(start); took > budget+grace {
		t.Errorf("took %v of %v", took, budget)
	}
}

// wantDown proves that lookups and changes are refused in time.
func wantDown(t testing.TB, s gate.Store, ids []gate.ID) {
	t.Helper()
	within(t, func(ctx context.Context) {
		for _, l := range s.Records(ctx, ids) {
			if !errors.Is(l.Err, gate.ErrUnavailable) {
				t.Errorf("Records: got error %v, want ErrUnavailable", l.Err)
			}
		}
	})
	within(t, func(ctx context.Context) {
		if a := s.Apply(ctx, grants(ids[:1], "down"))[0]; !errors.Is(a.Err, gate.ErrUnavailable) {
			t.Errorf("Apply: got error %v, want ErrUnavailable", a.Err)
		}
	})
}

// wantUp waits until every id has its record again.
func wantUp(t testing.TB, s gate.Store, ids []gate.ID) {
	t.Helper()
	gatetest.Eventually(t, "the store serves again", func() bool {
		for _, l := range s.Records(t.Context(), ids) {
			if l.Err != nil || l.Record.Version == 0 {
				return false
			}
		}
		return true
	})
}

func TestAServerThatIsKilledIsAnOutageUntilItIsBack(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t, "--appendfsync", "always")
	s, ids := ready(t, redisstore.Options{Addrs: []string{server.Addr}}), spread(5)
	mustApply(t, s, grants(ids, "e"))
	for range 2 {
		server.Stop()
		wantDown(t, s, ids)
		server.Start()
		wantUp(t, s, ids)
		mustApply(t, s, grants(ids, "again")) // the restarted server does not know the script
	}
}

func TestAServerThatHangsIsAnOutageUntilItGoesOn(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	s, ids := ready(t, redisstore.Options{Addrs: []string{server.Addr}}), spread(5)
	mustApply(t, s, grants(ids, "e"))
	server.Freeze()
	wantDown(t, s, ids)
	server.Thaw()
	wantUp(t, s, ids)
}

func TestAnEmptiedServerIsAnOutageForKnownAndUnknown(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	s, ids := ready(t, redisstore.Options{Addrs: []string{server.Addr}}), spread(5)
	mustApply(t, s, grants(ids[:3], "e"))
	server.MustDo("FLUSHALL")
	wantDown(t, s, ids)
	if reply := server.MustDo("DBSIZE"); reply != ":0" {
		t.Errorf("the refused change left %s keys", reply)
	}
}

func TestALostShardConcernsItsRecipientsOnly(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		lose, get func(s *testredis.Server)
	}{
		{"hung", (*testredis.Server).Freeze, (*testredis.Server).Thaw},
		{"killed", (*testredis.Server).Stop, (*testredis.Server).Start},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cluster := testredis.Cluster(t)
			s, ids := ready(t, redisstore.Options{Addrs: cluster.Addrs, Cluster: true}), spread(30)
			mustApply(t, s, grants(ids, "e"))
			lost := shardOf(t, cluster.Nodes[1], ids)
			c.lose(cluster.Nodes[1])
			wantOnlyLost(t, s, ids, lost)
			c.get(cluster.Nodes[1])
			wantUp(t, s, ids)
		})
	}
}

// shardOf returns which ids a node holds.
func shardOf(t testing.TB, node *testredis.Server, ids []gate.ID) map[gate.ID]bool {
	t.Helper()
	held := make(map[gate.ID]bool)
	for _, id := range ids {
		text := id.String()
		if reply, err := node.Do("EXISTS", "cg:{"+text[:2]+"}:"+text); err == nil && reply == ":1" {
			held[id] = true
		}
	}
	if len(held) == 0 || len(held) == len(ids) {
		t.Fatalf("a node holds %d of %d recipients: this would prove nothing", len(held), len(ids))
	}
	return held
}

// wantOnlyLost proves that the lost ids, and no others, are unavailable.
func wantOnlyLost(t testing.TB, s gate.Store, ids []gate.ID, lost map[gate.ID]bool) {
	t.Helper()
	within(t, func(ctx context.Context) {
		for i, l := range s.Records(ctx, ids) {
			if down := errors.Is(l.Err, gate.ErrUnavailable); down != lost[ids[i]] {
				t.Errorf("lookup %d: error %v, lost %v", i, l.Err, lost[ids[i]])
			}
		}
	})
	within(t, func(ctx context.Context) {
		for i, a := range s.Apply(ctx, grants(ids, "while lost")) {
			if down := errors.Is(a.Err, gate.ErrUnavailable); down != lost[ids[i]] {
				t.Errorf("change %d: error %v, lost %v", i, a.Err, lost[ids[i]])
			}
		}
	})
}

func TestAnEmptiedShardConcernsItsRecipientsOnly(t *testing.T) {
	t.Parallel()
	cluster := testredis.Cluster(t)
	s, ids := ready(t, redisstore.Options{Addrs: cluster.Addrs, Cluster: true}), spread(30)
	mustApply(t, s, grants(ids, "e"))
	for _, node := range cluster.Nodes {
		lost := shardOf(t, node, ids)
		node.MustDo("FLUSHALL")
		wantOnlyLost(t, s, ids, lost)
		if _, err := s.Meta(t.Context()); errors.Is(err, gate.ErrUninitialised) {
			t.Error("a store that lost a shard passes for a new one")
		}
		for _, err := range s.Persons(t.Context()) {
			if !errors.Is(err, gate.ErrUnavailable) {
				t.Errorf("Persons: got error %v, want ErrUnavailable", err)
			}
			break
		}
		if err := s.Init(t.Context(), gate.Meta{Fingerprint: "f", Created: time.Unix(1, 0)}); err != nil {
			t.Fatalf("Init of the emptied shard: %v", err)
		}
		mustApply(t, s, grants(ids, "restored"))
	}
}

func TestARecordThatCannotBeReadIsAnOutageForItsRecipientOnly(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	s, ids := ready(t, redisstore.Options{Addrs: []string{server.Addr}}), spread(4)
	mustApply(t, s, grants(ids[:3], "e"))
	key := func(i int) string { text := ids[i].String(); return "cg:{" + text[:2] + "}:" + text }
	server.MustDo("HDEL", key(0), "v")           // a hash that is not ours
	server.MustDo("DEL", key(1)+":h")            // a record without its history
	server.MustDo("RPUSH", key(3)+":h", "", "{") // a history without its record
	got := s.Records(t.Context(), ids)
	if !errors.Is(got[0].Err, gate.ErrUnavailable) || got[2].Err != nil || got[2].Record.Version != 1 {
		t.Errorf("got %+v, want the first unavailable and the third as it was", got)
	}
	out := s.Apply(t.Context(), grants(ids, "more"))
	for i, wantDown := range []bool{true, true, false, true} {
		if down := errors.Is(out[i].Err, gate.ErrUnavailable); down != wantDown {
			t.Errorf("change %d: error %v, want an outage: %v", i, out[i].Err, wantDown)
		}
	}
}

func TestAStoreOfAnotherSchemaIsRefused(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	s, ids := ready(t, redisstore.Options{Addrs: []string{server.Addr}}), spread(1)
	server.MustDo("HSET", "cg:meta", "schema", "7")
	server.MustDo("SET", "cg:{"+ids[0].String()[:2]+"}", "7")
	_, metaErr := s.Meta(t.Context())
	for what, err := range map[string]error{
		"Meta":    metaErr,
		"Init":    s.Init(t.Context(), gate.Meta{Fingerprint: "f"}),
		"Records": s.Records(t.Context(), ids)[0].Err,
	} {
		if !errors.Is(err, gate.ErrUnavailable) || !strings.Contains(err.Error(), `schema "7"`) {
			t.Errorf("%s: got error %v, want ErrUnavailable that names schema 7", what, err)
		}
	}
	if a := s.Apply(t.Context(), grants(ids, "e"))[0]; !errors.Is(a.Err, gate.ErrUnavailable) {
		t.Errorf("Apply: got error %v, want ErrUnavailable", a.Err)
	}
}

func TestNotesNameTheSettingsThatLoseRecords(t *testing.T) {
	t.Parallel()
	safe := testredis.Start(t)
	lossy := testredis.Start(t, "--appendonly", "no", "--maxmemory-policy", "allkeys-lru")
	silent := testredis.Start(t, "--rename-command", "CONFIG", "")
	for _, c := range []struct {
		server *testredis.Server
		want   []string
	}{
		{safe, nil},
		{lossy, []string{"has maxmemory-policy allkeys-lru: set it to noeviction", "has appendonly no: set it to yes"}},
		{silent, []string{"does not let us read its setting maxmemory-policy", "does not let us read its setting appendonly"}},
	} {
		got, err := open(t, redisstore.Options{Addrs: []string{c.server.Addr}}).Notes(t.Context())
		if err != nil || len(got) != len(c.want) {
			t.Errorf("got %q, error %v; want %q", got, err, c.want)
			continue
		}
		for i := range got {
			if !strings.Contains(got[i], c.want[i]) {
				t.Errorf("got %q, want %q in it", got[i], c.want[i])
			}
		}
	}
}

func TestPingNeedsAServerThatTakesWrites(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	s := ready(t, redisstore.Options{Addrs: []string{server.Addr}})
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("Ping: %v", err)
	}
	server.MustDo("REPLICAOF", "127.0.0.1", "1")
	if err := s.Ping(t.Context()); !errors.Is(err, gate.ErrUnavailable) {
		t.Errorf("Ping of a replica: got error %v, want ErrUnavailable", err)
	}
}
