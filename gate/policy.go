package gate

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Policy decides. It holds the packs of the enabled jurisdictions and never changes, so that any number of sessions
// may ask at once. The zero Policy permits no marketing.
type Policy struct {
	rules     []rule
	books     map[string]*book // by enabled jurisdiction
	strictest *book            // what counts where a record's jurisdiction is not enabled
	fallback  string
	version   string
	questions sync.Pool // memory of *question: rules are called by value of function, which would move each to the heap
}

// book is a pack ready to be asked, or several merged into one.
type book struct {
	optOut   bool
	evidence bool
	cells    map[cellKey]ruling
}

type cellKey struct {
	state State
	b2b   bool
}

// ruling is a cell and the jurisdiction whose it is.
type ruling struct {
	Cell
	from      string
	clockFrom string // whose the clock is, where that is another's
}

// NewPolicy makes a policy of the enabled jurisdictions. fallback is the one that counts where neither record nor
// stream names any (default_jurisdiction); it is enabled, and not an opt-out one.
func NewPolicy(packs []Pack, enabled []string, fallback string) (*Policy, error) {
	known, err := checkPacks(packs)
	if err != nil {
		return nil, err
	}
	p := &Policy{rules: ruleOrder(), books: make(map[string]*book, len(enabled)), fallback: fallback}
	for _, code := range enabled {
		pack, ok := known[code]
		if !ok {
			return nil, fmt.Errorf("jurisdiction %q has no pack; there are %s", code, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
		p.books[code] = newBook(pack)
	}
	switch b := p.books[fallback]; {
	case b == nil:
		return nil, fmt.Errorf("default_jurisdiction %q is not enabled; add it to jurisdictions", fallback)
	case b.optOut:
		return nil, fmt.Errorf("default_jurisdiction %q is an opt-out pack; name an opt-in one here, and %[1]s on the streams it is for", fallback)
	}
	p.strictest = p.merge()
	p.version = hashOf(known, slices.Sorted(maps.Keys(p.books)), fallback)
	return p, nil
}

func checkPacks(packs []Pack) (map[string]Pack, error) {
	known := make(map[string]Pack, len(packs))
	var problems []error
	for _, pack := range packs {
		if _, twice := known[pack.Jurisdiction]; twice {
			problems = append(problems, fmt.Errorf("pack %s: there are two", pack.Jurisdiction))
		}
		known[pack.Jurisdiction] = pack
		for _, problem := range pack.Problems() {
			problems = append(problems, fmt.Errorf("pack %s: %s: %s", pack.Jurisdiction, problem.Field, problem.Text))
		}
	}
	return known, errors.Join(problems...)
}

func newBook(pack Pack) *book {
	b := &book{optOut: pack.Model == OptOut, evidence: pack.Evidence, cells: make(map[cellKey]ruling, 2*len(pack.B2C))}
	for s, c := range pack.B2C {
		b.cells[cellKey{s, false}] = ruling{Cell: c, from: pack.Jurisdiction}
	}
	for s, c := range pack.B2B {
		b.cells[cellKey{s, true}] = ruling{Cell: c, from: pack.Jurisdiction}
	}
	return b
}

// merge takes from the enabled opt-in packs the strictest of each cell, so that a place nobody configured never gets
// more than every configured one would give. The default's cell stands where others are no stricter.
func (p *Policy) merge() *book {
	all := &book{cells: make(map[cellKey]ruling)}
	for key, r := range p.books[p.fallback].cells {
		r.Longer = nil
		all.cells[key] = r
	}
	for _, code := range slices.Sorted(maps.Keys(p.books)) {
		b := p.books[code]
		if b.optOut {
			continue
		}
		all.evidence = all.evidence || b.evidence
		for key, r := range b.cells {
			all.cells[key] = all.cells[key].and(r)
		}
	}
	return all
}

// and is the stricter of two with what the other asks beside: its demand, its shorter clock.
func (r ruling) and(other ruling) ruling {
	if other.stricterThan(r) {
		r, other = other, r
	}
	r.Longer, other.Longer = nil, nil
	if !r.Permit && r.Reason != ReasonConfirmationRequired {
		return r
	}
	return r.withDemandsOf(other)
}

// withDemandsOf asks what the other asks beside: the category, and the shorter clock.
func (r ruling) withDemandsOf(other ruling) ruling {
	r.Category, r.FromGrant = r.Category || other.Category, r.FromGrant || other.FromGrant
	if other.Expires.shorterThan(r.Expires) {
		r.Expires, r.Clock, r.clockFrom, r.Longer = other.Expires, other.Clock, cmp.Or(other.clockFrom, other.from), other.Longer
	}
	return r
}

// stricterThan: a block beats a permit, one that nothing lifts beats one that a confirmation lifts, a demand beats
// none, and a shorter clock beats a longer.
func (r ruling) stricterThan(other ruling) bool {
	if a, b := r.severity(), other.severity(); a != b {
		return a > b
	}
	return r.Permit && r.Expires.shorterThan(other.Expires)
}

func (r ruling) severity() int {
	switch {
	case r.Permit && !r.Category:
		return 0
	case r.Permit:
		return 1
	case r.Reason == ReasonConfirmationRequired:
		return 2
	}
	return 3
}

// hashOf names a policy: the same packs, enabled the same way, have the same version everywhere. fmt prints maps in
// the order of their keys.
func hashOf(known map[string]Pack, enabled []string, fallback string) string {
	h := sha256.New()
	fmt.Fprintln(h, fallback)
	for _, code := range enabled {
		fmt.Fprintf(h, "%+v\n", known[code])
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}

// Version names the packs and how they are enabled; decisions carry it so that they can be replayed.
func (p *Policy) Version() string { return p.version }

// CheckStream reports what keeps a stream from being decided as its config says.
func (p *Policy) CheckStream(s *Stream) error {
	switch {
	case !slices.Contains([]Kind{KindMarketing, KindTransactional, KindService, KindConfirmation}, s.Kind):
		return fmt.Errorf("stream %s: kind %q is unknown; use marketing, transactional, service or confirmation", s.Name, s.Kind)
	case s.Kind != KindTransactional && !IsPurpose(s.Purpose):
		return fmt.Errorf("stream %s: purpose %q is no name; say what consent this mail needs, such as newsletter", s.Name, s.Purpose)
	case s.Jurisdiction != "" && p.books[s.Jurisdiction] == nil:
		return fmt.Errorf("stream %s: jurisdiction %q is not enabled; add it to jurisdictions", s.Name, s.Jurisdiction)
	case s.OnBlock == OnBlockDiscard && s.Kind != KindMarketing:
		return fmt.Errorf("stream %s: on_block: discard is for marketing streams only", s.Name)
	}
	for _, pattern := range s.Match {
		if err := CheckPattern(pattern); err != nil {
			return fmt.Errorf("stream %s: %w", s.Name, err)
		}
	}
	return nil
}

// Decide answers whether a message of the stream may reach the recipient now. It asks the rules in their order; the
// first that has an answer gives it. Where none has, the answer is no.
func (p *Policy) Decide(now time.Time, s *Stream, a Address, l Lookup) Decision {
	q, ok := p.questions.Get().(*question)
	if !ok {
		q = new(question)
	}
	defer p.forget(q)
	p.ask(q, now, s, a, l)
	name, ans := "default", answer{verdict: Block, reason: ReasonNoConsent}
	for _, r := range p.rules {
		if got := r.ask(q); got.verdict != "" {
			name, ans = r.name, got
			break
		}
	}
	d := Decision{
		Verdict: ans.verdict, Reason: ans.reason, Rule: name, Stream: s.Name, Purpose: s.Purpose,
		State: q.state, Method: q.consent.Method, Source: q.consent.Source, Suppression: q.suppression(), Citation: ans.citation, Jurisdiction: ans.jurisdiction,
		Hint: ans.hint, PolicyVersion: p.version,
	}
	d.Refused = d.Verdict == Block && (q.consent.refused() || q.complaint != nil)
	return d
}

// Until is the moment at which a recipient's consent runs out, or ran out, by the pack that a stream goes by, and the law
// that sets it. The time is zero where the stream needs no consent, the pack takes none of this state, or no clock runs.
func (p *Policy) Until(s *Stream, a Address, l Lookup) (end time.Time, law string) {
	var q question
	p.ask(&q, time.Time{}, s, a, l)
	if l.Err != nil || s.Kind != KindMarketing || !q.ruling.Permit {
		return time.Time{}, ""
	}
	_, end, law = q.clock()
	return end, law
}

// ask fills q with what is asked.
func (p *Policy) ask(q *question, now time.Time, s *Stream, a Address, l Lookup) {
	*q = question{now: now, stream: s, addr: a, storeErr: l.Err, doubt: l.Doubt}
	if l.Err != nil {
		return
	}
	q.consents = l.Record.Consents
	q.consent = l.Record.For(s.Purpose)
	q.state = q.consent.State
	q.book = p.bookFor(cmp.Or(q.consent.Jurisdiction, l.Record.Jurisdiction), s)
	q.ruling = q.rulingOnConsent()
	for i := range l.Record.Suppressions {
		q.weigh(&l.Record.Suppressions[i])
	}
}

// forget keeps the memory of a question and nothing of whom it was about.
func (p *Policy) forget(q *question) {
	*q = question{}
	p.questions.Put(q)
}

// bookFor picks the rules: the record's jurisdiction, else the stream's, else the default. An opt-out pack counts only
// on a stream that names it, so that no column of an import can open the gate.
func (p *Policy) bookFor(code string, s *Stream) *book {
	code = cmp.Or(code, s.Jurisdiction, p.fallback)
	b := p.books[code]
	if b == nil || b.optOut && s.Jurisdiction != code {
		return p.strictest
	}
	return b
}
