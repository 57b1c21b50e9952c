package gatetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/consentgate/consentgate/gate"
)

var trailContract = []contract{
	{"acts become a chain that reads back", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		var want []gate.AuditEntry
		for n := range 3 {
			want = append(want, act(t, s, n))
		}
		same(t, "first", want[0], gate.AuditEntry{}.Next(testAct(0)))
		same(t, "acts", acts(t, s, 0), want)
		same(t, "acts from 3", acts(t, s, 3), want[2:])
		same(t, "acts past the end", acts(t, s, 9), nil)
		head, err := gate.CheckTrail(s.Acts(ctx, 1), want[1])
		noError(t, "CheckTrail", err)
		same(t, "head", head, want[2])
	}},
	{"a new trail is empty", func(t *testing.T, b Backend) {
		_, s := ready(t, b)
		same(t, "acts", acts(t, s, 1), nil)
	}},
	{"acts of several programs at the same time all stand, in one chain", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		other := b.Again()
		defer other.Close()
		const writers, each = 4, 10
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for n := range each {
					if _, err := []gate.Store{s, other}[w%2].AppendAct(ctx, testAct(w*each+n)); err != nil {
						t.Errorf("AppendAct: %v", err)
					}
				}
			})
		}
		wg.Wait()
		head, err := gate.CheckTrail(s.Acts(ctx, 1), gate.AuditEntry{})
		noError(t, "CheckTrail", err)
		same(t, "length", head.Seq, writers*each)
		met := make(map[string]bool)
		for _, e := range acts(t, other, 1) {
			met[e.Detail] = true
		}
		same(t, "different acts", len(met), writers*each)
	}},
	{"a long trail is read in pages and may be left early", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		const length = 503
		for n := range length {
			act(t, s, n)
		}
		same(t, "length", len(acts(t, s, 1)), length)
		same(t, "from 400", acts(t, s, 400)[0].Seq, uint64(400))
		for _, err := range s.Acts(ctx, 1) {
			noError(t, "Acts", err)
			break
		}
	}},
	{"an act is refused where the context has ended", func(t *testing.T, b Backend) {
		_, s := ready(t, b)
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		_, err := s.AppendAct(ended, testAct(1))
		wantUnavailable(t, "AppendAct", err)
		for _, err := range s.Acts(ended, 1) {
			wantUnavailable(t, "Acts", err)
		}
		same(t, "acts", acts(t, s, 1), nil)
	}},
}

func testAct(n int) gate.Act {
	return gate.Act{
		Time: day(1, n), Actor: "cli:anna@mail", Role: "dpo", Name: "consent.erase", Subject: testID(n),
		Detail: fmt.Sprintf("act %d <é> \"&\"", n),
	}
}

func act(t *testing.T, s gate.Trail, n int) gate.AuditEntry {
	t.Helper()
	e, err := s.AppendAct(testContext(t), testAct(n))
	noError(t, "AppendAct", err)
	return e
}

func acts(t *testing.T, s gate.Trail, from uint64) (all []gate.AuditEntry) {
	t.Helper()
	for e, err := range s.Acts(testContext(t), from) {
		noError(t, "Acts", err)
		all = append(all, e)
	}
	return all
}

var wordingContract = []contract{
	{"wordings are kept with their text, sorted", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		none, err := s.WordingTexts(ctx, "")
		noError(t, "WordingTexts", err)
		same(t, "wordings of a new store", len(none), 0)
		nl2, nl1, fr, terms := wording(t, "nl", "2", "en"), wording(t, "nl", "1", "en"), wording(t, "nl", "1", "fr"), wording(t, "a", "1", "en")
		for _, w := range []gate.WordingText{nl2, fr, terms, nl1} {
			noError(t, "AddWording", s.AddWording(ctx, w))
		}
		other := b.Again()
		defer other.Close()
		got, err := other.WordingTexts(ctx, "nl")
		noError(t, "WordingTexts", err)
		same(t, "wordings of nl", got, []gate.WordingText{nl1, fr, nl2})
		got, err = other.WordingTexts(ctx, "")
		noError(t, "WordingTexts", err)
		same(t, "wordings", got, []gate.WordingText{terms, nl1, fr, nl2})
	}},
	{"a wording never changes", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		w := wording(t, "nl", "1", "en")
		noError(t, "AddWording", s.AddWording(ctx, w))
		again := w
		again.Added = day(9)
		noError(t, "AddWording again", s.AddWording(ctx, again))
		changed, err := gate.NewWording(w.Wording, "another text", day(9))
		noError(t, "NewWording", err)
		if err := s.AddWording(ctx, changed); !errors.Is(err, gate.ErrWordingStands) {
			t.Errorf("AddWording with another text: got %v, want ErrWordingStands", err)
		}
		got, err := s.WordingTexts(ctx, "nl")
		noError(t, "WordingTexts", err)
		same(t, "wordings", got, []gate.WordingText{w})
	}},
}

func wording(t *testing.T, id, version, language string) gate.WordingText {
	t.Helper()
	w, err := gate.NewWording(gate.Wording{ID: id, Version: version, Language: language},
		"Yes, send me the newsletter ("+id+" "+version+" "+language+")\nà bientôt", day(1))
	noError(t, "NewWording", err)
	return w
}

var eraseContract = []contract{
	{"an erased recipient without a refusal is nobody", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		apply(t, s, grant(1, "e1", day(1)), grant(2, "e2", day(1)))
		got, err := gate.Eraser{Store: s}.Erase(ctx, testID(1), erasure(false))
		noError(t, "Erase", err)
		same(t, "forgotten", got, gate.Forgotten{Record: got.Record, Events: 1})
		same(t, "person", person(t, s, 1), gate.Person{ID: testID(1)})
		same(t, "record", record(t, s, 1), gate.Record{})
		same(t, "somebody else", len(person(t, s, 2).Events), 1)
		apply(t, s, grant(1, "e1", day(1)))
		same(t, "version of a new start", record(t, s, 1).Version, uint64(1))
	}},
	{"an erased recipient's refusal stays, and a grant does not reopen it", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		apply(t, s, grant(1, "e1", day(1)), withdrawal(1, "e2", day(2)))
		_, err := gate.Eraser{Store: s}.Erase(ctx, testID(1), erasure(false))
		noError(t, "Erase", err)
		p := person(t, s, 1)
		same(t, "sealed address", p.Sealed, "")
		same(t, "events", len(p.Events), 2)
		same(t, "state", p.Record.For("newsletter").State, gate.StateWithdrawn)
		apply(t, s, grant(1, "e9", day(9)))
		same(t, "state after a sync", record(t, s, 1).For("newsletter").State, gate.StateActivePending)
		if record(t, s, 1).For("newsletter").Refused.IsZero() {
			t.Error("the refusal is gone")
		}
	}},
	{"what happened before an erasure and arrives after it is a bare fact, without the address", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		apply(t, s, withdrawal(1, "e2", day(2)))
		_, err := gate.Eraser{Store: s}.Erase(ctx, testID(1), erasure(false))
		noError(t, "Erase", err)
		late := gate.Change{ID: testID(1), Sealed: "sealed:1", Event: fullEvent()}
		late.Event.ID, late.Event.Type, late.Event.Time = "late", gate.Withdrawn, day(2)
		for _, live := range []bool{false, true} { // a replay, and what had waited in a journal
			late.Live = live
			late.Event.ID += "+"
			apply(t, s, late)
			p := person(t, s, 1)
			stored := p.Events[len(p.Events)-1]
			same(t, "event", stored, gate.Event{ID: late.Event.ID, Type: gate.Withdrawn, Purpose: late.Event.Purpose, Time: stored.Time})
			same(t, "sealed address", p.Sealed, "")
		}
		apply(t, s, grant(1, "e9", day(25)))
		same(t, "sealed address of somebody who came back", person(t, s, 1).Sealed, grant(1, "", day(1)).Sealed)
	}},
	{"with proof the events stay and the address goes", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		apply(t, s, gate.Change{ID: testID(1), Sealed: "sealed:1", Event: fullEvent()})
		_, err := gate.Eraser{Store: s}.Erase(ctx, testID(1), erasure(true))
		noError(t, "Erase", err)
		p := person(t, s, 1)
		same(t, "sealed address", p.Sealed, "")
		same(t, "events", len(p.Events), 2)
		same(t, "wording", p.Events[0].Wording, fullEvent().Wording)
		same(t, "note", p.Events[0].Note, "")
		got, err := gate.Eraser{Store: s}.Erase(ctx, testID(1), erasure(true))
		noError(t, "Erase again", err)
		same(t, "forgotten the second time", got.Events, 0)
	}},
	{"block entries lose the address and keep their order", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		var entries []gate.BlockEntry
		for n := range 603 {
			e := entry(n, day(1, n))
			e.RecipientID, e.Recipient, e.Address, e.MailFrom = testID(n%3), "a***@example.com", "sealed", "bounce+ann=example.com@news"
			entries = append(entries, e)
		}
		noError(t, "AppendBlocks", s.AppendBlocks(ctx, entries))
		n, err := s.EraseBlocks(ctx, testID(1))
		noError(t, "EraseBlocks", err)
		same(t, "erased", n, 201)
		i := len(entries)
		for e, err := range s.Blocks(ctx, gate.BlockQuery{}) {
			noError(t, "Blocks", err)
			i--
			want := entries[i]
			if want.RecipientID == testID(1) {
				want = want.Erase()
			}
			same(t, "entry", e, want)
		}
		same(t, "entries that are gone", i, 0)
		n, err = s.EraseBlocks(ctx, testID(1))
		noError(t, "EraseBlocks again", err)
		same(t, "erased again", n, 0)
		n, err = s.EraseBlocks(ctx, testID(77))
		noError(t, "EraseBlocks of nobody", err)
		same(t, "erased of nobody", n, 0)
	}},
	{"entries that arrive during an erasure are not lost", func(t *testing.T, b Backend) {
		ctx, s := ready(t, b)
		const writers, each = 4, 20
		noError(t, "AppendBlocks", s.AppendBlocks(ctx, []gate.BlockEntry{entry(100000, day(1))}))
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				for n := range each {
					e := entry(w*each+n, day(2))
					e.RecipientID = testID(w)
					if err := s.AppendBlocks(ctx, []gate.BlockEntry{e}); err != nil {
						t.Errorf("AppendBlocks: %v", err)
					}
				}
			})
			wg.Go(func() {
				if _, err := s.EraseBlocks(ctx, testID(w)); err != nil {
					t.Errorf("EraseBlocks: %v", err)
				}
			})
		}
		wg.Wait()
		count := 0
		for _, err := range s.Blocks(ctx, gate.BlockQuery{}) {
			noError(t, "Blocks", err)
			count++
		}
		same(t, "entries", count, writers*each+1)
	}},
}

func erasure(proof bool) gate.Erasure {
	return gate.Erasure{ID: "x1", Time: day(5), Actor: "cli:anna@mail", KeepProof: proof}
}
