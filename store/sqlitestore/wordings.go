package sqlitestore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/consentgate/consentgate/gate"
)

// AddWording implements [gate.Wordings].
func (s *Store) AddWording(ctx context.Context, w gate.WordingText) error {
	entry, err := json.Marshal(w)
	if err != nil {
		return fmt.Errorf("wording %s: %w", w.ID, err)
	}
	var stands gate.WordingText // written by the step, read only where it was committed
	err = s.write1(ctx, func(tx *transaction) error {
		if _, err := tx.Exec("INSERT INTO wordings (id, version, language, entry) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
			w.ID, w.Version, w.Language, string(entry)); err != nil {
			return err
		}
		var text []byte
		err := tx.QueryRow("SELECT entry FROM wordings WHERE id = ? AND version = ? AND language = ?",
			w.ID, w.Version, w.Language).Scan(&text)
		return errors.Join(err, json.Unmarshal(text, &stands))
	})
	if err != nil {
		return err
	}
	return stands.Same(w)
}

// WordingTexts implements [gate.Wordings].
func (s *Store) WordingTexts(ctx context.Context, id string) ([]gate.WordingText, error) {
	var found []gate.WordingText
	err := s.query(ctx, func(scan func(dest ...any) error) error {
		var entry []byte
		if err := scan(&entry); err != nil {
			return err
		}
		found = append(found, gate.WordingText{})
		return json.Unmarshal(entry, &found[len(found)-1])
	}, "SELECT entry FROM wordings WHERE ?1 = '' OR id = ?1 ORDER BY id, version, language", id)
	return found, err
}
