package sqlitestore

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"strings"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// blockPage is how many entries a query reads at a time; it holds no transaction while its caller works.
const blockPage = 500

// AppendBlocks implements [gate.BlockLog].
func (s *Store) AppendBlocks(ctx context.Context, entries []gate.BlockEntry) error {
	if len(entries) == 0 {
		return nil
	}
	_, err := s.write(ctx, len(entries), func(tx *transaction, i int) error {
		if err := tx.appendBlock(entries[i]); err != nil || i < len(entries)-1 {
			return err
		}
		_, err := tx.Exec("DELETE FROM blocks WHERE seq <= (SELECT max(seq) FROM blocks) - ?", s.entries)
		return err
	})
	return err
}

// appendBlock adds an entry unless it is known.
func (tx *transaction) appendBlock(e gate.BlockEntry) error {
	text, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("block entry %s: %w", e.ID, err)
	}
	_, err = tx.do.addBlock.Exec(e.ID, e.Time.UnixMicro(), e.RecipientID[:], string(text))
	return err
}

// place is where a page of entries ended.
type place struct {
	time int64
	id   string
}

// Blocks implements [gate.BlockLog].
func (s *Store) Blocks(ctx context.Context, q gate.BlockQuery) iter.Seq2[gate.BlockEntry, error] {
	return func(yield func(gate.BlockEntry, error) bool) {
		before, n := &place{time: math.MaxInt64}, 0
		for before != nil {
			var page []gate.BlockEntry
			var err error
			if page, before, err = s.blocksBefore(ctx, q, *before); err != nil {
				yield(gate.BlockEntry{}, err)
				return
			}
			for _, e := range page {
				if !q.Matches(e) {
					continue
				}
				if n++; !yield(e, nil) || n == q.Limit {
					return
				}
			}
		}
	}
}

// blocksBefore returns the next entries in descending order that the indices find for q, and where they end; nil
// where they are the last.
func (s *Store) blocksBefore(ctx context.Context, q gate.BlockQuery, before place) ([]gate.BlockEntry, *place, error) {
	where, args := []string{"(time, id) < (?, ?)"}, []any{before.time, before.id}
	if !q.Since.IsZero() {
		where, args = append(where, "time >= ?"), append(args, q.Since.UnixMicro())
	}
	if !q.Until.IsZero() {
		where, args = append(where, "time <= ?"), append(args, q.Until.UnixMicro())
	}
	if !q.Recipient.IsZero() {
		where, args = append(where, "recipient = ?"), append(args, q.Recipient[:])
	}
	text := "SELECT entry FROM blocks WHERE " + strings.Join(where, " AND ") + " ORDER BY time DESC, id DESC LIMIT ?"
	page := make([]gate.BlockEntry, 0, blockPage)
	err := s.query(ctx, func(scan func(dest ...any) error) error {
		var entry []byte
		if err := scan(&entry); err != nil {
			return err
		}
		page = append(page, gate.BlockEntry{})
		return json.Unmarshal(entry, &page[len(page)-1])
	}, text, append(args, blockPage)...)
	if err != nil || len(page) < blockPage {
		return page, nil, err
	}
	last := page[len(page)-1]
	return page, &place{time: last.Time.UnixMicro(), id: last.ID}, nil
}

// AddCounts implements [gate.Counters].
func (s *Store) AddCounts(ctx context.Context, day time.Time, counts map[string]int64) error {
	return s.write1(ctx, func(tx *transaction) error {
		for name, n := range counts {
			if _, err := tx.Exec("INSERT INTO counts (day, name, n) VALUES (?, ?, ?) "+
				"ON CONFLICT DO UPDATE SET n = n + excluded.n", dayText(day), name, n); err != nil {
				return err
			}
		}
		return nil
	})
}

func dayText(t time.Time) string { return t.UTC().Format(time.DateOnly) }

// Counts implements [gate.Counters].
func (s *Store) Counts(ctx context.Context, from, to time.Time) (map[string]map[string]int64, error) {
	out := make(map[string]map[string]int64)
	err := s.query(ctx, func(scan func(dest ...any) error) error {
		var day, name string
		var n int64
		if err := scan(&day, &name, &n); err != nil {
			return err
		}
		if out[day] == nil {
			out[day] = make(map[string]int64)
		}
		out[day][name] = n
		return nil
	}, "SELECT day, name, n FROM counts WHERE day BETWEEN ? AND ?", dayText(from), dayText(to))
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Enter implements [gate.Ledger].
func (s *Store) Enter(ctx context.Context, key, owner string, ttl time.Duration) ([]string, bool, error) {
	free, err := s.lease(ctx, key, owner, ttl)
	if err != nil || !free {
		return nil, false, err
	}
	var members []string
	err = s.query(ctx, func(scan func(dest ...any) error) error {
		var member string
		err := scan(&member)
		members = append(members, member)
		return err
	}, "SELECT member FROM ledger WHERE key = ? AND expires > ?", key, s.now().UnixMilli())
	return members, err == nil, err
}

func (s *Store) lease(ctx context.Context, key, owner string, ttl time.Duration) (bool, error) {
	now := s.now()
	taken := false // written by the step, read only where it was committed
	err := s.write1(ctx, func(tx *transaction) error {
		if _, err := tx.Exec("DELETE FROM leases WHERE expires <= ?", now.UnixMilli()); err != nil {
			return err
		}
		res, err := tx.Exec("INSERT INTO leases (key, owner, expires) VALUES (?, ?, ?) "+
			"ON CONFLICT DO UPDATE SET expires = excluded.expires WHERE owner = excluded.owner",
			key, owner, now.Add(ttl).UnixMilli())
		if err != nil {
			return err
		}
		n, err := res.RowsAffected()
		taken = n == 1
		return err
	})
	return err == nil && taken, err
}

// Leave implements [gate.Ledger].
func (s *Store) Leave(ctx context.Context, key, owner string) error {
	return s.write1(ctx, func(tx *transaction) error { return tx.release(key, owner) })
}

// release ends owner's lease.
func (tx *transaction) release(key, owner string) error {
	_, err := tx.Exec("DELETE FROM leases WHERE key = ? AND owner = ?", key, owner)
	return err
}

// Note implements [gate.Ledger].
func (s *Store) Note(ctx context.Context, key string, members []string, ttl time.Duration) error {
	now := s.now()
	expires := now.Add(ttl).UnixMilli()
	return s.write1(ctx, func(tx *transaction) error {
		if _, err := tx.Exec("DELETE FROM ledger WHERE expires <= ?", now.UnixMilli()); err != nil {
			return err
		}
		for _, member := range members {
			if _, err := tx.Exec("INSERT INTO ledger (key, member, expires) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
				key, member, expires); err != nil {
				return err
			}
		}
		_, err := tx.Exec("UPDATE ledger SET expires = (SELECT MAX(expires) FROM ledger WHERE key = ?1) WHERE key = ?1", key)
		return err
	})
}

// Forget implements [gate.Ledger].
func (s *Store) Forget(ctx context.Context, key, owner string, members []string) error {
	return s.write1(ctx, func(tx *transaction) error {
		for _, member := range members {
			if _, err := tx.Exec("DELETE FROM ledger WHERE key = ? AND member = ?", key, member); err != nil {
				return err
			}
		}
		return tx.release(key, owner)
	})
}

// Open implements [gate.Ledger].
func (s *Store) Open(ctx context.Context) (open bool, err error) {
	err = s.query(ctx, func(scan func(dest ...any) error) error { return scan(&open) },
		"SELECT EXISTS (SELECT 1 FROM ledger WHERE expires > ?)", s.now().UnixMilli())
	return open, err
}
