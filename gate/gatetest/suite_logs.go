package gatetest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
)

var blockContract = []contract{
	{"every field of an entry is kept", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		bare, full := gate.BlockEntry{ID: "01A", Time: day(1)}, entry(2, day(2))
		full.WouldBlock, full.Address = true, "sealed:2"
		noError(t, "AppendBlocks", s.AppendBlocks(ctx, []gate.BlockEntry{bare, full}))
		same(t, "entries", blocks(t, s, gate.BlockQuery{}), []gate.BlockEntry{full, bare})
	}},
	{"the same id twice is one entry", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		one, two, three := entry(1, day(1)), entry(2, day(2)), entry(3, day(3))
		for _, batch := range [][]gate.BlockEntry{{one, two}, {one, two}, {two, three, three}, nil} {
			noError(t, "AppendBlocks", s.AppendBlocks(ctx, batch))
		}
		same(t, "ids", blockIDs(t, s, gate.BlockQuery{}), ids(3, 2, 1))
		same(t, "ids with a limit", blockIDs(t, s, gate.BlockQuery{Limit: 2}), ids(3, 2))
		// A copy that comes long after may move the entry: a store may keep the order of arrival.
		noError(t, "AppendBlocks", s.AppendBlocks(ctx, []gate.BlockEntry{one}))
		got := blockIDs(t, s, gate.BlockQuery{})
		slices.Sort(got)
		same(t, "ids after a late copy", got, ids(1, 2, 3))
	}},
	{"each field of a query selects", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		var all []gate.BlockEntry
		for n := 1; n <= 8; n++ {
			all = append(all, entry(n, day(n)))
		}
		noError(t, "AppendBlocks", s.AppendBlocks(ctx, all))
		for _, c := range []struct {
			name  string
			query gate.BlockQuery
			want  []string
		}{
			{"nothing", gate.BlockQuery{}, ids(8, 7, 6, 5, 4, 3, 2, 1)},
			{"since", gate.BlockQuery{Since: day(6)}, ids(8, 7, 6)},
			{"until", gate.BlockQuery{Until: day(2)}, ids(2, 1)},
			{"since and until", gate.BlockQuery{Since: day(3), Until: day(4)}, ids(4, 3)},
			{"reason", gate.BlockQuery{Reason: gate.ReasonNoConsent}, ids(8, 6, 4, 2)},
			{"stream", gate.BlockQuery{Stream: "stream-1"}, ids(7, 4, 1)},
			{"recipient", gate.BlockQuery{Recipient: testID(5)}, ids(5)},
			{"limit", gate.BlockQuery{Limit: 3}, ids(8, 7, 6)},
			{"reason and limit", gate.BlockQuery{Reason: gate.ReasonWithdrawn, Limit: 2}, ids(7, 5)},
			{"all together", gate.BlockQuery{
				Since: day(1), Until: day(8), Reason: gate.ReasonNoConsent, Stream: "stream-1", Recipient: testID(4), Limit: 9,
			}, ids(4)},
			{"nobody", gate.BlockQuery{Recipient: testID(99)}, nil},
		} {
			same(t, c.name, blockIDs(t, s, c.query), c.want)
		}
	}},
	{"many entries come newest first and may be left early", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		const many = 1100
		var all []gate.BlockEntry
		var want []string
		for n := range many {
			all = append(all, entry(n, day(1, n)))
			want = append(want, all[n].ID)
		}
		noError(t, "AppendBlocks", s.AppendBlocks(ctx, all[:many/2]))
		noError(t, "AppendBlocks", s.AppendBlocks(ctx, all[many/2:]))
		slices.Reverse(want)
		same(t, "ids", blockIDs(t, s, gate.BlockQuery{}), want)
		for e, err := range s.Blocks(ctx, gate.BlockQuery{}) {
			noError(t, "Blocks", err)
			same(t, "newest", e.ID, want[0])
			break
		}
	}},
}

// entry is the n-th block entry: even ones lack consent, odd ones were withdrawn, three streams take turns.
func entry(n int, at time.Time) gate.BlockEntry {
	reason := gate.ReasonNoConsent
	if n%2 == 1 {
		reason = gate.ReasonWithdrawn
	}
	return gate.BlockEntry{
		ID: ids(n)[0], Time: at, Phase: "rcpt", Session: "s1", Client: "127.0.0.1", Credential: "crm",
		MailFrom: "news@example.com", Recipient: "a***@example.com", RecipientID: testID(n), MessageID: "<1@example.com>",
		Stream: fmt.Sprint("stream-", n%3), Purpose: "newsletter", Verdict: gate.Block, Reason: reason, Rule: "refusal",
		Jurisdiction: "FR", Citation: "CPCE L34-5", Hint: "ask \"again\" <once>", PolicyVersion: "abc123", Reply: "550 5.7.1 …",
	}
}

func ids(ns ...int) (out []string) {
	for _, n := range ns {
		out = append(out, fmt.Sprintf("01JDE%021d", n))
	}
	return out
}

func blocks(t *testing.T, s gate.Store, q gate.BlockQuery) (out []gate.BlockEntry) {
	t.Helper()
	for e, err := range s.Blocks(testContext(t), q) {
		noError(t, "Blocks", err)
		out = append(out, e)
	}
	return out
}

func blockIDs(t *testing.T, s gate.Store, q gate.BlockQuery) (out []string) {
	t.Helper()
	for _, e := range blocks(t, s, q) {
		out = append(out, e.ID)
	}
	return out
}

var counterContract = []contract{
	{"counts are summed per UTC day", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		lateEvening := time.Date(2026, 11, 1, 23, 30, 0, 0, time.FixedZone("", -5*3600)) // 2 November in UTC
		for _, add := range []struct {
			at     time.Time
			counts map[string]int64
		}{
			{day(1), map[string]int64{"a": 1, "b": 2}},
			{day(1), map[string]int64{"a": 3}},
			{lateEvening, map[string]int64{"a": 5}},
			{day(4), map[string]int64{"c.d e": 1 << 40}},
			{day(4), nil},
		} {
			noError(t, "AddCounts", s.AddCounts(ctx, add.at, add.counts))
		}
		one, two := map[string]int64{"a": 4, "b": 2}, map[string]int64{"a": 5}
		four := map[string]int64{"c.d e": 1 << 40}
		for _, c := range []struct {
			name     string
			from, to time.Time
			want     map[string]map[string]int64
		}{
			{"all", day(1), day(5), map[string]map[string]int64{"2026-11-01": one, "2026-11-02": two, "2026-11-04": four}},
			{"a day", day(2), day(2), map[string]map[string]int64{"2026-11-02": two}},
			{
				"both ends count, whatever the hour", day(1).Add(11 * time.Hour), day(2).Add(-11 * time.Hour),
				map[string]map[string]int64{"2026-11-01": one, "2026-11-02": two},
			},
			{"a day without counts", day(3), day(3), nil},
		} {
			got, err := s.Counts(ctx, c.from, c.to)
			noError(t, "Counts", err)
			same(t, c.name, got, c.want)
		}
	}},
	{"concurrent counts lose nothing", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for range 10 {
					if err := s.AddCounts(ctx, day(1), map[string]int64{"a": 1}); err != nil {
						t.Errorf("AddCounts: %v", err)
					}
				}
			})
		}
		wg.Wait()
		got, err := s.Counts(ctx, day(1), day(1))
		noError(t, "Counts", err)
		same(t, "Counts", got, map[string]map[string]int64{"2026-11-01": {"a": 80}})
	}},
}

var ledgerContract = []contract{
	{"noted members are delivered until forgotten", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		same(t, "members of an unknown key", noted(t, s, "key"), nil)
		noError(t, "Note", s.Note(ctx, "key", []string{"a", "b"}, time.Hour))
		noError(t, "Note", s.Note(ctx, "key", []string{"b", "c"}, time.Hour))
		noError(t, "Note", s.Note(ctx, "other", []string{"z"}, time.Hour))
		noError(t, "Note of nobody", s.Note(ctx, "key", nil, time.Hour))
		same(t, "members", noted(t, s, "key"), []string{"a", "b", "c"})
		noError(t, "Forget of one", s.Forget(ctx, "key", "me", []string{"b", "nobody"}))
		same(t, "members without one", noted(t, s, "key"), []string{"a", "c"})
		noError(t, "Forget", s.Forget(ctx, "key", "me", []string{"a", "b", "c"}))
		noError(t, "Forget again", s.Forget(ctx, "key", "me", []string{"a"}))
		same(t, "members of a forgotten key", noted(t, s, "key"), nil)
		same(t, "members of the other key", noted(t, s, "other"), []string{"z"})
	}},
	{"members expire, and a later note starts anew", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		noError(t, "Note", s.Note(ctx, "key", []string{"a"}, 200*time.Millisecond))
		pass(b, 250*time.Millisecond)
		Eventually(t, "the note has expired", func() bool { return len(noted(t, s, "key")) == 0 })
		noError(t, "Note", s.Note(ctx, "key", []string{"b"}, time.Hour))
		same(t, "members", noted(t, s, "key"), []string{"b"})
	}},
	{"a note never ends another sooner", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		noError(t, "Note", s.Note(ctx, "key", []string{"a"}, time.Hour))
		noError(t, "Note for less", s.Note(ctx, "key", []string{"b"}, 200*time.Millisecond))
		pass(b, 250*time.Millisecond)
		same(t, "members", noted(t, s, "key"), []string{"a", "b"})
		same(t, "open", open(t, s), true)
	}},
	{"a lease is taken once", func(t *testing.T, b Backend) {
		_, s := ready(t, b)
		other := b.Again()
		defer other.Close()
		var wg sync.WaitGroup
		var mu sync.Mutex
		taken := 0
		for i := range 8 {
			wg.Go(func() {
				if enters(t, []gate.Store{s, other}[i%2], "key", fmt.Sprint("owner ", i), time.Hour) {
					mu.Lock()
					taken++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		same(t, "leases taken", taken, 1)
		same(t, "another key", enters(t, s, "other", "me", time.Hour), true)
	}},
	{"a lease ends with its time, when it is given back or when it is forgotten", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		same(t, "first lease", enters(t, s, "key", "me", 200*time.Millisecond), true)
		pass(b, 250*time.Millisecond)
		Eventually(t, "the lease has expired", func() bool { return enters(t, s, "key", "you", time.Hour) })
		same(t, "lease while taken", enters(t, s, "key", "me", time.Hour), false)
		noError(t, "Forget", s.Forget(ctx, "key", "you", nil))
		same(t, "lease after forget", enters(t, s, "key", "me", time.Hour), true)
		noError(t, "Leave", s.Leave(ctx, "key", "me"))
		same(t, "lease after leave", enters(t, s, "key", "you", time.Hour), true)
	}},
	{"a lease is free for its owner, and begins anew", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		noError(t, "Note", s.Note(ctx, "key", []string{"a"}, time.Hour))
		same(t, "lease", enters(t, s, "key", "me", 200*time.Millisecond), true)
		members, free, err := s.Enter(ctx, "key", "me", time.Hour)
		noError(t, "Enter again", err)
		same(t, "the owner's second lease", free, true)
		same(t, "members", members, []string{"a"})
		pass(b, 250*time.Millisecond)
		same(t, "somebody else's, past the first lease's time", enters(t, s, "key", "you", time.Hour), false)
	}},
	{"nobody gives back the lease of another", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		same(t, "lease", enters(t, s, "key", "me", time.Hour), true)
		noError(t, "Leave", s.Leave(ctx, "key", "you"))
		noError(t, "Forget", s.Forget(ctx, "key", "you", []string{"a"}))
		noError(t, "Leave of a key that nobody has", s.Leave(ctx, "other", "you"))
		same(t, "somebody else's lease", enters(t, s, "key", "you", time.Hour), false)
	}},
	{"who enters learns what is noted, and leaving keeps it", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		noError(t, "Note", s.Note(ctx, "key", []string{"a"}, time.Hour))
		same(t, "members", noted(t, s, "key"), []string{"a"})
		same(t, "members again", noted(t, s, "key"), []string{"a"})
		same(t, "lease", enters(t, s, "key", "me", time.Hour), true)
		members, free, err := s.Enter(ctx, "key", "you", time.Hour)
		noError(t, "Enter", err)
		if free || members != nil {
			t.Errorf("Enter while leased: %v, %v, want nobody let in", members, free)
		}
	}},
	{"the ledger is open while anything is noted", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		other := b.Again()
		defer other.Close()
		same(t, "open at first", open(t, other), false)
		same(t, "lease", enters(t, s, "key", "me", time.Hour), true)
		same(t, "open with a lease alone", open(t, other), false)
		noError(t, "Note", s.Note(ctx, "key", []string{"a"}, time.Hour))
		noError(t, "Note", s.Note(ctx, "key", []string{"b"}, time.Hour))
		noError(t, "Note", s.Note(ctx, "other", []string{"a"}, time.Hour))
		same(t, "open with notes", open(t, other), true)
		noError(t, "Forget", s.Forget(ctx, "key", "me", []string{"a", "b"}))
		noError(t, "Forget of nobody", s.Forget(ctx, "other", "me", nil))
		same(t, "open with the other note", open(t, other), true)
		noError(t, "Forget", s.Forget(ctx, "other", "nobody", []string{"a", "never noted"}))
		same(t, "open when all is forgotten", open(t, other), false)
	}},
	{"what is noted while the last of the others is forgotten keeps the ledger open", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		other := b.Again()
		defer other.Close()
		for i := range 50 {
			key, first, second := fmt.Sprint("key ", i), []string{"a"}, []string{"b"}
			noError(t, "Note", s.Note(ctx, key, first, time.Hour))
			var both sync.WaitGroup
			var note, forget error
			both.Go(func() { note = s.Note(ctx, key, second, time.Hour) })
			both.Go(func() { forget = other.Forget(ctx, key, "me", first) })
			both.Wait()
			noError(t, "Note and Forget at once", errors.Join(note, forget))
			same(t, "open with the second note", open(t, other), true)
			noError(t, "Forget", s.Forget(ctx, key, "me", second))
			same(t, "open when all is forgotten", open(t, other), false)
		}
	}},
	{"a note that has expired leaves the ledger closed", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		noError(t, "Note", s.Note(ctx, "key", []string{"a"}, 200*time.Millisecond))
		same(t, "open", open(t, s), true)
		pass(b, 250*time.Millisecond)
		Eventually(t, "the ledger is closed", func() bool { return !open(t, s) })
		noError(t, "Note", s.Note(ctx, "key", []string{"a"}, time.Hour))
		same(t, "open again", open(t, s), true)
	}},
}

// noted enters, looks and leaves.
func noted(t *testing.T, s gate.Store, key string) []string {
	t.Helper()
	got, free, err := s.Enter(testContext(t), key, "who looks", time.Hour)
	if err != nil || !free {
		t.Errorf("Enter: free %v, %v", free, err)
	}
	noError(t, "Leave", s.Leave(testContext(t), key, "who looks"))
	slices.Sort(got)
	return got
}

func open(t *testing.T, s gate.Store) bool {
	t.Helper()
	is, err := s.Open(testContext(t))
	if err != nil {
		t.Errorf("Open: %v", err)
	}
	return is
}

func enters(t *testing.T, s gate.Store, key, owner string, ttl time.Duration) bool {
	t.Helper()
	_, free, err := s.Enter(testContext(t), key, owner, ttl)
	if err != nil {
		t.Errorf("Enter: %v", err)
	}
	return free
}

// pass lets d pass where the store's clock does not run by itself.
func pass(b Backend, d time.Duration) {
	if b.Pass != nil {
		b.Pass(d)
	}
}
