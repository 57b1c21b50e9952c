package redisstore

import (
	"context"
	_ "embed" // the script
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/consentgate/consentgate/gate"
)

const (
	chunkSize = 512 // changes that share a trip; bounds the arguments of one script call too
	bulkSize  = 64  // from here on it may pay to write before reading
	maxRounds = 100 // compare-and-set rounds of one change before it is given up
)

//go:embed apply.lua
var applyText string

// What the script returns; anything else asks to read again.
const (
	scriptDone     = 1
	scriptEmptied  = -1
	scriptOrphaned = -2
)

var (
	errContended = errors.New("too many changes of one recipient at the same time")
	errOrphaned  = errors.New("a history stands without its record, or a record without its history: restore the store")
)

// task is the part of an Apply call that concerns one recipient.
type task struct {
	id      gate.ID
	changes []int // indices into the call's changes

	// What the store was found to hold; nothing where it was not asked.
	version uint64
	sealed  string
	history []gate.Event

	// What is to be written.
	record gate.Record
	added  []any // events as JSON
}

// application is one chunk of an Apply call.
type application struct {
	s       *Store
	changes []gate.Change
	out     []gate.Applied
}

// Apply implements [gate.Applier]. Changes of different recipients share trips: one to read, one to write; a bulk
// of recipients that are new takes only the second.
func (s *Store) Apply(ctx context.Context, changes []gate.Change) []gate.Applied {
	out := make([]gate.Applied, len(changes))
	for from := 0; from < len(changes); from += chunkSize {
		to := min(from+chunkSize, len(changes))
		a := &application{s: s, changes: changes[from:to], out: out[from:to]}
		tasks := a.tasks()
		s.eachLane(ctx, len(tasks), func(i int) gate.ID { return tasks[i].id }, func(_ *lane, items []int) {
			part := make([]*task, len(items))
			for k, i := range items {
				part[k] = tasks[i]
			}
			a.run(ctx, part)
		})
	}
	return out
}

// tasks groups the changes by recipient, in order.
func (a *application) tasks() []*task {
	var tasks []*task
	byID := make(map[gate.ID]*task, len(a.changes))
	for i, c := range a.changes {
		t := byID[c.ID]
		if t == nil {
			t = &task{id: c.ID}
			byID[c.ID] = t
			tasks = append(tasks, t)
		}
		t.changes = append(t.changes, i)
	}
	return tasks
}

// run reads, folds and writes until no task is left.
func (a *application) run(ctx context.Context, tasks []*task) {
	bulk := len(tasks) >= bulkSize
	for round := range maxRounds {
		guess := round == 0 && bulk && a.s.newcomers.Load()
		if !guess {
			tasks = a.read(ctx, tasks)
		}
		if round == 0 && bulk && !guess {
			a.s.newcomers.Store(mostlyNew(tasks))
		}
		before := len(tasks)
		if tasks = a.fold(tasks); guess {
			tasks = a.addNew(ctx, tasks)
		} else {
			tasks = a.write(ctx, tasks, round)
		}
		if guess && 2*len(tasks) > before {
			a.s.newcomers.Store(false)
		}
		if len(tasks) == 0 {
			return
		}
		if err := pause(ctx, round); err != nil {
			a.fail(tasks, err)
			return
		}
	}
	a.fail(tasks, errContended)
}

func mostlyNew(tasks []*task) bool {
	unknown := 0
	for _, t := range tasks {
		if t.version == 0 {
			unknown++
		}
	}
	return 2*unknown > len(tasks)
}

// pause lets others finish where the first rounds did not succeed.
func pause(ctx context.Context, round int) error {
	if round < 2 {
		return ctx.Err()
	}
	timer := time.NewTimer(rand.N(time.Duration(min(round, 20)) * time.Millisecond))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *application) fail(tasks []*task, err error) {
	for _, t := range tasks {
		for _, i := range t.changes {
			a.out[i] = gate.Applied{Err: unavailable(err)}
		}
	}
}

// read fetches version and history of each task. The version is asked first: whatever happens in between shows as a
// version that no longer stands.
func (a *application) read(ctx context.Context, tasks []*task) (left []*task) {
	versions, histories := make([]*redis.StringCmd, len(tasks)), make([]*redis.StringSliceCmd, len(tasks))
	_ = pipe(ctx, a.s.patient, func(p redis.Pipeliner) { // each command has its own error
		for i, t := range tasks {
			k := keysOf(t.id)
			versions[i] = p.HGet(ctx, k.record, "v")
			histories[i] = p.LRange(ctx, k.history, 0, -1)
		}
	})
	for i, t := range tasks {
		if err := t.found(versions[i], histories[i]); err != nil {
			a.fail([]*task{t}, err)
			continue
		}
		left = append(left, t)
	}
	return left
}

// found takes over what read fetched.
func (t *task) found(version *redis.StringCmd, history *redis.StringSliceCmd) error {
	v, err := version.Uint64()
	if err != nil && !errors.Is(err, redis.Nil) {
		return err
	}
	list, err := history.Result()
	if err != nil {
		return err
	}
	if v == 0 {
		list = nil // written meanwhile, or orphaned: the script tells which
	}
	if v > 0 && len(list) < 2 {
		return errOrphaned
	}
	t.version = v
	t.sealed, t.history, err = readHistory(list)
	return err
}

// readHistory reads the list that holds the sealed address and the events.
func readHistory(list []string) (sealed string, events []gate.Event, err error) {
	if len(list) == 0 {
		return "", nil, nil
	}
	events = make([]gate.Event, len(list)-1)
	for i, text := range list[1:] {
		if err := json.Unmarshal([]byte(text), &events[i]); err != nil {
			return "", nil, fmt.Errorf("event %d of a history cannot be read: %w", i, err)
		}
	}
	return list[0], events, nil
}

// fold extends each task's history and returns the tasks that have something to write.
func (a *application) fold(tasks []*task) (left []*task) {
	for _, t := range tasks {
		if err := a.extend(t); err != nil {
			a.fail([]*task{t}, err)
			continue
		}
		if len(t.added) > 0 {
			left = append(left, t)
		}
	}
	return left
}

// extend folds the task's changes, each with the record it leaves behind.
func (a *application) extend(t *task) error {
	history, version := t.history, t.version
	t.added = t.added[:0]
	for n, i := range t.changes {
		event, record, dup := gate.Extend(history, a.changes[i])
		if !dup {
			text, err := json.Marshal(event)
			if err != nil {
				return err
			}
			version++
			if n+1 < len(t.changes) {
				history = append(history, event)
			}
			t.added, t.record = append(t.added, text), record
		}
		record.Version = version
		a.out[i] = gate.Applied{Record: record, Duplicate: dup}
	}
	t.record.Version = version
	return nil
}

// write commits the tasks and returns those whose version no longer stood. The script goes by its hash at first and
// in full later: a server that does not know it learns it so.
func (a *application) write(ctx context.Context, tasks []*task, round int) (again []*task) {
	if len(tasks) == 0 {
		return nil
	}
	cmds := make([]*redis.Cmd, len(tasks))
	_ = pipe(ctx, a.s.patient, func(p redis.Pipeliner) { // each command has its own error
		for i, t := range tasks {
			k, run := keysOf(t.id), a.s.script.EvalSha
			if round > 0 {
				run = a.s.script.Eval
			}
			cmds[i] = run(ctx, p, []string{k.sentinel, k.record, k.history}, a.arguments(t)...)
		}
	})
	for i, t := range tasks {
		retry, err := outcome(cmds[i])
		a.s.heed(err)
		switch {
		case err != nil:
			a.fail([]*task{t}, err)
		case retry:
			again = append(again, t)
		}
	}
	return again
}

// arguments are the script's ARGV.
func (a *application) arguments(t *task) []any {
	sealed := ""
	if t.sealed == "" {
		sealed = a.firstSealed(t)
	}
	args := make([]any, 0, 5+len(t.added)+4)
	args = append(args, schema, strconv.FormatUint(t.version, 10), strconv.FormatUint(t.record.Version, 10),
		sealed, strconv.Itoa(len(t.added)))
	args = append(args, t.added...)
	for _, f := range t.record.Fields() {
		args = append(args, f[0], f[1])
	}
	return args
}

func (a *application) firstSealed(t *task) string {
	for _, i := range t.changes {
		c := a.changes[i]
		if c.Sealed != "" && !gate.ErasedSince(t.history, c.Event.Time) {
			return c.Sealed
		}
	}
	return ""
}

// outcome reads the script's answer; retry means that the record has changed since it was read.
func outcome(cmd *redis.Cmd) (retry bool, err error) {
	code, err := cmd.Int()
	switch {
	case redis.HasErrorPrefix(err, "NOSCRIPT"):
		return true, nil
	case err != nil:
		return false, err
	case code == scriptEmptied:
		return false, errEmptied
	case code == scriptOrphaned:
		return false, errOrphaned
	}
	return code != scriptDone, nil
}
