package redisstore

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/consentgate/consentgate/gate"
)

const (
	blockField = "e"  // of a stream entry: the block entry as JSON
	blockPage  = 500  // entries read or written in one trip
	dayPage    = 1000 // days of counters read in one trip
)

// clockSlack is how far the clocks of a gate and of Redis may differ before a query by time could miss an entry.
const clockSlack = time.Hour

// AppendBlocks implements [gate.BlockLog]. Entries that come twice are written twice and read once.
func (s *Store) AppendBlocks(ctx context.Context, entries []gate.BlockEntry) error {
	for len(entries) > 0 {
		n := min(len(entries), blockPage)
		if err := s.appendPage(ctx, entries[:n]); err != nil {
			return err
		}
		entries = entries[n:]
	}
	return nil
}

func (s *Store) appendPage(ctx context.Context, entries []gate.BlockEntry) error {
	texts := make([][]byte, len(entries))
	for i, e := range entries {
		var err error
		if texts[i], err = json.Marshal(e); err != nil {
			return fmt.Errorf("block entry %s: %w", e.ID, err)
		}
	}
	return orUnavailable(pipe(ctx, s.patient, func(p redis.Pipeliner) {
		for _, text := range texts {
			p.XAdd(ctx, &redis.XAddArgs{
				Stream: blocksKey, MaxLen: s.entries, Approx: true, Values: []any{blockField, text},
			})
		}
	}))
}

// Blocks implements [gate.BlockLog]. Newest first is the order in which entries reached Redis: those of a gate that
// was cut off for a while stand where they arrived. It remembers the ids it has yielded, to yield each once.
func (s *Store) Blocks(ctx context.Context, q gate.BlockQuery) iter.Seq2[gate.BlockEntry, error] {
	return func(yield func(gate.BlockEntry, error) bool) {
		yielded := make(map[string]struct{})
		for text, err := range s.blockTexts(ctx, q) {
			e, err := matching(q, text, err)
			if err != nil {
				yield(gate.BlockEntry{}, err)
				return
			}
			if e == nil {
				continue
			}
			if _, twice := yielded[e.ID]; twice {
				continue
			}
			yielded[e.ID] = struct{}{}
			if !yield(*e, nil) || len(yielded) == q.Limit {
				return
			}
		}
	}
}

// matching reads an entry; nil where q does not select it.
func matching(q gate.BlockQuery, text string, err error) (*gate.BlockEntry, error) {
	if err != nil {
		return nil, unavailable(err)
	}
	if !q.Recipient.IsZero() && !strings.Contains(text, q.Recipient.String()) {
		return nil, nil // saves reading the JSON of everybody else's
	}
	var e gate.BlockEntry
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		return nil, unavailable(fmt.Errorf("a block entry cannot be read: %w", err))
	}
	if !q.Matches(e) {
		return nil, nil
	}
	return &e, nil
}

// blockTexts yields the entries from the last to the first that q can select. An entry arrives after its own time, so
// Since bounds the walk and Until does not.
func (s *Store) blockTexts(ctx context.Context, q gate.BlockQuery) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		from, first := "+", "-"
		if !q.Since.IsZero() {
			first = strconv.FormatInt(max(0, q.Since.Add(-clockSlack).UnixMilli()), 10)
		}
		for {
			page, err := s.patient.XRevRangeN(ctx, blocksKey, from, first, blockPage).Result()
			if err != nil {
				yield("", err)
				return
			}
			for _, m := range page {
				text, _ := m.Values[blockField].(string)
				if !yield(text, nil) {
					return
				}
			}
			if len(page) < blockPage {
				return
			}
			from = "(" + page[len(page)-1].ID
		}
	}
}

// AddCounts implements [gate.Counters].
func (s *Store) AddCounts(ctx context.Context, day time.Time, counts map[string]int64) error {
	if len(counts) == 0 {
		return nil
	}
	key := countKey(day)
	_, err := s.patient.TxPipelined(ctx, func(p redis.Pipeliner) error {
		for name, n := range counts {
			p.HIncrBy(ctx, key, name, n)
		}
		return nil
	})
	return orUnavailable(err)
}

// Counts implements [gate.Counters]; it asks for every day of the range.
func (s *Store) Counts(ctx context.Context, from, to time.Time) (map[string]map[string]int64, error) {
	out := make(map[string]map[string]int64)
	day, last := midnight(from), midnight(to)
	for !day.After(last) {
		end := day.AddDate(0, 0, dayPage-1)
		if end.After(last) {
			end = last
		}
		if err := s.countsInto(ctx, out, day, end); err != nil {
			return nil, unavailable(err)
		}
		day = end.AddDate(0, 0, 1)
	}
	return out, nil
}

func midnight(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }

// countsInto reads the days from first to last in one trip.
func (s *Store) countsInto(ctx context.Context, out map[string]map[string]int64, first, last time.Time) error {
	cmds := make(map[string]*redis.MapStringStringCmd)
	err := pipe(ctx, s.patient, func(p redis.Pipeliner) {
		for day := first; !day.After(last); day = day.AddDate(0, 0, 1) {
			cmds[day.Format(time.DateOnly)] = p.HGetAll(ctx, countKey(day))
		}
	})
	if err != nil {
		return err
	}
	for day, cmd := range cmds {
		if len(cmd.Val()) == 0 {
			continue
		}
		out[day] = make(map[string]int64, len(cmd.Val()))
		for name, text := range cmd.Val() {
			if out[day][name], err = strconv.ParseInt(text, 10, 64); err != nil {
				return fmt.Errorf("counter %s of %s: %w", name, day, err)
			}
		}
	}
	return nil
}
