package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// Meta implements [gate.Keeper].
func (s *Store) Meta(ctx context.Context) (gate.Meta, error) {
	s.locate()
	m, err := s.meta(ctx)
	if errors.Is(err, gate.ErrUninitialised) {
		return gate.Meta{}, fmt.Errorf("sqlite: %w: %s", gate.ErrUninitialised, s.path)
	}
	return m, s.unavailable(err)
}

func (s *Store) meta(ctx context.Context) (gate.Meta, error) {
	f, err := s.opened(ctx)
	if err != nil {
		return gate.Meta{}, err
	}
	m := gate.Meta{Schema: schema}
	var created int64
	err = f.read.QueryRowContext(ctx, "SELECT fingerprint, created FROM meta").Scan(&m.Fingerprint, &created)
	if errors.Is(err, sql.ErrNoRows) {
		return gate.Meta{}, gate.ErrUninitialised
	}
	if err != nil {
		return gate.Meta{}, err
	}
	m.Created = time.Unix(created, 0).UTC()
	if err := f.read.QueryRowContext(ctx, isUnfinished).Scan(&m.Unfinished); err != nil {
		return gate.Meta{}, err
	}
	if m.Unfinished {
		return m, gate.ErrUnfinished
	}
	return m, nil
}

// The mark of an unfinished copy is a table that stands: files of the first schema have no place for it.
const (
	isUnfinished  = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'unfinished_copy'"
	setUnfinished = "CREATE TABLE IF NOT EXISTS unfinished_copy (mark INTEGER) STRICT"
	setFinished   = "DROP TABLE IF EXISTS unfinished_copy"
)

// SetUnfinished implements [gate.Keeper].
func (s *Store) SetUnfinished(ctx context.Context, unfinished bool) error {
	text := setFinished
	if unfinished {
		text = setUnfinished
	}
	return s.write1(ctx, func(tx *transaction) error {
		_, err := tx.Exec(text)
		return err
	})
}

// Init implements [gate.Keeper]; the schema is this package's own, whatever m says. It makes the file, not its folder.
func (s *Store) Init(ctx context.Context, m gate.Meta) error {
	if err := ctx.Err(); err != nil {
		return s.unavailable(err)
	}
	if err := create(ctx, s.path, m); err != nil {
		return s.unavailable(err)
	}
	stands, err := s.Meta(ctx)
	if err != nil && (!m.Unfinished || !errors.Is(err, gate.ErrUnfinished)) {
		return err
	}
	if stands.Fingerprint != m.Fingerprint {
		return fmt.Errorf("sqlite: %s belongs to the id key with fingerprint %s, this id key has %s: use the key that "+
			"made the store (consentgate key import)", s.path, stands.Fingerprint, m.Fingerprint)
	}
	return nil
}

// Ping implements [gate.Keeper]: it takes the write lock and gives it back.
func (s *Store) Ping(ctx context.Context) error {
	return s.write1(ctx, func(*transaction) error { return nil })
}

// RememberStreams implements [gate.Keeper].
func (s *Store) RememberStreams(ctx context.Context, streams map[string]string) error {
	return s.write1(ctx, func(tx *transaction) error {
		for code, purpose := range streams {
			if _, err := tx.Exec("INSERT INTO streams (code, purpose) VALUES (?, ?) "+
				"ON CONFLICT DO UPDATE SET purpose = excluded.purpose", code, purpose); err != nil {
				return err
			}
		}
		return nil
	})
}

// Streams implements [gate.Keeper].
func (s *Store) Streams(ctx context.Context) (map[string]string, error) {
	streams := make(map[string]string)
	err := s.query(ctx, func(scan func(dest ...any) error) error {
		var code, purpose string
		err := scan(&code, &purpose)
		streams[code] = purpose
		return err
	}, "SELECT code, purpose FROM streams")
	return streams, err
}

// query reads all rows of a small answer.
func (s *Store) query(ctx context.Context, row func(scan func(dest ...any) error) error, text string, args ...any) error {
	f, err := s.opened(ctx)
	if err != nil {
		return err
	}
	rows, err := f.read.QueryContext(ctx, text, args...)
	if err != nil {
		return s.unavailable(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return s.unavailable(err)
		}
	}
	return s.unavailable(rows.Err())
}

// Notes implements [gate.Keeper]. What keeps records safe is set on every connection; only the journal mode is the
// file's own, and another program may have changed it.
func (s *Store) Notes(ctx context.Context) ([]string, error) {
	var notes []string
	err := s.query(ctx, func(scan func(dest ...any) error) error {
		var mode string
		if err := scan(&mode); err != nil {
			return err
		}
		if mode != "wal" {
			notes = append(notes, fmt.Sprintf("the store %s has journal_mode %s: set it to WAL, since lookups and writers "+
				"wait for each other otherwise", s.path, mode))
		}
		return nil
	}, "PRAGMA journal_mode")
	return notes, err
}
