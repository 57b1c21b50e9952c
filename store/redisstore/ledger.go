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

//go:embed note.lua
var noteText string

//go:embed open.lua
var openText string

//go:embed close.lua
var closeText string

// ledger are the scripts of [gate.Ledger].
type ledger struct{ enter, release, note, open, close *redis.Script }

func newLedger() ledger {
	return ledger{
		enter: redis.NewScript(enterText), release: redis.NewScript(releaseText), note: redis.NewScript(noteText),
		open: redis.NewScript(openText), close: redis.NewScript(closeText),
	}
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
// care for nothing, one that looked too late would send twice. It is opened again afterwards, since whoever forgot the
// last of the others meanwhile may have closed it.
func (s *Store) Note(ctx context.Context, key string, members []string, ttl time.Duration) error {
	if err := s.setOpen(ctx, key, ttl); err != nil {
		return err
	}
	args := []any{ttl.Milliseconds()}
	for _, m := range members {
		args = append(args, m)
	}
	if err := s.ledger.note.Run(ctx, s.patient, []string{ledgerKey(key)}, args...).Err(); err != nil {
		return unavailable(err)
	}
	return s.setOpen(ctx, key, ttl)
}

// setOpen counts key among those with members until ttl has passed, or later where that stands, and drops those whose
// time has.
func (s *Store) setOpen(ctx context.Context, key string, ttl time.Duration) error {
	now := time.Now()
	return orUnavailable(s.ledger.open.Run(ctx, s.patient, []string{openKey}, milliseconds(now), milliseconds(now.Add(ttl)), key).Err())
}

// Forget implements [gate.Ledger]. Members and the set of open keys are in different slots of a Cluster, so no script
// sees both: the key is closed only if nobody has opened it since before its members were counted.
func (s *Store) Forget(ctx context.Context, key, owner string, members []string) error {
	mark, err := s.patient.ZScore(ctx, openKey, key).Result()
	closed := errors.Is(err, redis.Nil)
	if err != nil && !closed {
		return unavailable(err)
	}
	left, err := s.release(ctx, key, owner, members)
	if err != nil || left || closed {
		return err
	}
	seen := strconv.FormatFloat(mark, 'f', -1, 64)
	return orUnavailable(s.ledger.close.Run(ctx, s.patient, []string{openKey}, key, seen).Err())
}

// Open implements [gate.Ledger].
func (s *Store) Open(ctx context.Context) (bool, error) {
	n, err := s.patient.ZCount(ctx, openKey, "("+milliseconds(time.Now()), "+inf").Result()
	return n > 0, orUnavailable(err)
}

func milliseconds(t time.Time) string { return strconv.FormatInt(t.UnixMilli(), 10) }
