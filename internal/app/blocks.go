package app

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/journal"
)

// blockLog writes block entries to the local journal, from where ship brings them into the store.
type blockLog struct {
	journal *journal.Journal
	store   gate.BlockLog
	log     *slog.Logger
}

// Record appends the entries in one go; durable ones are on disk when it returns. It implements smtpproxy.BlockLog.
func (b *blockLog) Record(entries []gate.BlockEntry, durable bool) error {
	for i, e := range entries {
		rec, err := json.Marshal(e)
		if err != nil {
			return fmt.Errorf("block entry: %w", err)
		}
		// The journal is in order: once the last is on disk, all are.
		if err := b.journal.Append(rec, durable && i == len(entries)-1); err != nil {
			return fmt.Errorf("block journal: %w", err)
		}
	}
	return nil
}

// ship brings entries into the store until ctx ends; what the store misses meanwhile waits in the journal.
func (b *blockLog) ship(ctx context.Context) error {
	return b.journal.Ship(ctx, func(ctx context.Context, batch [][]byte) error {
		entries := make([]gate.BlockEntry, 0, len(batch))
		for _, rec := range batch {
			var e gate.BlockEntry
			if err := json.Unmarshal(rec, &e); err != nil {
				b.log.Error("block journal: unreadable entry left out", "err", err)
				continue
			}
			entries = append(entries, e)
		}
		return b.store.AppendBlocks(ctx, entries)
	})
}
