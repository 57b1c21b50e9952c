package redisstore

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/consentgate/consentgate/gate"
)

// The inbox is a stream with one consumer group, whose consumers are the gates; rejects are a stream beside it.
const (
	inboxKey   = "cg:in"
	rejectsKey = "cg:rej"
	inboxGroup = "gates"
	inboxField = "event"
	keptReject = 10_000
	// inboxIdle is after what time an arrival that one gate was handed goes to another.
	inboxIdle = 10 * time.Second
)

var _ gate.Inbox = (*Store)(nil)

// Arrivals implements [gate.Inbox]. It leaves no key behind where nothing ever arrived.
func (s *Store) Arrivals(ctx context.Context, reader string, n int) ([]gate.Arrival, error) {
	arrivals, err := s.arrivals(ctx, reader, n)
	if !redis.HasErrorPrefix(err, "NOGROUP") {
		return arrivals, orUnavailable(err)
	}
	err = s.patient.XGroupCreate(ctx, inboxKey, inboxGroup, "0").Err()
	switch {
	case redis.HasErrorPrefix(err, "The XGROUP"): // no such stream: nobody has written to it
		return nil, nil
	case err != nil && !redis.HasErrorPrefix(err, "BUSYGROUP"):
		return nil, unavailable(err)
	}
	arrivals, err = s.arrivals(ctx, reader, n)
	return arrivals, orUnavailable(err)
}

// arrivals asks in one trip for what others have left lying and for what is new.
func (s *Store) arrivals(ctx context.Context, reader string, n int) ([]gate.Arrival, error) {
	var left *redis.XAutoClaimCmd
	var fresh *redis.XStreamSliceCmd
	err := pipe(ctx, s.patient, func(p redis.Pipeliner) {
		left = p.XAutoClaim(ctx, &redis.XAutoClaimArgs{
			Stream: inboxKey, Group: inboxGroup, Consumer: reader, MinIdle: inboxIdle, Start: "0", Count: int64(n),
		})
		fresh = p.XReadGroup(ctx, &redis.XReadGroupArgs{
			Group: inboxGroup, Consumer: reader, Streams: []string{inboxKey, ">"}, Count: int64(n), Block: -1,
		})
	})
	if err != nil {
		return nil, err
	}
	messages, _ := left.Val()
	for _, stream := range fresh.Val() {
		messages = append(messages, stream.Messages...)
	}
	arrivals := make([]gate.Arrival, len(messages))
	for i, m := range messages {
		text, _ := m.Values[inboxField].(string)
		arrivals[i] = gate.Arrival{Entry: m.ID, Event: text}
	}
	return arrivals, nil
}

// Settle implements [gate.Inbox]. Rejects come first: should it end in between, they are written twice rather than lost.
func (s *Store) Settle(ctx context.Context, entries []string, rejects []gate.Reject) error {
	if len(entries) == 0 {
		return nil
	}
	texts := make([][]byte, len(rejects))
	for i, r := range rejects {
		var err error
		if texts[i], err = json.Marshal(r); err != nil {
			return fmt.Errorf("reject of %s: %w", r.Entry, err)
		}
	}
	if len(texts) > 0 {
		err := pipe(ctx, s.patient, func(p redis.Pipeliner) {
			for _, text := range texts {
				p.XAdd(ctx, &redis.XAddArgs{Stream: rejectsKey, MaxLen: keptReject, Approx: true, Values: []any{"reject", text}})
			}
		})
		if err != nil {
			return unavailable(err)
		}
	}
	_, err := s.patient.TxPipelined(ctx, func(p redis.Pipeliner) error {
		p.XAck(ctx, inboxKey, inboxGroup, entries...)
		p.XDel(ctx, inboxKey, entries...)
		return nil
	})
	return orUnavailable(err)
}

// Rejects implements [gate.Inbox].
func (s *Store) Rejects(ctx context.Context) iter.Seq2[gate.Reject, error] {
	return func(yield func(gate.Reject, error) bool) {
		for from := "+"; from != ""; {
			page, err := s.patient.XRevRangeN(ctx, rejectsKey, from, "-", blockPage).Result()
			if err != nil {
				yield(gate.Reject{}, unavailable(err))
				return
			}
			for _, m := range page {
				text, _ := m.Values["reject"].(string)
				var r gate.Reject
				if err := json.Unmarshal([]byte(text), &r); err != nil {
					yield(r, unavailable(fmt.Errorf("entry %s of %s cannot be read: %w", m.ID, rejectsKey, err)))
					return
				}
				if !yield(r, nil) {
					return
				}
			}
			from = ""
			if len(page) == blockPage {
				from = "(" + page[len(page)-1].ID
			}
		}
	}
}
