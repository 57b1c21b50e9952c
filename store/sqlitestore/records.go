package sqlitestore

import (
	"context"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"

	"github.com/consentgate/consentgate/gate"
)

// groupSize is how many records one statement reads: few enough to notice soon that a context has ended.
const groupSize = 256

// Records implements [gate.Reader]. A lookup takes microseconds and never waits for a writer.
func (s *Store) Records(ctx context.Context, ids []gate.ID) []gate.Lookup {
	out := make([]gate.Lookup, len(ids))
	f, err := s.opened(ctx)
	if err != nil {
		for i := range out {
			out[i].Err = err
		}
		return out
	}
	for from := 0; from < len(ids); from += groupSize {
		to := min(from+groupSize, len(ids))
		f.lookUpAll(ctx, ids[from:to], out[from:to])
	}
	unknown := false
	for i := range out {
		out[i].Err = s.unavailable(out[i].Err)
		unknown = unknown || out[i].Err == nil && out[i].Record.Version == 0
	}
	if unknown {
		s.unlessEmptied(f, out)
	}
	return out
}

// unlessEmptied makes "unknown" an outage where the store does not say that it is one.
func (s *Store) unlessEmptied(f *file, out []gate.Lookup) {
	err := check(f.initialised)
	if err == nil {
		return
	}
	for i := range out {
		if out[i].Record.Version == 0 && out[i].Err == nil {
			out[i].Err = s.unavailable(err)
		}
	}
}

// lookUpAll reads as many records as one statement may. Where reading them together fails each is asked for alone, so
// that damage concerns nobody else.
func (f *file) lookUpAll(ctx context.Context, ids []gate.ID, out []gate.Lookup) {
	if len(ids) > 1 && ctx.Err() == nil && f.lookUpGroup(ids, out) == nil {
		return
	}
	for i, id := range ids {
		out[i] = gate.Lookup{Err: ctx.Err()}
		if out[i].Err == nil {
			out[i].Record, out[i].Err = f.lookUp(id)
		}
	}
}

// lookUpGroup reads records in one statement, which is one transaction: to take the lock of a reader and to give it back
// are system calls, and a quarter of what a lookup alone costs.
func (f *file) lookUpGroup(ids []gate.ID, out []gate.Lookup) error {
	rows, err := f.records.Query(hexArray(ids))
	if err != nil {
		return err
	}
	defer rows.Close()
	var at int
	var version uint64
	var fields string
	for rows.Next() {
		if err := rows.Scan(&at, &version, &fields); err != nil {
			return err
		}
		out[at].Record, out[at].Err = readRecord(version, fields)
	}
	return rows.Err()
}

// hexArray is a JSON array of ids in hexadecimal, since no parameter of SQLite holds many values.
func hexArray(ids []gate.ID) string {
	b := make([]byte, 0, len(ids)*len(`,"00112233445566778899aabbccddeeff"`)+1)
	for _, id := range ids {
		b = append(b, `,"`...)
		b = append(hex.AppendEncode(b, id[:]), '"')
	}
	b[0] = '['
	return string(append(b, ']'))
}

// lookUp reads one record; the zero Record where none stands.
func (f *file) lookUp(id gate.ID) (gate.Record, error) {
	var version uint64
	var fields string
	rows, err := f.record.Query(id[:])
	if err != nil {
		return gate.Record{}, err
	}
	defer rows.Close()
	if !rows.Next() {
		return gate.Record{}, rows.Err()
	}
	if err := rows.Scan(&version, &fields); err != nil {
		return gate.Record{}, err
	}
	return readRecord(version, fields)
}

// Apply implements [gate.Applier]. Callers at the same time share a transaction and its fsync.
func (s *Store) Apply(ctx context.Context, changes []gate.Change) []gate.Applied {
	if len(changes) == 0 {
		return nil
	}
	applied := make([]gate.Applied, len(changes))
	done, err := s.write(ctx, len(changes), func(tx *transaction, i int) error {
		a, err := tx.apply(changes[i])
		if errors.Is(err, errDamaged) {
			a, err = gate.Applied{Err: s.unavailable(err)}, nil // concerns nobody else in this transaction
		}
		applied[i] = a
		return err
	})
	if err == nil {
		return applied
	}
	out := make([]gate.Applied, len(changes)) // a batch may still write to applied
	copy(out, applied[:done])
	for i := range out[done:] {
		out[done+i].Err = err
	}
	return out
}

// apply is one change.
func (tx *transaction) apply(c gate.Change) (gate.Applied, error) {
	var version uint64
	var sealed string
	err := tx.do.record.QueryRow(c.ID[:]).Scan(&version, &sealed)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return gate.Applied{}, err
	}
	var history []gate.Event
	if version > 0 {
		if history, err = readEvents(tx.do.events, c.ID); err != nil {
			return gate.Applied{}, err
		}
	}
	event, record, dup := gate.Extend(history, c)
	if dup {
		record.Version = version
		return gate.Applied{Record: record, Duplicate: true}, nil
	}
	record.Version = version + 1
	if sealed == "" && !gate.ErasedSince(history, c.Event.Time) {
		sealed = c.Sealed
	}
	return gate.Applied{Record: record}, tx.put(c.ID, record, sealed, event)
}

// put writes the new record and appends its event.
func (tx *transaction) put(id gate.ID, r gate.Record, sealed string, e gate.Event) error {
	event, err := json.Marshal(e)
	if err != nil {
		return err
	}
	fields, err := json.Marshal(r.Fields())
	if err != nil {
		return err
	}
	if _, err := tx.do.addEvent.Exec(id[:], r.Version, string(event)); err != nil {
		return err
	}
	_, err = tx.do.setRecord.Exec(id[:], r.Version, string(fields), sealed)
	return err
}

// readEvents reads a history in the order it was applied.
func readEvents(stmt *sql.Stmt, id gate.ID) (events []gate.Event, err error) {
	rows, err := stmt.Query(id[:])
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var text sql.RawBytes
		var e gate.Event
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(text, &e); err != nil {
			return nil, fmt.Errorf("%w: event %d: %w", errDamaged, len(events), err)
		}
		events = append(events, e)
	}
	return events, rows.Err()
}

// Person implements [gate.Historian].
func (s *Store) Person(ctx context.Context, id gate.ID) (gate.Person, error) {
	f, err := s.opened(ctx)
	if err != nil {
		return gate.Person{}, err
	}
	p, err := f.person(ctx, id)
	return p, s.unavailable(err)
}

// person reads record and history as of one moment.
func (f *file) person(ctx context.Context, id gate.ID) (gate.Person, error) {
	p := gate.Person{ID: id}
	tx, err := f.read.BeginTx(ctx, nil)
	if err != nil {
		return p, err
	}
	defer tx.Rollback()
	if err := check(tx.Stmt(f.initialised)); err != nil {
		return p, err
	}
	var version uint64
	var fields string
	err = tx.QueryRow("SELECT version, fields, sealed FROM records WHERE id = ?", id[:]).Scan(&version, &fields, &p.Sealed)
	if errors.Is(err, sql.ErrNoRows) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	if p.Record, err = readRecord(version, fields); err != nil {
		return p, err
	}
	events, err := tx.Prepare("SELECT event FROM events WHERE recipient = ? ORDER BY version")
	if err != nil {
		return p, err
	}
	defer events.Close()
	p.Events, err = readEvents(events, id)
	return p, err
}

// scanPage is how many recipients a scan finds at a time; it holds no transaction while its caller works.
const scanPage = 500

// Persons implements [gate.Scanner].
func (s *Store) Persons(ctx context.Context) iter.Seq2[gate.Person, error] {
	return func(yield func(gate.Person, error) bool) {
		var after []byte
		for {
			ids, err := s.idsAfter(ctx, after)
			if err != nil {
				yield(gate.Person{}, err)
				return
			}
			for _, id := range ids {
				p, err := s.Person(ctx, id)
				if err == nil && p.Record.Version == 0 {
					continue // gone since
				}
				if !yield(p, err) || err != nil {
					return
				}
				after = id[:]
			}
			if len(ids) < scanPage {
				return
			}
		}
	}
}

// idsAfter returns the next ids in order; nil starts.
func (s *Store) idsAfter(ctx context.Context, after []byte) ([]gate.ID, error) {
	f, err := s.opened(ctx)
	if err != nil {
		return nil, err
	}
	if err := check(f.initialised); err != nil {
		return nil, s.unavailable(err)
	}
	if after == nil {
		after = []byte{} // sorts before every id
	}
	rows, err := f.read.QueryContext(ctx, "SELECT id FROM records WHERE id > ? ORDER BY id LIMIT ?", after, scanPage)
	if err != nil {
		return nil, s.unavailable(err)
	}
	defer rows.Close()
	var ids []gate.ID
	for rows.Next() {
		var raw sql.RawBytes
		if err := rows.Scan(&raw); err != nil {
			return nil, s.unavailable(err)
		}
		ids = append(ids, gate.ID(raw))
	}
	return ids, s.unavailable(rows.Err())
}
