package redisstore

import (
	"context"
	"time"
)

// Clock is the time by the server's clock; of several masters, by the one that is furthest from ours.
func (s *Store) Clock(ctx context.Context) (time.Time, error) {
	masters, err := s.masters(ctx)
	if err != nil {
		return time.Time{}, unavailable(err)
	}
	var furthest time.Time
	var most time.Duration
	for _, m := range masters {
		at, err := m.Time(ctx).Result()
		if err != nil {
			return time.Time{}, unavailable(err)
		}
		if off := time.Since(at).Abs(); furthest.IsZero() || off > most {
			furthest, most = at, off
		}
	}
	return furthest, nil
}
