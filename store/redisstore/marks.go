package redisstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/consentgate/consentgate/gate"
)

// marksKey is a hash of mark id → mark as JSON. Its field schema is the sentinel of the marks: where it is missing they
// were lost, and whoever they held back would be mailed.
const (
	marksKey    = "cg:inv"
	marksSchema = "schema"
)

// errMarksLost explains a hash of marks without its sentinel.
var errMarksLost = errors.New("the marks on sources (cg:inv) are missing: the store, or this shard of it, was never " +
	"initialised or was emptied (restore it, or run consentgate store init --lost to start again without what it held)")

// addMark adds a mark where the marks stand.
const addMark = `if redis.call('HGET', KEYS[1], ARGV[1]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], ARGV[3], ARGV[4])
return 1`

// Mark implements [gate.Invalidations].
func (s *Store) Mark(ctx context.Context, m gate.Mark) error {
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("mark %s: %w", m.ID, err)
	}
	done, err := s.patient.Eval(ctx, addMark, []string{marksKey}, marksSchema, schema, "m:"+m.ID, text).Int()
	switch {
	case err != nil:
		return unavailable(err)
	case done == 0:
		return unavailable(errMarksLost)
	}
	return nil
}

// Marks implements [gate.Invalidations].
func (s *Store) Marks(ctx context.Context) ([]gate.Mark, error) {
	fields, err := s.patient.HGetAll(ctx, marksKey).Result()
	switch {
	case err != nil:
		return nil, unavailable(err)
	case fields[marksSchema] == "":
		return nil, unavailable(errMarksLost)
	case fields[marksSchema] != schema:
		return nil, unavailable(wrongSchema(fields[marksSchema]))
	}
	delete(fields, marksSchema)
	marks := make([]gate.Mark, 0, len(fields))
	for name, text := range fields {
		var m gate.Mark
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			return nil, unavailable(fmt.Errorf("field %q of cg:inv cannot be read: %w", name, err))
		}
		marks = append(marks, m)
	}
	return marks, nil
}
