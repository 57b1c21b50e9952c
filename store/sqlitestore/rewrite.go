package sqlitestore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// trimStep is how many block entries go in one step of a transaction: few enough to keep the lock short.
const trimStep = 100

// Rewrite implements [gate.Rewriter].
func (s *Store) Rewrite(ctx context.Context, rewrites []gate.Rewrite) []error {
	answers := make([]error, len(rewrites))
	done, err := s.write(ctx, len(rewrites), func(tx *transaction, i int) error {
		answers[i] = nil
		err := tx.rewrite(rewrites[i])
		if errors.Is(err, gate.ErrChanged) {
			answers[i], err = err, nil // concerns nobody else in this transaction
		}
		return err
	})
	if err == nil {
		return answers
	}
	out := make([]error, len(rewrites)) // a batch may still write to answers
	copy(out, answers[:done])
	for i := range out[done:] {
		out[done+i] = err
	}
	return out
}

func (tx *transaction) rewrite(r gate.Rewrite) error {
	p := r.Person
	var version uint64
	var sealed string
	err := tx.do.record.QueryRow(p.ID[:]).Scan(&version, &sealed)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if version != r.Was {
		return gate.ErrChanged
	}
	if p.Record.Version < uint64(len(p.Events)) {
		return fmt.Errorf("rewrite: version %d of a record with %d events", p.Record.Version, len(p.Events))
	}
	if _, err := tx.Exec("DELETE FROM events WHERE recipient = ?", p.ID[:]); err != nil {
		return err
	}
	if len(p.Events) == 0 {
		_, err := tx.Exec("DELETE FROM records WHERE id = ?", p.ID[:])
		return err
	}
	return tx.setPerson(p)
}

// setPerson writes a recipient of whom no events stand.
func (tx *transaction) setPerson(p gate.Person) error {
	first := p.Record.Version - uint64(len(p.Events)) + 1
	for i, e := range p.Events {
		e.Recipient = ""
		text, err := json.Marshal(e)
		if err != nil {
			return err
		}
		if _, err := tx.do.addEvent.Exec(p.ID[:], first+uint64(i), string(text)); err != nil {
			return err
		}
	}
	fields, err := json.Marshal(p.Record.Fields())
	if err != nil {
		return err
	}
	_, err = tx.do.setRecord.Exec(p.ID[:], p.Record.Version, string(fields), p.Sealed)
	return err
}

// TrimBlocks implements [gate.BlockTrimmer].
func (s *Store) TrimBlocks(ctx context.Context, before time.Time) (removed int, err error) {
	for {
		n := 0
		err := s.write1(ctx, func(tx *transaction) error {
			res, err := tx.Exec("DELETE FROM blocks WHERE seq IN (SELECT seq FROM blocks WHERE time < ? ORDER BY time LIMIT ?)",
				before.UnixMicro(), trimStep)
			if err != nil {
				return err
			}
			gone, err := res.RowsAffected()
			n = int(gone)
			return err
		})
		if err != nil {
			return removed, err
		}
		if removed += n; n < trimStep {
			return removed, nil
		}
		if err := rest(ctx); err != nil {
			return removed, s.unavailable(err)
		}
	}
}
