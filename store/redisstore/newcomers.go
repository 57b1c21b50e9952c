package redisstore

import (
	"context"
	_ "embed" // the script
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"
)

// groupSize is how many new recipients one script call writes: enough that the call itself costs little, few enough
// that a lookup behind it waits a fraction of a millisecond.
const groupSize = 32

//go:embed addnew.lua
var addNewText string

// addNew writes recipients that are thought to be new, and returns those that were not written. Of them nothing is
// known yet: the ordinary way finds out. A Cluster's recipients do not share a slot, so there it is one call each.
func (a *application) addNew(ctx context.Context, tasks []*task) (again []*task) {
	if a.s.cluster != nil {
		return a.write(ctx, tasks, 0)
	}
	groups := slices.Collect(slices.Chunk(tasks, groupSize))
	cmds := make([]*redis.Cmd, len(groups))
	_ = pipe(ctx, a.s.patient, func(p redis.Pipeliner) { // each command has its own error
		for i, group := range groups {
			keys, args := a.newcomers(group)
			cmds[i] = a.s.addNew.EvalSha(ctx, p, keys, args...)
		}
	})
	unknown := false // the script
	for i, group := range groups {
		done, err := cmds[i].Int()
		switch {
		case redis.HasErrorPrefix(err, "NOSCRIPT"):
			unknown, again = true, append(again, group...)
		case err != nil:
			a.fail(group, err)
		default:
			again = append(again, group[done:]...)
		}
	}
	if unknown {
		a.s.addNew.Load(ctx, a.s.patient) // for the next bulk; should it fail, that one comes here again
	}
	return again
}

// newcomers are the script's KEYS and ARGV.
func (a *application) newcomers(group []*task) (names []string, args []any) {
	n := len(group)
	names = make([]string, 3*n)
	args = append(make([]any, 0, 1+10*n), schema)
	for i, t := range group {
		k := keysOf(t.id)
		names[i], names[n+i], names[2*n+i] = k.sentinel, k.record, k.history
		args = append(args, strconv.Itoa(1+len(t.added)), a.firstSealed(t))
		args = append(args, t.added...)
		fields := t.record.Fields()
		args = append(args, strconv.Itoa(2+2*len(fields)), "v", strconv.FormatUint(t.record.Version, 10))
		for _, f := range fields {
			args = append(args, f[0], f[1])
		}
	}
	return names, args
}
