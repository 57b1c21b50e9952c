package retention_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/internal/retention"
	"github.com/consentgate/consentgate/internal/testredis"
	"github.com/consentgate/consentgate/policies"
	"github.com/consentgate/consentgate/store/redisstore"
	"github.com/consentgate/consentgate/store/sqlitestore"
)

const year = 365 * 24 * time.Hour

func now() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

// ago is a moment so many years before now.
func ago(years float64) time.Time { return now().Add(-time.Duration(years * float64(year))) }

func policy(t *testing.T) *gate.Policy {
	t.Helper()
	packs, err := policies.Load()
	if err != nil {
		t.Fatal(err)
	}
	p, err := gate.NewPolicy(packs, []string{"FR", "US"}, "FR")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// events reads a history: "type years-ago", with the method of a grant after a slash.
func events(t *testing.T, lines string) (list []gate.Event) {
	t.Helper()
	for i, line := range strings.Split(lines, ";") {
		var what string
		var years float64
		if _, err := fmt.Sscan(line, &what, &years); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		typ, method, _ := strings.Cut(what, "/")
		via := gate.Via("")
		if typ == string(gate.Confirmed) {
			via = gate.ViaMailbox
		}
		list = append(list, gate.Event{
			Via: via, ID: fmt.Sprint("e", i), Type: gate.EventType(typ), Method: gate.Method(method), Purpose: "newsletter",
			Time: ago(years), Source: gate.Source{Kind: "form", ID: "footer"}, IP: "192.0.2.1", Note: "says who",
			Evidence: gate.Evidence{ConfirmedAt: ago(years), Ref: "page"},
		})
	}
	return list
}

func record(t *testing.T, s gate.Store, n byte, history []gate.Event) {
	t.Helper()
	for _, e := range history {
		for _, a := range s.Apply(t.Context(), []gate.Change{{ID: gate.ID{n}, Sealed: "sealed", Event: e}}) {
			if a.Err != nil {
				t.Fatal(a.Err)
			}
		}
	}
}

func TestWhoseTimeIsOverLosesHistoryAndAddressAndKeepsTheRefusal(t *testing.T) {
	t.Parallel()
	periods := retention.Periods{Evidence: 2 * year, Inactive: 6 * year}
	for name, c := range map[string]struct {
		history string
		want    retention.Report
	}{
		"withdrawn 3 years ago":                       {"granted/active 4; withdrawn 3", retention.Report{Evidence: 1, Kept: 1}},
		"withdrawn 1 year ago":                        {"granted/active 4; withdrawn 1", retention.Report{}},
		"withdrawn and confirmed since":               {"granted/active 5; withdrawn 4; granted/active 3.6; confirmed 3.5", retention.Report{}},
		"withdrawn, and touched by a bounce since":    {"granted/active 4; withdrawn 3; bounced 1", retention.Report{}},
		"a complaint 3 years ago":                     {"granted/active 4; complained 3", retention.Report{Evidence: 1, Kept: 1}},
		"suppressed by hand 3 years ago":              {"suppressed 3", retention.Report{Evidence: 1, Kept: 1}},
		"the clock ran out 2.5 years ago (FR: 3)":     {"granted/double 5.5", retention.Report{Evidence: 1}},
		"the clock ran out 1 year ago":                {"granted/double 4", retention.Report{}},
		"active for 4 years, by what it clicks":       {"granted/double 5.5; activity 1", retention.Report{}},
		"invalidated 3 years ago":                     {"granted/active 4; invalidated 3", retention.Report{Evidence: 1}},
		"passive for 5 years":                         {"granted/passive 5", retention.Report{}},
		"passive for 7 years and never acted":         {"granted/passive 7; granted/passive 0.1", retention.Report{Inactive: 1}},
		"imported 7 years ago":                        {"granted/imported 7", retention.Report{Inactive: 1}},
		"a bounce 7 years ago and nothing else":       {"bounced 7", retention.Report{Inactive: 1}},
		"waiting for a confirmation for 7 years":      {"granted/active 7; withdrawn 6.9; granted/active 6.5", retention.Report{Inactive: 1, Kept: 1}},
		"acted 4.5 years ago, first seen 9 years ago": {"granted/passive 9; confirmed 4.5", retention.Report{}},
		"erased before, with the refusal still here":  {"withdrawn 9; erased 8", retention.Report{Evidence: 1, Kept: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := gatetest.NewStore()
			record(t, s, 1, events(t, c.history))
			before, _ := s.Person(t.Context(), gate.ID{1})
			job := retention.Job{Store: s, Periods: periods, Policy: policy(t), Now: now(), DryRun: true}
			var dry, got, again retention.Report
			run(t, &job, &dry)
			if p, _ := s.Person(t.Context(), gate.ID{1}); !cmp.Equal(p, before) {
				t.Error("a dry run changed something")
			}
			job.DryRun = false
			run(t, &job, &got)
			c.want.Recipients = 1
			if got != c.want || dry != c.want {
				t.Fatalf("dry run %+v, run %+v, want %+v", dry, got, c.want)
			}
			run(t, &job, &again)
			if again.Evidence+again.Inactive != 0 {
				t.Errorf("the second run: %+v, want nothing to do", again)
			}
			wantNoTrace(t, s, before, got)
		})
	}
}

func run(t *testing.T, j *retention.Job, r *retention.Report) {
	t.Helper()
	if err := j.People(t.Context(), r); err != nil {
		t.Fatal(err)
	}
}

// wantNoTrace looks at what is left of the person.
func wantNoTrace(t *testing.T, s gate.Store, before gate.Person, r retention.Report) {
	t.Helper()
	after, err := s.Person(t.Context(), before.ID)
	if err != nil {
		t.Fatal(err)
	}
	if r.Evidence+r.Inactive == 0 {
		if !cmp.Equal(after, before) {
			t.Errorf("something was removed: %+v", after)
		}
		return
	}
	if after.Sealed != "" || strings.Contains(fmt.Sprint(after.Events), "192.0.2.1") || strings.Contains(fmt.Sprint(after.Events), "says") {
		t.Errorf("left: %+v", after)
	}
	refused := gate.Fold(before.Events).For("newsletter").Refused
	if got := after.Record.For("newsletter").Refused; !got.Equal(refused) {
		t.Errorf("refusal of %v, want that of %v", got, refused)
	}
	if len(after.Events) > 0 && after.Record.Version <= before.Record.Version {
		t.Error("the version does not tell that it was rewritten")
	}
}

func TestAConsentThatCountsOnAnyStreamIsKept(t *testing.T) {
	t.Parallel()
	s := gatetest.NewStore()
	history := events(t, "granted/double 5.5")
	history[0].Jurisdiction = "US"
	record(t, s, 1, history)
	job := retention.Job{
		Store: s, Periods: retention.Periods{Evidence: year}, Policy: policy(t), Now: now(),
		Streams: []*gate.Stream{{Name: "us", Kind: gate.KindMarketing, Purpose: "newsletter", Jurisdiction: "US"}},
	}
	var r retention.Report
	run(t, &job, &r)
	if r.Evidence != 0 {
		t.Error("the evidence of a consent that a stream still permits was removed")
	}
}

func TestRetentionOnEveryStore(t *testing.T) {
	t.Parallel()
	redis, err := redisstore.Open(redisstore.Options{Addrs: []string{testredis.Start(t).Addr}})
	if err != nil {
		t.Fatal(err)
	}
	sqlite, err := sqlitestore.Open(sqlitestore.Options{Path: filepath.Join(t.TempDir(), "consent.db")})
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]gate.Store{"redis": redis, "sqlite": sqlite} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Cleanup(func() { s.Close() })
			arrived := fill(t, s)
			job := retention.Job{
				Store: s, Policy: policy(t), Now: now(), Periods: retention.Periods{Blocks: time.Hour, Evidence: 2 * year},
			}
			var r retention.Report
			run(t, &job, &r)
			job.Now = arrived.Add(2 * time.Hour)
			if err := job.Blocks(t.Context(), &r); err != nil {
				t.Fatal(err)
			}
			if want := (retention.Report{Blocks: 2, Recipients: 200, Evidence: 100, Kept: 100}); r != want {
				t.Errorf("%+v, want %+v", r, want)
			}
			wantEverySecondSealed(t, s)
		})
	}
}

// fill makes a store of 200 people, every second of whom withdrew long ago, and two block entries that arrive now.
func fill(t *testing.T, s gate.Store) (arrived time.Time) {
	t.Helper()
	if err := s.Init(t.Context(), gate.Meta{Fingerprint: "0123456789abcdef", Created: now()}); err != nil {
		t.Fatal(err)
	}
	for n := range byte(200) {
		history := "granted/active 1"
		if n%2 == 0 {
			history = "granted/active 4; withdrawn 3"
		}
		record(t, s, n, events(t, history))
	}
	arrived = time.Now()
	if err := s.AppendBlocks(t.Context(), []gate.BlockEntry{{ID: "b1", Time: arrived}, {ID: "b2", Time: arrived}}); err != nil {
		t.Fatal(err)
	}
	return arrived
}

func wantEverySecondSealed(t *testing.T, s gate.Store) {
	t.Helper()
	for p, err := range s.Persons(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if gone := p.Sealed == ""; gone != (p.ID[0]%2 == 0) {
			t.Errorf("person %d: sealed %q", p.ID[0], p.Sealed)
		}
	}
}
