package sqlitestore

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/consentgate/consentgate/gate"
)

// Mark implements [gate.Invalidations].
func (s *Store) Mark(ctx context.Context, m gate.Mark) error {
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("mark %s: %w", m.ID, err)
	}
	return s.write1(ctx, func(tx *transaction) error {
		_, err := tx.Exec("INSERT INTO marks (id, mark) VALUES (?, ?) ON CONFLICT DO NOTHING", m.ID, string(text))
		return err
	})
}

// Marks implements [gate.Invalidations]. The file is lost as a whole: its own row answers for the marks.
func (s *Store) Marks(ctx context.Context) ([]gate.Mark, error) {
	f, err := s.opened(ctx)
	if err != nil {
		return nil, err
	}
	var marks []gate.Mark
	err = s.query(ctx, func(scan func(dest ...any) error) error {
		var text []byte
		var m gate.Mark
		if err := scan(&text); err != nil {
			return err
		}
		err := json.Unmarshal(text, &m)
		marks = append(marks, m)
		return err
	}, "SELECT mark FROM marks")
	if err == nil {
		err = s.unavailable(check(f.initialised)) // after the marks: they stood if it does
	}
	return marks, err
}
