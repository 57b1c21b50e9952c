package redisstore_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/testredis"
	"github.com/consentgate/consentgate/store/redisstore"
)

// client is an application that writes to the inbox.
func client(t *testing.T, addrs ...string) redis.UniversalClient {
	t.Helper()
	c := redis.NewUniversalClient(&redis.UniversalOptions{Addrs: addrs, IsClusterMode: len(addrs) > 1})
	t.Cleanup(func() { c.Close() })
	return c
}

// leave leaves n events in the inbox.
func leave(t *testing.T, c redis.UniversalClient, n int) {
	t.Helper()
	for i := range n {
		if err := c.XAdd(t.Context(), &redis.XAddArgs{Stream: "cg:in", Values: []any{"event", fmt.Sprint("event ", i)}}).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

func arrivals(t *testing.T, s *redisstore.Store, reader string, n int) (entries, events []string) {
	t.Helper()
	got, err := s.Arrivals(t.Context(), reader, n)
	if err != nil {
		t.Fatalf("Arrivals: %v", err)
	}
	for _, a := range got {
		entries, events = append(entries, a.Entry), append(events, a.Event)
	}
	return entries, events
}

func TestAnInboxHandsEachArrivalToOneGate(t *testing.T) {
	t.Parallel()
	cluster := testredis.Cluster(t)
	server := testredis.Start(t)
	m := miniredis.RunT(t)
	for name, addrs := range map[string][]string{"miniredis": {m.Addr()}, "Redis": {server.Addr}, "Cluster": cluster.Addrs} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := ready(t, redisstore.Options{Addrs: addrs, Cluster: len(addrs) > 1}), client(t, addrs...)
			if _, events := arrivals(t, s, "one", 10); len(events) > 0 {
				t.Errorf("an inbox that nobody wrote to holds %q", events)
			}
			if n := c.Exists(t.Context(), "cg:in").Val(); n != 0 {
				t.Error("reading made the inbox")
			}
			leave(t, c, 5)
			first, events := arrivals(t, s, "one", 3)
			if !cmp.Equal(events, []string{"event 0", "event 1", "event 2"}) {
				t.Errorf("the first gate gets %q", events)
			}
			second, events := arrivals(t, s, "two", 3)
			if !cmp.Equal(events, []string{"event 3", "event 4"}) {
				t.Errorf("the second gate gets %q", events)
			}
			rejects := []gate.Reject{{Entry: second[1], Time: time.Unix(1, 0).UTC(), Reason: "no event"}}
			settle(t, s, first, nil)
			settle(t, s, second, rejects)
			settle(t, s, nil, nil)
			if n := c.XLen(t.Context(), "cg:in").Val(); n != 0 {
				t.Errorf("%d entries stay in the inbox after they were settled", n)
			}
			got, err := kept(s, t)
			if diff := cmp.Diff(rejects, got); diff != "" || err != nil {
				t.Errorf("rejects, error %v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func settle(t *testing.T, s *redisstore.Store, entries []string, rejects []gate.Reject) {
	t.Helper()
	if err := s.Settle(t.Context(), entries, rejects); err != nil {
		t.Fatalf("Settle: %v", err)
	}
}

func kept(s *redisstore.Store, t *testing.T) (rejects []gate.Reject, err error) {
	t.Helper()
	for r, err := range s.Rejects(t.Context()) {
		if err != nil {
			return rejects, err
		}
		rejects = append(rejects, r)
	}
	return rejects, nil
}

func TestWhatADeadGateLeftGoesToAnother(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	now := time.Now()
	m.SetTime(now)
	s, c := ready(t, redisstore.Options{Addrs: []string{m.Addr()}}), client(t, m.Addr())
	leave(t, c, 2)
	entries, _ := arrivals(t, s, "dead", 10)
	if got, _ := arrivals(t, s, "alive", 10); len(got) > 0 {
		t.Errorf("taken from a gate that may be at it: %q", got)
	}
	m.SetTime(now.Add(11 * time.Second))
	got, _ := arrivals(t, s, "alive", 10)
	if !cmp.Equal(got, entries) {
		t.Errorf("after a while the other gate gets %q, want %q", got, entries)
	}
}

func TestRejectsAreReadNewestFirst(t *testing.T) {
	t.Parallel()
	m := miniredis.RunT(t)
	s := ready(t, redisstore.Options{Addrs: []string{m.Addr()}})
	var want []gate.Reject
	for i := range 1200 {
		want = append(want, gate.Reject{Entry: fmt.Sprint(i), Time: time.Unix(int64(i), 0).UTC(), Reason: "r"})
	}
	settle(t, s, []string{"1-0"}, want)
	slices.Reverse(want)
	got, err := kept(s, t)
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v (-want +got):\n%s", err, diff)
	}
}
