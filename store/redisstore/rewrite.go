package redisstore

import (
	"context"
	_ "embed" // the script
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/consentgate/consentgate/gate"
)

// Rewrites that share a trip, and block entries that go in one command.
const (
	rewriteChunk = 64
	trimStep     = 1000
)

//go:embed rewrite.lua
var rewriteText string

// Rewrite implements [gate.Rewriter].
func (s *Store) Rewrite(ctx context.Context, rewrites []gate.Rewrite) []error {
	out := make([]error, len(rewrites))
	for from := 0; from < len(rewrites); from += rewriteChunk {
		to := min(from+rewriteChunk, len(rewrites))
		s.rewriteChunk(ctx, rewrites[from:to], out[from:to])
	}
	return out
}

// rewriteChunk is one trip. The script goes along in full: beside a whole history it is short.
func (s *Store) rewriteChunk(ctx context.Context, rewrites []gate.Rewrite, out []error) {
	script := redis.NewScript(rewriteText)
	cmds := make([]*redis.Cmd, len(rewrites))
	_ = pipe(ctx, s.patient, func(p redis.Pipeliner) { // each command has its own error
		for i, r := range rewrites {
			k := keysOf(r.Person.ID)
			var args []any
			if args, out[i] = rewriteArguments(r); out[i] == nil {
				cmds[i] = script.Eval(ctx, p, []string{k.sentinel, k.record, k.history}, args...)
			}
		}
	})
	for i, cmd := range cmds {
		if cmd == nil {
			continue
		}
		retry, err := outcome(cmd)
		switch {
		case err != nil:
			out[i] = unavailable(err)
		case retry:
			out[i] = gate.ErrChanged
		}
	}
}

// rewriteArguments are the script's ARGV.
func rewriteArguments(r gate.Rewrite) ([]any, error) {
	p := r.Person
	if p.Record.Version < uint64(len(p.Events)) {
		return nil, fmt.Errorf("rewrite: version %d of a record with %d events", p.Record.Version, len(p.Events))
	}
	args := []any{schema, strconv.FormatUint(r.Was, 10)}
	if len(p.Events) == 0 {
		return args, nil
	}
	fields := p.Record.Fields()
	args = append(args, strconv.FormatUint(p.Record.Version, 10), strconv.Itoa(len(fields)))
	for _, f := range fields {
		args = append(args, f[0], f[1])
	}
	args = append(args, p.Sealed)
	for _, e := range p.Events {
		e.Recipient = ""
		text, err := json.Marshal(e)
		if err != nil {
			return nil, err
		}
		args = append(args, text)
	}
	return args, nil
}

// TrimBlocks implements [gate.BlockTrimmer]. An entry's age counts from its arrival, which is its place in the stream.
func (s *Store) TrimBlocks(ctx context.Context, before time.Time) (removed int, err error) {
	first := strconv.FormatInt(before.UnixMilli(), 10)
	for {
		// With ~ Redis removes whole nodes of the stream and can be given a limit; what is left after that is less than one.
		n, err := s.patient.XTrimMinIDApprox(ctx, blocksKey, first, trimStep).Result()
		if err != nil {
			return removed, unavailable(err)
		}
		if removed += int(n); n == 0 {
			break
		}
	}
	n, err := s.patient.XTrimMinID(ctx, blocksKey, first).Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return removed, unavailable(err)
	}
	return removed + int(n), nil
}
