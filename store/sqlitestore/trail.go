package sqlitestore

import (
	"context"
	"database/sql"
	"errors"
	"iter"

	"github.com/consentgate/consentgate/gate"
)

const auditPage = 500 // entries that a reader fetches at a time; it holds no transaction while its caller works

// AppendAct implements [gate.Trail]. The transaction that reads the head holds the write lock.
func (s *Store) AppendAct(ctx context.Context, a gate.Act) (gate.AuditEntry, error) {
	var next gate.AuditEntry // written by the step, read only where it was committed
	err := s.write1(ctx, func(tx *transaction) error {
		var seq uint64
		var text string
		err := tx.QueryRow("SELECT seq, entry FROM audit ORDER BY seq DESC LIMIT 1").Scan(&seq, &text)
		head := gate.AuditEntry{}
		switch {
		case errors.Is(err, sql.ErrNoRows):
		case err != nil:
			return err
		default:
			head = gate.ReadAuditEntry(seq, text)
			head.Seq = seq
		}
		next = head.Next(a)
		_, err = tx.Exec("INSERT INTO audit (seq, entry) VALUES (?, ?)", next.Seq, next.Text())
		return err
	})
	if err != nil {
		return gate.AuditEntry{}, err
	}
	return next, nil
}

// Acts implements [gate.Trail].
func (s *Store) Acts(ctx context.Context, from uint64) iter.Seq2[gate.AuditEntry, error] {
	return func(yield func(gate.AuditEntry, error) bool) {
		for n := auditPage; n == auditPage; {
			page, next, err := s.actsFrom(ctx, from)
			if err != nil {
				yield(gate.AuditEntry{}, err)
				return
			}
			for _, e := range page {
				if !yield(e, nil) {
					return
				}
			}
			from, n = next, len(page)
		}
	}
}

// actsFrom returns the next entries and where those after them begin.
func (s *Store) actsFrom(ctx context.Context, from uint64) (page []gate.AuditEntry, next uint64, err error) {
	err = s.query(ctx, func(scan func(dest ...any) error) error {
		var seq uint64
		var text string
		err := scan(&seq, &text)
		page, next = append(page, gate.ReadAuditEntry(seq, text)), seq+1
		return err
	}, "SELECT seq, entry FROM audit WHERE seq >= ? ORDER BY seq LIMIT ?", from, auditPage)
	return page, next, err
}
