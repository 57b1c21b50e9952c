package redisstore

import (
	"context"
	"iter"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/consentgate/consentgate/gate"
)

// scanPage is how many keys Redis is asked to look at in one step of a scan.
const scanPage = 1000

// personCmds are the commands that read all about one recipient.
type personCmds struct {
	id       gate.ID
	record   *redis.MapStringStringCmd
	history  *redis.StringSliceCmd
	sentinel *redis.StringCmd
}

func queuePerson(ctx context.Context, p redis.Pipeliner, id gate.ID) personCmds {
	k := keysOf(id)
	return personCmds{id, p.HGetAll(ctx, k.record), p.LRange(ctx, k.history, 0, -1), p.Get(ctx, k.sentinel)}
}

// person reads the answers. The history may be newer than the record by what was applied in between.
func (c personCmds) person() (gate.Person, error) {
	fields, err := c.record.Result()
	if err != nil {
		return gate.Person{}, unavailable(err)
	}
	list, err := c.history.Result()
	if err != nil {
		return gate.Person{}, unavailable(err)
	}
	if err := checkSentinel(c.sentinel); err != nil {
		return gate.Person{}, err
	}
	p := gate.Person{ID: c.id}
	if len(fields) == 0 {
		return p, nil
	}
	if p.Record, err = readRecord(fields); err != nil {
		return gate.Person{}, err
	}
	if p.Sealed, p.Events, err = readHistory(list); err != nil {
		return gate.Person{}, unavailable(err)
	}
	return p, nil
}

// Person implements [gate.Historian].
func (s *Store) Person(ctx context.Context, id gate.ID) (gate.Person, error) {
	var c personCmds
	_, err := s.patient.TxPipelined(ctx, func(p redis.Pipeliner) error {
		c = queuePerson(ctx, p, id)
		return nil
	})
	if c.record.Err() == nil && c.history.Err() == nil && c.sentinel.Err() != nil {
		return c.person() // it says more about the sentinel than err does
	}
	if err != nil {
		return gate.Person{}, unavailable(err)
	}
	return c.person()
}

// Persons implements [gate.Scanner]. To meet everybody once although Redis may name a key twice, it remembers the ids
// it has met: some 30 bytes a recipient while it runs.
func (s *Store) Persons(ctx context.Context) iter.Seq2[gate.Person, error] {
	return func(yield func(gate.Person, error) bool) {
		if err := s.checkSentinels(ctx); err != nil {
			yield(gate.Person{}, err)
			return
		}
		met := make(map[gate.ID]struct{})
		for page, err := range s.recordPages(ctx) {
			if err != nil {
				yield(gate.Person{}, unavailable(err))
				return
			}
			if !s.yieldPage(ctx, unmet(page, met), yield) {
				return
			}
		}
	}
}

// unmet returns the ids of the record keys that were not met before, and remembers them.
func unmet(page []string, met map[gate.ID]struct{}) (ids []gate.ID) {
	for _, key := range page {
		id, err := gate.ParseID(key[recordPrefix:])
		if err != nil {
			continue // fits the pattern and is not ours
		}
		if _, twice := met[id]; !twice {
			met[id] = struct{}{}
			ids = append(ids, id)
		}
	}
	return ids
}

// yieldPage reads ids in one trip and yields them; false ends the scan.
func (s *Store) yieldPage(ctx context.Context, ids []gate.ID, yield func(gate.Person, error) bool) bool {
	if len(ids) == 0 {
		return true
	}
	cmds := make([]personCmds, len(ids))
	_ = pipe(ctx, s.patient, func(p redis.Pipeliner) { // each command has its own error
		for i, id := range ids {
			cmds[i] = queuePerson(ctx, p, id)
		}
	})
	for _, c := range cmds {
		p, err := c.person()
		if err == nil && len(p.Events) == 0 {
			continue // gone since the scan named it
		}
		if !yield(p, err) || err != nil {
			return false
		}
	}
	return true
}

// recordPages yields the record keys of every master, a page at a time.
func (s *Store) recordPages(ctx context.Context) iter.Seq2[[]string, error] {
	return func(yield func([]string, error) bool) {
		masters, err := s.masters(ctx)
		if err != nil {
			yield(nil, err)
			return
		}
		for _, m := range masters {
			for cursor, more := uint64(0), true; more; more = cursor != 0 {
				var page []string
				page, cursor, err = m.Scan(ctx, cursor, recordPattern, scanPage).Result()
				if !yield(page, err) || err != nil {
					return
				}
			}
		}
	}
}

// masters returns a client for each master; without a Cluster there is one.
func (s *Store) masters(ctx context.Context) ([]redis.UniversalClient, error) {
	if s.cluster == nil {
		return []redis.UniversalClient{s.patient}, nil
	}
	var mu sync.Mutex
	var masters []redis.UniversalClient
	err := s.cluster.ForEachMaster(ctx, func(_ context.Context, c *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		masters = append(masters, c)
		return nil
	})
	return masters, err
}
