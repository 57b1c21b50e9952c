package bulk_test

import (
	"context"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/internal/bulk"
	"github.com/consentgate/consentgate/internal/seal"
	"github.com/consentgate/consentgate/policies"
)

// now is the moment of every import of these tests.
func now() time.Time { return time.Date(2024, 11, 1, 12, 0, 0, 0, time.UTC) }

// site is a store, its keys and a policy that imports go into.
type site struct {
	t       testing.TB
	store   *gatetest.Store
	keys    *seal.Keys
	policy  *gate.Policy
	streams []*gate.Stream
}

func newSite(t testing.TB) *site {
	t.Helper()
	keys, err := seal.Open(t.TempDir(), seal.Options{MayCreate: true})
	if err != nil {
		t.Fatal(err)
	}
	packs, err := policies.Load()
	if err != nil {
		t.Fatal(err)
	}
	policy, err := gate.NewPolicy(packs, []string{"EU", "FR"}, "EU")
	if err != nil {
		t.Fatal(err)
	}
	return &site{t: t, store: gatetest.NewStore(), keys: keys, policy: policy, streams: []*gate.Stream{
		{Name: "newsletter", Kind: gate.KindMarketing, Purpose: "newsletter"},
		{Name: "receipts", Kind: gate.KindTransactional},
	}}
}

// csv is a Reading of CSV about the newsletter.
func csv() bulk.Reading {
	return bulk.Reading{Format: bulk.FormatCSV, Purpose: "newsletter", Batch: "file", Actor: "cli:test", Now: now()}
}

// result is what an import said.
type result struct {
	bulk.Summary
	rejects []bulk.Reject
	err     error
}

func (s *site) importer(r bulk.Reading, rejects *[]bulk.Reject) *bulk.Importer {
	return &bulk.Importer{
		Reading: r, Store: s.store, Keys: s.keys, IDKey: s.keys.Fingerprint(), Policy: s.policy, Streams: s.streams, Writers: 3,
		Reject: func(r bulk.Reject) error {
			*rejects = append(*rejects, r)
			return nil
		},
	}
}

// run imports and checks that the counts add up.
func (s *site) run(r bulk.Reading, in io.Reader) result {
	s.t.Helper()
	var res result
	res.Summary, res.err = s.importer(r, &res.rejects).Run(context.Background(), in)
	c := res.Counts
	if c.Rows != c.Imported+c.Unchanged+c.Rejected+c.Unwritten || len(res.rejects) != c.Rejected {
		s.t.Errorf("%+v with %d rejects does not add up", c, len(res.rejects))
	}
	return res
}

func (s *site) text(r bulk.Reading, text string) result {
	s.t.Helper()
	return s.run(r, strings.NewReader(text))
}

// file imports a file of testdata.
func (s *site) file(r bulk.Reading, name string) result {
	s.t.Helper()
	f, err := os.Open(filepath.Join("testdata", name))
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	return s.run(r, f)
}

// preset is a Reading of a program's export.
func preset(name string) bulk.Reading {
	r := csv()
	r.Preset = name
	return r
}

func (s *site) id(address string) gate.ID {
	s.t.Helper()
	a, err := gate.ParseAddress(address)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.keys.ID(a)
}

func (s *site) record(address string) gate.Record {
	s.t.Helper()
	l := s.store.Records(context.Background(), []gate.ID{s.id(address)})[0]
	if l.Err != nil {
		s.t.Fatal(l.Err)
	}
	return l.Record
}

// events returns the history of one recipient.
func (s *site) events(address string) []gate.Event {
	s.t.Helper()
	p, err := s.store.Person(context.Background(), s.id(address))
	if err != nil {
		s.t.Fatal(err)
	}
	return p.Events
}

// states says of each local part at example.com what the newsletter's consent is, and what suppresses.
func (s *site) states(names ...string) map[string]string {
	s.t.Helper()
	all := make(map[string]string, len(names))
	for _, name := range names {
		r := s.record(name + "@example.com")
		words := []string{string(r.For("newsletter").State)}
		for _, sup := range r.Suppressions {
			words = append(words, string(sup.Kind)+":"+sup.Scope)
		}
		all[name] = strings.Join(words, " ")
	}
	return all
}

func (s *site) wantStates(want map[string]string) {
	s.t.Helper()
	var names []string
	for name := range maps.Keys(want) {
		names = append(names, name)
	}
	if diff := cmp.Diff(want, s.states(names...)); diff != "" {
		s.t.Errorf("states (-want +got):\n%s", diff)
	}
}

// records returns everybody's record by address, without versions.
func (s *site) records() map[string]gate.Record {
	s.t.Helper()
	all := make(map[string]gate.Record)
	for p, err := range s.store.Persons(context.Background()) {
		if err != nil {
			s.t.Fatal(err)
		}
		address, err := s.keys.Unseal(p.Sealed)
		if err != nil {
			s.t.Fatal(err)
		}
		p.Record.Version = 0
		all[address] = p.Record
	}
	return all
}
