package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/consentgate/consentgate/gate"
)

// errEmptied explains a sentinel that does not answer.
var errEmptied = errors.New(
	"the sentinel of this recipient is missing: the store, or this shard of it, was never initialised or was emptied " +
		"(restore it, or run consentgate store init --lost to start again without what it held)")

// lookup is one caller's question on its way through a combiner.
type lookup struct {
	ids []gate.ID
	out []gate.Lookup
}

// Records implements [gate.Reader]. Calls that happen at the same time share a trip.
func (s *Store) Records(ctx context.Context, ids []gate.ID) []gate.Lookup {
	if s.isReadOnly() {
		return refuse(len(ids), errReadOnly)
	}
	if s.cluster == nil && len(ids) > 0 {
		return s.recordsIn(ctx, s.laneOf(ctx, ids[0]), ids)
	}
	out := make([]gate.Lookup, len(ids))
	s.eachLane(ctx, len(ids), func(i int) gate.ID { return ids[i] }, func(l *lane, items []int) {
		part := make([]gate.ID, len(items))
		for k, i := range items {
			part[k] = ids[i]
		}
		for k, got := range s.recordsIn(ctx, l, part) {
			out[items[k]] = got
		}
	})
	return out
}

// recordsIn answers ids that live in one lane.
func (s *Store) recordsIn(ctx context.Context, l *lane, ids []gate.ID) []gate.Lookup {
	q := &lookup{ids: ids, out: make([]gate.Lookup, len(ids))}
	err := l.lookups.Do(ctx, q)
	if err == nil {
		return q.out
	}
	return refuse(len(ids), err) // not q.out: a batch may still write to it
}

// lookUp answers all questions: one trip for the records, and a second one for the sentinels of those that are missing.
func (s *Store) lookUp(ctx context.Context, questions []*lookup) {
	var cmds []*redis.MapStringStringCmd
	tripErr := pipe(ctx, s.quick, func(p redis.Pipeliner) {
		for _, q := range questions {
			for _, id := range q.ids {
				cmds = append(cmds, p.HGetAll(ctx, keysOf(id).record))
			}
		}
	})
	missing := make(map[string][]*gate.Lookup)
	for _, q := range questions {
		for i, id := range q.ids {
			fields, err := cmds[0].Result()
			cmds = cmds[1:]
			switch {
			case err != nil:
				q.out[i].Err = unavailable(err)
			case tripErr != nil && len(fields) == 0:
				q.out[i].Err = unavailable(tripErr)
			case len(fields) == 0:
				sentinel := keysOf(id).sentinel
				missing[sentinel] = append(missing[sentinel], &q.out[i])
			default:
				q.out[i].Record, q.out[i].Err = readRecord(fields)
			}
		}
	}
	s.askSentinels(ctx, missing)
}

// askSentinels marks the answers that are missing and whose sentinel is missing too.
func (s *Store) askSentinels(ctx context.Context, missing map[string][]*gate.Lookup) {
	if len(missing) == 0 {
		return
	}
	cmds := make(map[string]*redis.StringCmd, len(missing))
	_ = pipe(ctx, s.quick, func(p redis.Pipeliner) { // each command has its own error
		for sentinel := range missing {
			cmds[sentinel] = p.Get(ctx, sentinel)
		}
	})
	for sentinel, lookups := range missing {
		err := checkSentinel(cmds[sentinel])
		for _, l := range lookups {
			l.Err = err
		}
	}
}

// checkSentinel returns nil where the shard was initialised with our schema.
func checkSentinel(cmd *redis.StringCmd) error {
	got, err := cmd.Result()
	switch {
	case errors.Is(err, redis.Nil):
		return unavailable(errEmptied)
	case err != nil:
		return unavailable(err)
	case got != schema:
		return unavailable(wrongSchema(got))
	}
	return nil
}

func wrongSchema(got string) error {
	return fmt.Errorf("the store has schema %q and this program reads schema %s: use the program that wrote it, "+
		"or copy the store with one that knows both", got, schema)
}

// readRecord reads the hash of a record that stands.
func readRecord(fields map[string]string) (gate.Record, error) {
	var r gate.Record
	version, err := strconv.ParseUint(fields["v"], 10, 64)
	if err != nil || version == 0 {
		return gate.Record{}, unavailable(fmt.Errorf("a record has version %q: it is damaged or not ours", fields["v"]))
	}
	for name, text := range fields {
		if err := r.SetField(name, text); err != nil {
			return gate.Record{}, unavailable(err)
		}
	}
	r.Version = version
	return r, nil
}
