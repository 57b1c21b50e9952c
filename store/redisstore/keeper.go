package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/consentgate/consentgate/gate"
)

// streamField begins the fields of cg:meta that hold stream code → purpose; unfinishedField stands in it while the store
// is an unfinished copy.
const (
	streamField     = "stream:"
	unfinishedField = "unfinished"
)

// errHalf explains a store without cg:meta that is not empty either.
var errHalf = errors.New(
	"cg:meta is missing while other parts of the store stand: the shard that held it was emptied (restore it, or run " +
		"consentgate store init --lost to start that shard again without what it held)")

// initialise writes who the store is unless that stands, and returns the fingerprint and schema that stand then, and whether the
// store is an unfinished copy.
const initialise = `if redis.call('HEXISTS', KEYS[1], 'fingerprint') == 0 then
  redis.call('HSET', KEYS[1], 'schema', ARGV[1], 'fingerprint', ARGV[2], 'created', ARGV[3])
  if ARGV[4] == '1' then redis.call('HSET', KEYS[1], 'unfinished', '1') end
end
return redis.call('HMGET', KEYS[1], 'fingerprint', 'schema', 'unfinished')`

// Meta implements [gate.Keeper].
func (s *Store) Meta(ctx context.Context) (gate.Meta, error) {
	fields, err := s.patient.HGetAll(ctx, metaKey).Result()
	if err != nil {
		return gate.Meta{}, unavailable(err)
	}
	if fields["fingerprint"] == "" {
		return gate.Meta{}, s.whyNoMeta(ctx)
	}
	if fields["schema"] != schema {
		if err := s.settle(ctx, fields["schema"]); err != nil {
			return gate.Meta{}, unavailable(err)
		}
	}
	created, err := strconv.ParseInt(fields["created"], 10, 64)
	if err != nil {
		return gate.Meta{}, unavailable(fmt.Errorf("cg:meta: field created: %w", err))
	}
	version, _ := strconv.Atoi(schema)
	m := gate.Meta{
		Schema: version, Fingerprint: fields["fingerprint"], Created: time.Unix(created, 0).UTC(),
		Unfinished: fields[unfinishedField] != "",
	}
	if m.Unfinished {
		return m, gate.ErrUnfinished
	}
	return m, nil
}

// SetUnfinished implements [gate.Keeper].
func (s *Store) SetUnfinished(ctx context.Context, unfinished bool) error {
	stands, err := s.patient.HExists(ctx, metaKey, "fingerprint").Result()
	switch {
	case err != nil:
		return unavailable(err)
	case !stands:
		return unavailable(gate.ErrUninitialised)
	case unfinished:
		return orUnavailable(s.patient.HSet(ctx, metaKey, unfinishedField, "1").Err())
	}
	return orUnavailable(s.patient.HDel(ctx, metaKey, unfinishedField).Err())
}

// whyNoMeta tells a store that is new or wholly emptied from one that lost a shard.
func (s *Store) whyNoMeta(ctx context.Context) error {
	found, err := s.countSentinels(ctx)
	switch {
	case err != nil:
		return unavailable(err)
	case found > 0:
		return unavailable(errHalf)
	}
	return fmt.Errorf("redis: %w", gate.ErrUninitialised)
}

// checkSentinels returns nil where every part of the store was initialised and stands.
func (s *Store) checkSentinels(ctx context.Context) error {
	found, err := s.countSentinels(ctx)
	switch {
	case err != nil:
		return unavailable(err)
	case found < sentinelCount:
		return unavailable(errEmptied)
	}
	return nil
}

func (s *Store) countSentinels(ctx context.Context) (found int64, err error) {
	var cmds []*redis.IntCmd
	err = pipe(ctx, s.patient, func(p redis.Pipeliner) {
		for key := range sentinels() {
			cmds = append(cmds, p.Exists(ctx, key))
		}
	})
	for _, c := range cmds {
		found += c.Val()
	}
	return found, err
}

// Init implements [gate.Keeper]; the schema is this package's own, whatever m says. Where a store of the same
// fingerprint stands, the sentinels that an interrupted Init or an emptied shard left missing are set again.
func (s *Store) Init(ctx context.Context, m gate.Meta) error {
	stands, err := s.patient.Eval(ctx, initialise, []string{metaKey}, schema, m.Fingerprint, m.Created.Unix(), m.Unfinished).Slice()
	if err != nil {
		return unavailable(err)
	}
	if stands[0] != m.Fingerprint {
		return fmt.Errorf("redis: the store belongs to the id key with fingerprint %v, this id key has %s: use the key "+
			"that made the store (consentgate key import)", stands[0], m.Fingerprint)
	}
	if stands[1] != schema {
		return unavailable(wrongSchema(fmt.Sprint(stands[1])))
	}
	if stands[2] != nil && !m.Unfinished {
		return gate.ErrUnfinished
	}
	return orUnavailable(pipe(ctx, s.patient, func(p redis.Pipeliner) {
		p.HSetNX(ctx, marksKey, marksSchema, schema)
		for key := range sentinels() {
			p.SetNX(ctx, key, schema, 0)
		}
	}))
}

// Ping implements [gate.Keeper]. Every master must answer, and a write that changes nothing must be taken: a replica,
// a full memory and a failing disk refuse it.
func (s *Store) Ping(ctx context.Context) error {
	masters, err := s.masters(ctx)
	if err != nil {
		return unavailable(err)
	}
	for _, m := range masters {
		if err := m.Ping(ctx).Err(); err != nil {
			return unavailable(err)
		}
	}
	err = s.patient.SetRange(ctx, ledgerKey("ping"), 0, "").Err()
	s.heed(err)
	return orUnavailable(err)
}

// RememberStreams implements [gate.Keeper].
func (s *Store) RememberStreams(ctx context.Context, streams map[string]string) error {
	if len(streams) == 0 {
		return nil
	}
	fields := make([]any, 0, 2*len(streams))
	for code, purpose := range streams {
		fields = append(fields, streamField+code, purpose)
	}
	return orUnavailable(s.patient.HSet(ctx, metaKey, fields...).Err())
}

// Streams implements [gate.Keeper].
func (s *Store) Streams(ctx context.Context) (map[string]string, error) {
	fields, err := s.patient.HGetAll(ctx, metaKey).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	streams := make(map[string]string)
	for name, purpose := range fields {
		if code, ok := strings.CutPrefix(name, streamField); ok {
			streams[code] = purpose
		}
	}
	return streams, nil
}

// settings are those that keep Redis from losing records.
var settings = []struct{ name, want, why string }{
	{"maxmemory-policy", "noeviction", "with any other value a full memory silently deletes consent records"},
	{"appendonly", "yes", "without it a restart loses every change since the last snapshot, withdrawals among them"},
}

// Notes implements [gate.Keeper]. Managed services often forbid CONFIG: then a sentence says what to check by hand.
func (s *Store) Notes(ctx context.Context) ([]string, error) {
	masters, err := s.masters(ctx)
	if err != nil {
		return nil, unavailable(err)
	}
	var notes []string
	for _, m := range masters {
		for _, want := range settings {
			got, err := m.ConfigGet(ctx, want.name).Result()
			var refused redis.Error
			switch {
			case errors.As(err, &refused):
				notes = append(notes, fmt.Sprintf("Redis does not let us read its setting %s: make sure that it is %s, since %s",
					want.name, want.want, want.why))
			case err != nil:
				return nil, unavailable(err)
			case got[want.name] != want.want:
				notes = append(notes, fmt.Sprintf("Redis has %s %s: set it to %s, since %s",
					want.name, got[want.name], want.want, want.why))
			}
		}
	}
	return notes, nil
}
