package redisstore

import (
	"context"
	"iter"

	"github.com/redis/go-redis/v9"

	"github.com/consentgate/consentgate/gate"
)

// auditKey is the audit log: a list, an entry an item.
const auditKey = "cg:audit"

const auditPage = 500 // entries read in one trip

// appendAct adds an entry if the last one is still that which the new one was chained to.
const appendAct = `if (redis.call('LINDEX', KEYS[1], -1) or '') ~= ARGV[1] then return 0 end
redis.call('RPUSH', KEYS[1], ARGV[2])
return 1`

// AppendAct implements [gate.Trail].
func (s *Store) AppendAct(ctx context.Context, a gate.Act) (gate.AuditEntry, error) {
	for round := range maxRounds {
		head, text, err := s.auditHead(ctx)
		if err != nil {
			return gate.AuditEntry{}, unavailable(err)
		}
		next := head.Next(a)
		done, err := s.patient.Eval(ctx, appendAct, []string{auditKey}, text, next.Text()).Int()
		if err != nil {
			return gate.AuditEntry{}, unavailable(err)
		}
		if done == 1 {
			return next, nil
		}
		if err := pause(ctx, round); err != nil {
			return gate.AuditEntry{}, unavailable(err)
		}
	}
	return gate.AuditEntry{}, unavailable(errContended)
}

// auditHead returns the last entry and its text; the zero entry where there is none.
func (s *Store) auditHead(ctx context.Context) (gate.AuditEntry, string, error) {
	var length *redis.IntCmd
	var last *redis.StringSliceCmd
	_, err := s.patient.TxPipelined(ctx, func(p redis.Pipeliner) error {
		length, last = p.LLen(ctx, auditKey), p.LRange(ctx, auditKey, -1, -1)
		return nil
	})
	if err != nil || len(last.Val()) == 0 {
		return gate.AuditEntry{}, "", err
	}
	text := last.Val()[0]
	return gate.ReadAuditEntry(uint64(length.Val()), text), text, nil
}

// Acts implements [gate.Trail].
func (s *Store) Acts(ctx context.Context, from uint64) iter.Seq2[gate.AuditEntry, error] {
	return func(yield func(gate.AuditEntry, error) bool) {
		for at := int64(max(from, 1)) - 1; ; at += auditPage {
			page, err := s.patient.LRange(ctx, auditKey, at, at+auditPage-1).Result()
			if err != nil {
				yield(gate.AuditEntry{}, unavailable(err))
				return
			}
			for i, text := range page {
				if !yield(gate.ReadAuditEntry(uint64(at)+uint64(i)+1, text), nil) {
					return
				}
			}
			if len(page) < auditPage {
				return
			}
		}
	}
}
