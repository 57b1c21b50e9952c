package redisstore

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/consentgate/consentgate/gate"
)

// The keys of an erasure, in the slot of the log: the copy that takes its place, and the lease of whoever makes it.
const (
	copyKey  = "{" + blocksKey + "}:copy"
	eraseKey = "{" + blocksKey + "}:erase"
)

// eraseLease is how long making a copy may take; what an erasure that died leaves behind is gone after it.
const eraseLease = 10 * time.Minute

// replace puts the copy in the place of the log if nothing has arrived since it was made.
const replace = `if redis.call('GET', KEYS[3]) ~= ARGV[1] then return -1 end
if #redis.call('XRANGE', KEYS[1], '(' .. ARGV[2], '+', 'COUNT', 1) > 0 then return 0 end
redis.call('PERSIST', KEYS[2])
redis.call('RENAME', KEYS[2], KEYS[1])
redis.call('DEL', KEYS[3])
return 1`

// errLeaseLost: the copy took longer than its lease.
var errLeaseLost = errors.New("the copy of the blocked-send log took too long: erase again")

// EraseBlocks implements [gate.BlockEraser]. A deleted entry of a Redis stream stays in memory, and so in dumps, with
// its neighbours; so the log is copied without the address and the copy takes its place: for as long as that takes,
// the log needs its memory twice.
func (s *Store) EraseBlocks(ctx context.Context, id gate.ID) (int, error) {
	found, err := s.blocksToErase(ctx, id)
	if err != nil || !found {
		return 0, err
	}
	token := rand.Text()
	if err := s.leaseErase(ctx, token); err != nil {
		return 0, unavailable(err)
	}
	n, err := s.copyBlocks(ctx, id, token)
	if err != nil {
		s.patient.Del(context.WithoutCancel(ctx), copyKey, eraseKey) // or they end by themselves
		return 0, unavailable(err)
	}
	return n, nil
}

func (s *Store) blocksToErase(ctx context.Context, id gate.ID) (bool, error) {
	for e, err := range s.Blocks(ctx, gate.BlockQuery{Recipient: id}) {
		if err != nil {
			return false, err
		}
		if !e.Erased() {
			return true, nil
		}
	}
	return false, nil
}

// leaseErase waits until nobody else copies the log.
func (s *Store) leaseErase(ctx context.Context, token string) error {
	for round := 0; ; round++ {
		free, err := s.patient.SetNX(ctx, eraseKey, token, eraseLease).Result()
		if err != nil {
			return err
		}
		if free {
			return s.patient.Del(ctx, copyKey).Err()
		}
		if err := pause(ctx, max(round, 20)); err != nil {
			return err
		}
	}
}

// copyBlocks copies page by page until nothing is new, and returns how many entries lost the address.
func (s *Store) copyBlocks(ctx context.Context, id gate.ID, token string) (n int, err error) {
	for last := "0-0"; ; {
		page, err := s.patient.XRangeN(ctx, blocksKey, "("+last, "+", blockPage).Result()
		if err != nil {
			return n, err
		}
		if len(page) > 0 {
			erased, err := s.copyPage(ctx, id, page)
			if err != nil {
				return n, err
			}
			n, last = n+erased, page[len(page)-1].ID
			continue
		}
		done, err := s.patient.Eval(ctx, replace, []string{blocksKey, copyKey, eraseKey}, token, last).Int()
		switch {
		case err != nil:
			return n, err
		case done < 0:
			return n, errLeaseLost
		case done == 1:
			return n, nil
		}
	}
}

func (s *Store) copyPage(ctx context.Context, id gate.ID, page []redis.XMessage) (n int, err error) {
	for i := range page {
		erased, err := eraseMessage(page[i], id)
		if err != nil {
			return n, err
		}
		if erased {
			n++
		}
	}
	return n, pipe(ctx, s.patient, func(p redis.Pipeliner) {
		for _, m := range page {
			p.XAdd(ctx, &redis.XAddArgs{Stream: copyKey, ID: m.ID, Values: []any{blockField, m.Values[blockField]}})
		}
		p.PExpire(ctx, copyKey, eraseLease)
	})
}

// eraseMessage takes the address out of an entry that is the recipient's.
func eraseMessage(m redis.XMessage, id gate.ID) (bool, error) {
	text, _ := m.Values[blockField].(string)
	if !strings.Contains(text, id.String()) {
		return false, nil
	}
	var e gate.BlockEntry
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return false, fmt.Errorf("a block entry cannot be read: %w", err)
	}
	if e.RecipientID != id || e.Erased() {
		return false, nil
	}
	erased, err := json.Marshal(e.Erase())
	m.Values[blockField] = string(erased)
	return true, err
}
