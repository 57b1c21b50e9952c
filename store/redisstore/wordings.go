package redisstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/consentgate/consentgate/gate"
)

// wordingsKey is a hash: id, version and language → the wording as JSON.
const wordingsKey = "cg:wordings"

// keepFirst sets a field that is not there, and returns what stands in it then.
const keepFirst = `redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
return redis.call('HGET', KEYS[1], ARGV[1])`

// AddWording implements [gate.Wordings].
func (s *Store) AddWording(ctx context.Context, w gate.WordingText) error {
	text, err := json.Marshal(w)
	if err != nil {
		return fmt.Errorf("wording %s: %w", w.ID, err)
	}
	field := w.ID + "\n" + w.Version + "\n" + w.Language // which hold no line ends
	stands, err := s.patient.Eval(ctx, keepFirst, []string{wordingsKey}, field, text).Text()
	if err != nil {
		return unavailable(err)
	}
	have, err := readWording(stands)
	if err != nil {
		return err
	}
	return have.Same(w)
}

// WordingTexts implements [gate.Wordings].
func (s *Store) WordingTexts(ctx context.Context, id string) ([]gate.WordingText, error) {
	all, err := s.patient.HVals(ctx, wordingsKey).Result()
	if err != nil {
		return nil, unavailable(err)
	}
	var found []gate.WordingText
	for _, text := range all {
		w, err := readWording(text)
		if err != nil {
			return nil, err
		}
		if id == "" || w.ID == id {
			found = append(found, w)
		}
	}
	slices.SortFunc(found, gate.WordingText.Compare)
	return found, nil
}

func readWording(text string) (w gate.WordingText, err error) {
	if err := json.Unmarshal([]byte(text), &w); err != nil {
		return w, unavailable(fmt.Errorf("a wording cannot be read: %w", err))
	}
	return w, nil
}
