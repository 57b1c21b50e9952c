//go:build linux

package rig

import (
	"context"

	"github.com/consentgate/consentgate/bench/internal/load"
	"github.com/consentgate/consentgate/gate"
)

// BytesEach is what one recipient with one consent takes in Redis when g is filled with n, in bytes. With histories
// they have, beside the record that lookups read, the event behind it and the sealed address; without, these are
// deleted as they come.
func (r *Redis) BytesEach(ctx context.Context, g *Gate, n int, histories bool) (float64, error) {
	empty, err := r.UsedMemory(ctx)
	if err != nil {
		return 0, err
	}
	forget := func(ctx context.Context, ids []gate.ID) error { return r.Delete(ctx, historyKeys(ids)) }
	if histories {
		forget = nil
	}
	if err := g.Fill(ctx, n, forget); err != nil {
		return 0, err
	}
	full, err := r.UsedMemory(ctx)
	return (full - empty) / float64(n+load.Watchers+load.Trespassers), err
}

// historyKeys are the keys that redisstore keeps beside its records. An id may come twice: it had two events.
func historyKeys(ids []gate.ID) []string {
	met := make(map[gate.ID]bool, len(ids))
	keys := make([]string, 0, len(ids))
	for _, id := range ids {
		if text := id.String(); !met[id] {
			keys = append(keys, "cg:{"+text[:2]+"}:"+text+":h")
		}
		met[id] = true
	}
	return keys
}
