package redisstore_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/internal/testredis"
	"github.com/consentgate/consentgate/store/redisstore"
)

// slowest is when a store that recovers too late fails a test. The goal is 5 s; what was measured is logged, since a busy
// test machine is no measure.
const slowest = 30 * time.Second

// burst is what gates do while the store is in trouble: lookups of everybody all the time, and withdrawals of one after
// another, each kept until it is acknowledged, as the gate's journal keeps them.
type burst struct {
	t   *testing.T
	s   *redisstore.Store
	ids []gate.ID

	withdrawn []atomic.Bool // by index of ids: acknowledged
	calm      atomic.Bool   // nothing that was acknowledged may be lost from here on
	lookups   atomic.Int64
	deferred  atomic.Int64
	lastFail  atomic.Int64 // when a lookup or change failed last, Unix nanoseconds
	stop      context.CancelFunc
	wg        sync.WaitGroup
}

// startBurst grants everybody and begins.
func startBurst(t *testing.T, s *redisstore.Store, n int) *burst {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	b := &burst{t: t, s: s, ids: many(n), withdrawn: make([]atomic.Bool, n), stop: stop}
	mustApply(t, s, grants(b.ids, "e"))
	b.calm.Store(true)
	for range 2 {
		b.wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				b.lookUp(ctx, i*7%(n-10))
				time.Sleep(2 * time.Millisecond) // other tests run, too
			}
		})
	}
	b.wg.Go(func() {
		for i := 0; i < n/2 && ctx.Err() == nil; {
			if b.withdraw(ctx, i) {
				i++
			}
			time.Sleep(time.Millisecond)
		}
	})
	t.Cleanup(b.end)
	return b
}

func (b *burst) end() {
	b.stop()
	b.wg.Wait()
}

func (b *burst) failed() { b.lastFail.Store(time.Now().UnixNano()) }

// lookUp asks for ten recipients within a lookup's budget and judges every answer.
func (b *burst) lookUp(ctx context.Context, from int) {
	var before [10]bool
	for k := range before {
		before[k] = b.withdrawn[from+k].Load()
	}
	calm := b.calm.Load()
	limited, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	for k, l := range b.s.Records(limited, b.ids[from:from+10]) {
		b.lookups.Add(1)
		state := l.Record.For("newsletter").State
		switch {
		case l.Err != nil:
			if !errors.Is(l.Err, gate.ErrUnavailable) {
				b.t.Errorf("lookup: error %v does not wrap ErrUnavailable", l.Err)
			}
			if ctx.Err() == nil {
				b.deferred.Add(1)
				b.failed()
			}
		case l.Record.Version == 0:
			b.t.Errorf("recipient %d is unknown: a wrong verdict", from+k)
		case before[k] && calm && b.calm.Load() && state != gate.StateWithdrawn:
			b.t.Errorf("recipient %d has withdrawn and is %s", from+k, state)
		}
	}
}

func (b *burst) withdraw(ctx context.Context, i int) bool {
	limited, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	err := b.s.Apply(limited, []gate.Change{withdrawalOf(b.ids[i], i)})[0].Err
	if err == nil {
		b.withdrawn[i].Store(true)
		return true
	}
	if ctx.Err() == nil {
		b.failed()
	}
	return false
}

func withdrawalOf(id gate.ID, i int) gate.Change {
	return gate.Change{ID: id, Live: true, Event: gate.Event{
		ID: fmt.Sprint("w", i), Type: gate.Withdrawn, Purpose: "newsletter", Time: time.Unix(1_790_000_100, 0),
	}}
}

// wantService waits until everybody is answered and a change is taken and logs how long that took since the moment it
// could have been.
func (b *burst) wantService(since time.Time, what string) {
	b.t.Helper()
	deadline := time.Now().Add(slowest)
	for err := b.serves(); err != nil; err = b.serves() {
		if time.Now().After(deadline) {
			b.t.Fatalf("%s: no full service %v after it could have been: %v", what, slowest, err)
		}
		time.Sleep(10 * time.Millisecond)
	}
	b.t.Logf("%s: full service after %v; %d of %d lookups were deferred", what, time.Since(since).Round(time.Millisecond),
		b.deferred.Load(), b.lookups.Load())
}

// serves returns what keeps the store from serving everybody.
func (b *burst) serves() error {
	ctx, cancel := context.WithTimeout(b.t.Context(), budget)
	defer cancel()
	for _, l := range b.s.Records(ctx, b.ids) {
		if l.Err != nil {
			return l.Err
		}
	}
	for _, id := range b.ids[:20] { // of every shard
		e := gate.Event{ID: fmt.Sprint("a", time.Now().UnixNano()), Type: gate.Activity, Purpose: "newsletter", Time: time.Unix(1_790_000_000, 0)}
		if a := b.s.Apply(ctx, []gate.Change{{ID: id, Event: e}})[0]; a.Err != nil {
			return a.Err
		}
	}
	return nil
}

// replay applies what was acknowledged again, as a gate does from its journal when the master has changed, and proves
// that nothing acknowledged is missing then.
func (b *burst) replay() {
	b.t.Helper()
	lost := 0
	for i := range b.ids {
		if !b.withdrawn[i].Load() {
			continue
		}
		a := b.s.Apply(b.t.Context(), []gate.Change{withdrawalOf(b.ids[i], i)})[0]
		if a.Err != nil {
			b.t.Fatalf("replay: %v", a.Err)
		}
		if !a.Duplicate {
			lost++
		}
		if got := a.Record.For("newsletter").State; got != gate.StateWithdrawn {
			b.t.Errorf("recipient %d is %s after the replay", i, got)
		}
	}
	b.t.Logf("the new master lacked %d acknowledged withdrawals, which the replay brought back", lost)
	b.calm.Store(true)
}

func (b *burst) some(n int) {
	b.t.Helper()
	gatetest.Eventually(b.t, "some withdrawals are acknowledged", func() bool { return b.withdrawn[n].Load() })
}

func TestAFailoverInABurstDefersAndNeverPermitsWhoHasWithdrawn(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		lose func(s *testredis.Server)
	}{
		{"master killed", (*testredis.Server).Stop},
		{"master hung", (*testredis.Server).Freeze},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			sentinel, master, replica := testredis.Failover(t)
			s := ready(t, redisstore.Options{Addrs: []string{sentinel.Addr}, Master: testredis.MasterName})
			b := startBurst(t, s, 200)
			b.some(10)
			line, err := s.Lineage(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			master.AwaitReplica(t)
			b.calm.Store(false)
			c.lose(master)
			lost := time.Now()
			gatetest.Eventually(t, "the replica becomes the master", func() bool {
				reply, err := replica.Do("SET", "probe", "1")
				return err == nil && reply == "+OK"
			})
			promoted := time.Now()
			b.wantService(promoted, fmt.Sprintf("%s, the replica took over after %v", c.name, promoted.Sub(lost).Round(time.Millisecond)))
			if now, err := s.Lineage(t.Context()); err != nil || now == line {
				t.Errorf("the new master's lineage is %q as before, error %v", now, err)
			}
			b.replay()
			b.some(60)
			if c.name == "master hung" {
				master.Thaw() // believes for a moment that it is the master still
				time.Sleep(time.Second)
			}
			b.end()
		})
	}
}

func TestAShardThatFailsOverInABurstDefersItsRecipientsOnly(t *testing.T) {
	t.Parallel()
	cluster := testredis.Cluster(t)
	replica := cluster.AddReplica(t, 1)
	s := ready(t, redisstore.Options{Addrs: cluster.Addrs, Cluster: true})
	b := startBurst(t, s, 200)
	b.some(10)
	cluster.Nodes[1].AwaitReplica(t)
	b.calm.Store(false)
	cluster.Nodes[1].Stop()
	lost := time.Now()
	gatetest.Eventually(t, "the replica becomes the master", func() bool {
		return replica.Role(t) == "master"
	})
	promoted := time.Now()
	b.wantService(promoted, fmt.Sprintf("shard killed, its replica took over after %v", promoted.Sub(lost).Round(time.Millisecond)))
	b.replay()
	b.some(60)
	b.end()
}

func TestReshardingInABurstLosesNothing(t *testing.T) {
	t.Parallel()
	cluster := testredis.Cluster(t)
	s := ready(t, redisstore.Options{Addrs: cluster.Addrs, Cluster: true})
	b := startBurst(t, s, 400)
	b.some(10)
	cluster.Reshard(t, 0, 1, 500)
	cluster.Reshard(t, 2, 0, 500)
	b.wantService(time.Now(), "1,000 slots moved")
	b.replay()
	b.end()
	for i, l := range s.Records(t.Context(), b.ids) {
		want := gate.StateActiveSingle
		if b.withdrawn[i].Load() {
			want = gate.StateWithdrawn
		}
		if got := l.Record.For("newsletter").State; l.Err != nil || got != want {
			t.Errorf("recipient %d: %s, error %v, want %s", i, got, l.Err, want)
		}
	}
}

func TestAMasterThatWasMadeAReplicaIsAnOutageUntilItTakesWritesAgain(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	s, ids := ready(t, redisstore.Options{Addrs: []string{server.Addr}}), spread(5)
	mustApply(t, s, grants(ids, "e"))
	server.MustDo("REPLICAOF", "127.0.0.1", "1") // nobody there: it keeps its data, older and older
	if a := s.Apply(t.Context(), grants(ids[:1], "refused"))[0]; !errors.Is(a.Err, gate.ErrUnavailable) {
		t.Errorf("a change: error %v, want ErrUnavailable", a.Err)
	}
	wantDown(t, s, ids)
	server.MustDo("REPLICAOF", "NO", "ONE")
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("Ping: %v", err)
	}
	wantUp(t, s, ids)
}

func TestAMasterWithoutTheReplicasItWantsTakesNoChange(t *testing.T) {
	t.Parallel()
	server := testredis.Start(t)
	s, ids := ready(t, redisstore.Options{Addrs: []string{server.Addr}}), spread(3)
	mustApply(t, s, grants(ids, "e"))
	server.MustDo("CONFIG", "SET", "min-replicas-to-write", "1")
	if a := s.Apply(t.Context(), grants(ids, "more"))[0]; !errors.Is(a.Err, gate.ErrUnavailable) {
		t.Errorf("a change: error %v, want ErrUnavailable", a.Err)
	}
	wantUp(t, s, ids) // it is still the master, so what it says of people is true
}
