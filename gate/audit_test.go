package gate_test

import (
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// trail is a chain of n entries.
func trail(n int) []gate.AuditEntry {
	var entries []gate.AuditEntry
	head := gate.AuditEntry{}
	for i := range n {
		head = head.Next(gate.Act{
			Time: time.Date(2026, 11, 1, 12, i, 0, 123456789, time.UTC), Actor: "cli:anna@mail", Name: "consent.erase",
			Subject: gate.ID{byte(i)}, Detail: "<proof> & \xff",
		})
		entries = append(entries, head)
	}
	return entries
}

func each(entries []gate.AuditEntry) iter.Seq2[gate.AuditEntry, error] {
	return func(yield func(gate.AuditEntry, error) bool) {
		for _, e := range entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func TestAChainThatWasNotTouchedIsWhole(t *testing.T) {
	t.Parallel()
	entries := trail(5)
	for n := range len(entries) + 1 {
		head, err := gate.CheckTrail(each(entries[:n]), gate.AuditEntry{})
		if err != nil || head.Seq != uint64(n) {
			t.Errorf("%d entries: head %d, error %v", n, head.Seq, err)
		}
	}
	if _, err := gate.CheckTrail(each(entries), entries[2]); err != nil {
		t.Errorf("with a head noted earlier: %v", err)
	}
}

func TestWhatWasDoneToAChainIsFoundAtTheFirstEntryThatIsWrong(t *testing.T) {
	t.Parallel()
	rehash := func(e gate.AuditEntry, prev string) gate.AuditEntry {
		return gate.AuditEntry{Seq: e.Seq - 1, Hash: prev}.Next(e.Act)
	}
	for name, tt := range map[string]struct {
		do    func(e []gate.AuditEntry) []gate.AuditEntry
		noted int // 1-based; 0: none
		want  string
	}{
		"a field was changed": {do: func(e []gate.AuditEntry) []gate.AuditEntry {
			e[2].Actor = "cli:eve@mail"
			return e
		}, want: "entry 3 was changed"},
		"a subject was changed": {do: func(e []gate.AuditEntry) []gate.AuditEntry {
			e[0].Subject = gate.ID{99}
			return e
		}, want: "entry 1 was changed"},
		"an entry was changed with its hash": {do: func(e []gate.AuditEntry) []gate.AuditEntry {
			e[2].Detail = "nothing"
			e[2] = rehash(e[2], e[1].Hash)
			return e
		}, want: "entry 3 was replaced: entry 4 follows another"},
		"an entry cannot be read": {do: func(e []gate.AuditEntry) []gate.AuditEntry {
			e[3] = gate.ReadAuditEntry(4, "{")
			return e
		}, want: "entry 4 was changed"},
		"the first is missing": {do: func(e []gate.AuditEntry) []gate.AuditEntry { return e[1:] }, want: "entry 1 is missing"},
		"one is missing":       {do: func(e []gate.AuditEntry) []gate.AuditEntry { return slices.Delete(e, 2, 3) }, want: "entry 3 is missing"},
		"one stands twice":     {do: func(e []gate.AuditEntry) []gate.AuditEntry { return slices.Insert(e, 3, e[2]) }, want: "entry 4 does not stand in its place"},
		"two changed their places": {do: func(e []gate.AuditEntry) []gate.AuditEntry {
			e[1], e[2] = e[2], e[1]
			return e
		}, want: "entry 2 does not stand in its place"},
		"the end was cut off": {do: func(e []gate.AuditEntry) []gate.AuditEntry { return e[:3] }, noted: 5, want: "its end was cut off"},
		"all is gone":         {do: func([]gate.AuditEntry) []gate.AuditEntry { return nil }, noted: 5, want: "it ends at entry 0"},
		"all was written anew": {do: func(e []gate.AuditEntry) []gate.AuditEntry {
			prev := ""
			for i := range e {
				e[i].Actor = "cli:eve@mail"
				e[i] = rehash(e[i], prev)
				prev = e[i].Hash
			}
			return e
		}, noted: 5, want: "entry 5 is not the one that was noted"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			noted := gate.AuditEntry{}
			if tt.noted > 0 {
				noted = trail(5)[tt.noted-1]
			}
			_, err := gate.CheckTrail(each(tt.do(trail(5))), noted)
			if !errors.Is(err, gate.ErrTrail) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

func TestATextReadsBackAsTheEntryItWas(t *testing.T) {
	t.Parallel()
	for _, e := range trail(3) {
		if got := gate.ReadAuditEntry(e.Seq, e.Text()); got != e {
			t.Errorf("got %+v, want %+v", got, e)
		}
	}
	e := trail(1)[0]
	for _, text := range []string{"", "null", e.Text() + " ", strings.Replace(e.Text(), `"seq":1,`, `"seq":1,"x":1,`, 1)} {
		if got := gate.ReadAuditEntry(7, text); got != (gate.AuditEntry{Seq: 7}) {
			t.Errorf("%q: got %+v, want nothing but the number", text, got)
		}
	}
}

func TestALogThatCannotBeReadIsNotAnAlteredOne(t *testing.T) {
	t.Parallel()
	_, err := gate.CheckTrail(func(yield func(gate.AuditEntry, error) bool) { yield(gate.AuditEntry{}, gate.ErrUnavailable) }, gate.AuditEntry{})
	if !errors.Is(err, gate.ErrUnavailable) || errors.Is(err, gate.ErrTrail) {
		t.Errorf("got %v", err)
	}
}

func FuzzReadAuditEntry(f *testing.F) {
	for _, e := range trail(2) {
		f.Add(e.Text())
	}
	f.Add(`{"seq":1,"time":"2026-11-01T12:00:00Z","actor":"a","act":"b","prev":"","hash":"00"}`)
	f.Fuzz(func(t *testing.T, text string) {
		if e := gate.ReadAuditEntry(3, text); e != (gate.AuditEntry{Seq: 3}) && e.Text() != text {
			t.Errorf("%q reads as an entry whose text is %q", text, e.Text())
		}
	})
}
