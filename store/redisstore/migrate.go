package redisstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// step brings a store from one schema to the next. It may be run again after it was cut off, and must find out what it
// has done.
type step func(ctx context.Context, s *Store) error

// steps bring a store to the schema of this program: the first makes schema 2 of schema 1, and so on.
func steps() []step { return nil }

// migrationTime is how long a migration holds its lock at most.
const migrationTime = 10 * time.Minute

var errMigrating = errors.New("another program brings the store to its schema: try again when it is done")

// migrate runs the steps that the store lacks, one program at a time. cg:meta moves last: until then a program that
// knows the new schema comes here again. Sentinels move before it, and from then on an older program is refused.
func (s *Store) migrate(ctx context.Context, from int, steps []step) error {
	key := leaseKey("migration")
	switch err := s.patient.SetArgs(ctx, key, "1", redis.SetArgs{Mode: "NX", TTL: migrationTime}).Err(); {
	case errors.Is(err, redis.Nil):
		return errMigrating
	case err != nil:
		return err
	}
	defer s.patient.Del(context.WithoutCancel(ctx), key) // else it runs out
	for i, run := range steps[from-1:] {
		if err := run(ctx, s); err != nil {
			return fmt.Errorf("from schema %d to %d: %w", from+i, from+i+1, err)
		}
	}
	reached := strconv.Itoa(len(steps) + 1)
	if err := pipe(ctx, s.patient, func(p redis.Pipeliner) {
		for sentinel := range sentinels() {
			p.SetXX(ctx, sentinel, reached, 0) // one that is missing stays so: its shard was emptied
		}
	}); err != nil {
		return err
	}
	if err := s.moveMarks(ctx, reached); err != nil {
		return err
	}
	return s.patient.HSet(ctx, metaKey, "schema", reached).Err()
}

// moveMarks moves the sentinel of the marks, where it stands.
func (s *Store) moveMarks(ctx context.Context, reached string) error {
	stands, err := s.patient.HExists(ctx, marksKey, marksSchema).Result()
	if err != nil || !stands {
		return err
	}
	return s.patient.HSet(ctx, marksKey, marksSchema, reached).Err()
}

// settle makes the schema that was found ours, or says why it cannot be.
func (s *Store) settle(ctx context.Context, found string) error {
	version, err := strconv.Atoi(found)
	if err != nil || version < 1 || version > len(steps()) {
		return wrongSchema(found)
	}
	return s.migrate(ctx, version, steps())
}
