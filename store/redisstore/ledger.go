package redisstore

import (
	"context"
	_ "embed" // the scripts
	"errors"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

//go:embed enter.lua
var enterText string

//go:embed release.lua
var releaseText string

// ledger are the scripts of [gate.Ledger].
type ledger struct{ enter, release *redis.Script }

func newLedger() ledger {
	return ledger{enter: redis.NewScript(enterText), release: redis.NewScript(releaseText)}
}

// Enter implements [gate.Ledger]. Lease and members share a slot, so that one script answers for both.
func (s *Store) Enter(ctx context.Context, key, owner string, ttl time.Duration) ([]string, bool, error) {
	keys := []string{leaseKey(key), ledgerKey(key)}
	members, err := s.ledger.enter.Run(ctx, s.patient, keys, owner, ttl.Milliseconds()).StringSlice()
	switch {
	case errors.Is(err, redis.Nil):
		return nil, false, nil
	case err != nil:
		return nil, false, unavailable(err)
	}
	return members, true, nil
}

// Leave implements [gate.Ledger].
func (s *Store) Leave(ctx context.Context, key, owner string) error {
	_, err := s.release(ctx, key, owner, nil)
	return err
}

// release gives owner's lease back and removes members; left tells whether others are noted.
func (s *Store) release(ctx context.Context, key, owner string, members []string) (left bool, err error) {
	args := []any{owner}
	for _, m := range members {
		args = append(args, m)
	}
	left, err = s.ledger.release.Run(ctx, s.patient, []string{leaseKey(key), ledgerKey(key)}, args...).Bool()
	return left, orUnavailable(err)
}

// Note implements [gate.Ledger]. The key is open before anything is noted under it: a gate that looks too early takes
// care for nothing, one that looked too late would send twice.
func (s *Store) Note(ctx context.Context, key string, members []string, ttl time.Duration) error {
	if err := s.setOpen(ctx, key, ttl); err != nil {
		return unavailable(err)
	}
	_, err := s.patient.TxPipelined(ctx, func(p redis.Pipeliner) error {
		if len(members) > 0 {
			p.SAdd(ctx, ledgerKey(key), members)
		}
		p.PExpire(ctx, ledgerKey(key), ttl)
		return nil
	})
	return orUnavailable(err)
}

// setOpen counts key among those with members until ttl has passed, and drops those whose time has.
func (s *Store) setOpen(ctx context.Context, key string, ttl time.Duration) error {
	now := time.Now()
	_, err := s.patient.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.ZRemRangeByScore(ctx, openKey, "-inf", milliseconds(now))
		p.ZAdd(ctx, openKey, redis.Z{Score: float64(now.Add(ttl).UnixMilli()), Member: key})
		return nil
	})
	return err
}

// Forget implements [gate.Ledger].
func (s *Store) Forget(ctx context.Context, key, owner string, members []string) error {
	left, err := s.release(ctx, key, owner, members)
	if err != nil || left {
		return err
	}
	return orUnavailable(s.patient.ZRem(ctx, openKey, key).Err())
}

// Open implements [gate.Ledger].
func (s *Store) Open(ctx context.Context) (bool, error) {
	n, err := s.patient.ZCount(ctx, openKey, "("+milliseconds(time.Now()), "+inf").Result()
	return n > 0, orUnavailable(err)
}

func milliseconds(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
