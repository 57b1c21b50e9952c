package redisstore

import (
	"context"
	"sync"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/store/internal/combine"
)

// lane is the way to one master. Each has its own combiner, so that a shard that hangs holds up only the lookups of
// its own recipients.
type lane struct {
	lookups *combine.Group[*lookup]
}

// laneOf returns the lane of the master that holds id; without a Cluster there is one.
func (s *Store) laneOf(ctx context.Context, id gate.ID) *lane {
	addr := ""
	if s.cluster != nil {
		// On an error the map of slots is not to be had; the trip itself will say so.
		if master, err := s.cluster.MasterForKey(ctx, keysOf(id).sentinel); err == nil {
			addr = master.Options().Addr
		}
	}
	if l, ok := s.lanes.Load(addr); ok {
		return l.(*lane)
	}
	l, _ := s.lanes.LoadOrStore(addr, &lane{lookups: combine.New(s.lookUp)})
	return l.(*lane)
}

// eachLane sorts the indices of n items by the lane of their recipient and calls do for each lane at the same time.
func (s *Store) eachLane(ctx context.Context, n int, id func(i int) gate.ID, do func(l *lane, items []int)) {
	byLane := make(map[*lane][]int, 1)
	for i := range n {
		l := s.laneOf(ctx, id(i))
		byLane[l] = append(byLane[l], i)
	}
	var wg sync.WaitGroup
	for l, items := range byLane {
		if len(byLane) == 1 {
			do(l, items)
			return
		}
		wg.Go(func() { do(l, items) })
	}
	wg.Wait()
}
