package sqlitestore

import (
	"context"
	"fmt"
)

// steps bring a file to the schema of this program: the first makes schema 2 of schema 1, and so on. schema.sql is what
// they end in. Each runs once, in the transaction that moves PRAGMA user_version, so that a file is never between two
// schemas.
func steps() []string { return nil }

// migrate runs the steps that a file lacks. Programs that come at the same time wait for the lock and find nothing left
// to do; one that is older finds a schema it does not know, and refuses.
func (f *file) migrate(ctx context.Context, steps []string) error {
	tx, err := begin(ctx, f.write)
	if err != nil {
		return err
	}
	defer tx.Rollback() // nothing after a commit
	var version int
	if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version < 1 || version > len(steps) {
		return nil
	}
	for i, text := range steps[version-1:] {
		if _, err := tx.ExecContext(ctx, text); err != nil {
			return fmt.Errorf("from schema %d to %d: %w", version+i, version+i+1, err)
		}
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", len(steps)+1)); err != nil {
		return err
	}
	return tx.Commit()
}
