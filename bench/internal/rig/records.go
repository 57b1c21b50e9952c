//go:build linux

package rig

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/consentgate/consentgate/bench/internal/load"
	"github.com/consentgate/consentgate/gate"
)

// FillRecords is [Redis.BytesEach] without histories for a great many: it writes the records straight into Redis, as
// redisstore lays them out, which takes a tenth of the time. That they are right shows when the gate lets mail through.
func (r *Redis) FillRecords(ctx context.Context, g *Gate, n int) (float64, error) {
	empty, err := r.UsedMemory(ctx)
	if err != nil {
		return 0, err
	}
	if err := g.Fill(ctx, 0, nil); err != nil {
		return 0, err
	}
	hash := hashOf(gate.Fold(filler{now: time.Now()}.consented(load.Address(1, load.Recipients))))
	all, filling := errgroup.WithContext(ctx)
	all.SetLimit(writers)
	for from := 1; from <= n; from += batch {
		all.Go(func() error { return r.hashes(filling, g, from, min(batch, n-from+1), hash) })
	}
	if err := all.Wait(); err != nil {
		return 0, err
	}
	full, err := r.UsedMemory(ctx)
	return (full - empty) / float64(n+load.Watchers+load.Trespassers), err
}

// hashOf are the words of a record's hash, in the order in which redisstore writes them.
func hashOf(r gate.Record) []string {
	words := []string{"v", "1"}
	for _, field := range r.Fields() {
		words = append(words, field[0], field[1])
	}
	return words
}

// hashes writes n records from number first on in one trip.
func (r *Redis) hashes(ctx context.Context, g *Gate, first, n int, hash []string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	var rest, commands strings.Builder
	for _, word := range hash {
		fmt.Fprintf(&rest, "$%d\r\n%s\r\n", len(word), word)
	}
	for i := range n {
		a, err := gate.ParseAddress(load.Address(first+i, load.Recipients))
		if err != nil {
			return errors.Join(errors.New("an address of our own"), err)
		}
		text := g.Keys.ID(a).String()
		fmt.Fprintf(&commands, "*%d\r\n$4\r\nHSET\r\n$%d\r\ncg:{%s}:%s\r\n", 2+len(hash), len("cg:{}:")+2+len(text), text[:2], text)
		commands.WriteString(rest.String())
	}
	return r.trip(ctx, commands.String(), n, fmt.Sprintf(":%d\r\n", len(hash)/2))
}
