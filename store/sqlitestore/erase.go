package sqlitestore

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// errWAL: what was erased still stands in the write-ahead log.
var errWAL = errors.New("the address is erased from the store but not yet from its -wal file, since somebody is reading: erase again")

// walWait is how long the write-ahead log may take to be emptied.
const walWait = 5 * time.Second

// EraseBlocks implements [gate.BlockEraser]. SQLite zeroes what is deleted (secure_delete); older versions of pages
// stand in the write-ahead log until that is emptied, which is the last step.
func (s *Store) EraseBlocks(ctx context.Context, id gate.ID) (int, error) {
	entries, err := s.blocksToErase(ctx, id)
	if err != nil {
		return 0, err
	}
	if _, err = s.write(ctx, len(entries), func(tx *transaction, i int) error {
		text, err := json.Marshal(entries[i].Erase())
		if err != nil {
			return err
		}
		_, err = tx.Exec("UPDATE blocks SET entry = ? WHERE id = ?", string(text), entries[i].ID)
		return err
	}); err != nil {
		return 0, err
	}
	return len(entries), s.emptyWAL(ctx)
}

func (s *Store) blocksToErase(ctx context.Context, id gate.ID) (entries []gate.BlockEntry, err error) {
	for e, err := range s.Blocks(ctx, gate.BlockQuery{Recipient: id}) {
		if err != nil {
			return nil, err
		}
		if !e.Erased() {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// emptyWAL moves the write-ahead log into the file and cuts it to nothing; readers of older pages are waited for.
func (s *Store) emptyWAL(ctx context.Context) error {
	f, err := s.opened(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := withDefaultTimeout(ctx, walWait)
	defer cancel()
	for {
		var busy, frames, moved int
		err := f.write.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &moved)
		if err == nil && busy == 0 {
			return nil
		}
		if err != nil && !isBusy(err) {
			return s.unavailable(err)
		}
		if rest(ctx) != nil {
			return s.unavailable(errWAL)
		}
	}
}
