package sqlitestore

import (
	"context"
	"database/sql"
	_ "embed" // the schema
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"runtime"

	_ "modernc.org/sqlite" // the driver

	"github.com/consentgate/consentgate/gate"
)

// schema is the layout that this package reads and writes; PRAGMA user_version holds it.
const schema = 1

//go:embed schema.sql
var schemaText string

// What every connection is set to. busy_timeout is short: waiting longer is done in Go, where the context is heard.
// secure_delete overwrites what is removed, since an erased address that a file still holds is not erased.
const (
	readPragmas  = "_pragma=busy_timeout(100)&_pragma=query_only(1)"
	writePragmas = "_pragma=busy_timeout(20)&_pragma=synchronous(FULL)&_pragma=secure_delete(1)&_txlock=immediate"
)

// file is the open database: many connections that read, one that writes.
type file struct {
	read, write                  *sql.DB
	initialised, record, records *sql.Stmt // of read
	writes                       writes    // of write
	info                         fs.FileInfo
}

// writes are the prepared statements of the frequent writes.
type writes struct {
	initialised, record, events, addEvent, setRecord, addBlock *sql.Stmt
}

// openFile opens a file that stands and holds our schema.
func openFile(ctx context.Context, path string) (*file, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, gate.ErrUninitialised
	}
	if err != nil {
		return nil, err
	}
	f, err := connect(path)
	if err != nil {
		return nil, err
	}
	f.info = info
	if err := f.prepare(ctx); err != nil {
		return nil, errors.Join(err, f.close())
	}
	return f, nil
}

// connect makes the two pools; mode=rw keeps SQLite from creating a file.
func connect(path string) (*file, error) {
	read, err := sql.Open("sqlite", dataSource(path, readPragmas))
	if err != nil {
		return nil, err
	}
	write, err := sql.Open("sqlite", dataSource(path, writePragmas))
	if err != nil {
		return nil, errors.Join(err, read.Close())
	}
	readers := 2 * runtime.GOMAXPROCS(0)
	read.SetMaxOpenConns(readers)
	read.SetMaxIdleConns(readers)
	write.SetMaxOpenConns(1)
	return &file{read: read, write: write}, nil
}

func dataSource(path, pragmas string) string {
	u := url.URL{Scheme: "file", Path: path, RawQuery: "mode=rw&" + pragmas}
	return u.String()
}

func (f *file) close() error { return errors.Join(f.read.Close(), f.write.Close()) }

// prepare checks the schema and prepares the statements.
func (f *file) prepare(ctx context.Context) error {
	var version int
	if err := f.read.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	switch {
	case version == 0:
		return gate.ErrUninitialised
	case version < 0, version > schema:
		return wrongSchema(version)
	case version < schema:
		if err := f.migrate(ctx, steps()); err != nil {
			return err
		}
	}
	w := &f.writes
	for _, p := range []struct {
		db   *sql.DB
		stmt **sql.Stmt
		text string
	}{
		{f.read, &f.initialised, "SELECT count(*) FROM meta"},
		{f.read, &f.record, "SELECT version, fields FROM records WHERE id = ?"},
		{f.read, &f.records, "SELECT key, version, fields FROM json_each(?) " +
			"CROSS JOIN records ON records.id = unhex(value)"}, // CROSS: in this order, by the key of records
		{f.write, &w.initialised, "SELECT count(*) FROM meta"},
		{f.write, &w.record, "SELECT version, sealed FROM records WHERE id = ?"},
		{f.write, &w.events, "SELECT event FROM events WHERE recipient = ? ORDER BY version"},
		{f.write, &w.addEvent, "INSERT INTO events (recipient, version, event) VALUES (?, ?, ?)"},
		{f.write, &w.setRecord, "INSERT INTO records (id, version, fields, sealed) VALUES (?, ?, ?, ?) " +
			"ON CONFLICT DO UPDATE SET version = excluded.version, fields = excluded.fields, sealed = excluded.sealed"},
		{f.write, &w.addBlock, "INSERT INTO blocks (id, time, recipient, entry) VALUES (?, ?, ?, ?) " +
			"ON CONFLICT (id) DO NOTHING"},
	} {
		var err error
		if *p.stmt, err = p.db.PrepareContext(ctx, p.text); err != nil {
			return err
		}
	}
	return nil
}

func wrongSchema(got int) error {
	return fmt.Errorf("the file has schema %d and this program reads schema %d: use the program that wrote it, "+
		"or copy the store with one that knows both", got, schema)
}

// create makes an empty file a database of our schema and writes who it is unless that stands.
func create(ctx context.Context, path string, m gate.Meta) error {
	made, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) // SQLite gives its other files the same mode
	if err != nil {
		return err
	}
	if err := made.Close(); err != nil {
		return err
	}
	f, err := connect(path)
	if err != nil {
		return err
	}
	return errors.Join(f.create(ctx, m), f.close())
}

func (f *file) create(ctx context.Context, m gate.Meta) error {
	var version int
	if err := f.write.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version != 0 && version != schema {
		return wrongSchema(version)
	}
	// The journal mode is the file's and cannot change inside a transaction.
	if err := retryBusy(ctx, func() error {
		_, err := f.write.ExecContext(ctx, "PRAGMA journal_mode = WAL")
		return err
	}); err != nil {
		return err
	}
	tx, err := begin(ctx, f.write)
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing after a commit
	for _, text := range []string{schemaText, fmt.Sprintf("PRAGMA user_version = %d", schema)} {
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return err
		}
	}
	if err := insertMeta(ctx, tx, m); err != nil {
		return err
	}
	return tx.Commit()
}

// insertMeta writes who the store is, unless that stands.
func insertMeta(ctx context.Context, tx *sql.Tx, m gate.Meta) error {
	done, err := tx.ExecContext(ctx, "INSERT INTO meta (one, fingerprint, created) VALUES (1, ?, ?) ON CONFLICT DO NOTHING",
		m.Fingerprint, m.Created.Unix())
	if err != nil || !m.Unfinished {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		return err
	}
	_, err = tx.ExecContext(ctx, setUnfinished)
	return err
}
