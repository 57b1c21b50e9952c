package gate

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// Mark is an operator's word on a source: whatever consent rests on what the source gave until then is invalid, or,
// with Lift, counts again. Marks are only ever added, so that who said what, when and why stays to be shown.
type Mark struct {
	ID     string    `json:"id"`
	Source string    `json:"source"` // kind:id, or a kind alone for all sources of that kind
	Time   time.Time `json:"time"`
	Why    string    `json:"why"`
	Actor  string    `json:"actor,omitempty"`
	Lift   bool      `json:"lift,omitempty"`
}

// Bounds of a mark's texts: the source as in an event, the reason so that hints can repeat it.
const (
	maxSourceID = 128
	maxWhy      = 512
)

// Validate reports what keeps a mark from being set. The error wraps ErrInvalidEvent and names the JSON field.
func (m Mark) Validate() error {
	kind, id, named := strings.Cut(m.Source, ":")
	switch {
	case !hasWord(sourceKinds, kind):
		return invalidEvent("source", "%q: its kind is unknown; write kind:id, such as contest:summer-quiz, or a kind alone", m.Source)
	case named && id == "":
		return invalidEvent("source", "%q: the id is missing; write kind:id, or the kind alone for all its sources", m.Source)
	case len(id) > maxSourceID:
		return invalidEvent("source", "longer than %d bytes", maxSourceID)
	case strings.TrimSpace(m.Why) == "":
		return invalidEvent("why", "missing; say why, for whoever has to answer for it later")
	case len(m.Why) > maxWhy:
		return invalidEvent("why", "longer than %d bytes", maxWhy)
	case strings.ContainsFunc(m.Source+m.Why+m.Actor, unicode.IsControl) || !utf8.ValidString(m.Source+m.Why+m.Actor):
		return invalidEvent("why", "source, why or actor hold control characters or are not UTF-8; remove them")
	case m.ID == "" || m.Time.IsZero():
		return invalidEvent("id", "id and time are needed")
	}
	return nil
}

// Covers reports whether a source, as a record writes it, is the one that the mark names or one of its kind.
func (m Mark) Covers(source string) bool { return m.strike().Source.covers(source) }

// Marks are the marks that stand, by source, each source's in order of time. Without any they invalidate nothing.
type Marks map[string][]Mark

// StandingMarks returns the marks that nothing has lifted since, whatever the order of all; nil where none stands.
func StandingMarks(all []Mark) Marks {
	ordered := slices.SortedFunc(slices.Values(all), CompareMarks)
	var m Marks
	for _, mark := range ordered {
		switch {
		case mark.Lift:
			delete(m, mark.Source)
		case m == nil:
			m = Marks{mark.Source: {mark}}
		default:
			m[mark.Source] = append(m[mark.Source], mark)
		}
	}
	if len(m) == 0 {
		return nil
	}
	return m
}

// CompareMarks orders marks by time, in a tie the one that lifts first.
func CompareMarks(a, b Mark) int {
	lifts := func(m Mark) int {
		if m.Lift {
			return 0
		}
		return 1
	}
	return cmp.Or(a.Time.Compare(b.Time), cmp.Compare(lifts(a), lifts(b)), cmp.Compare(a.ID, b.ID))
}

// Fold is the fold of a history under the marks. Each strikes, at its own moment, the consent that rests on its source
// then, as an invalidated event would: what the same source says again is nothing, while another source, a renewal or a
// confirmation by the person counts.
func (m Marks) Fold(events []Event) Record {
	all := slices.Clone(events)
	for _, source := range slices.Sorted(maps.Keys(m)) {
		for _, mark := range m[source] {
			all = append(all, mark.strike())
		}
	}
	return Fold(all)
}

// struck is the type of a mark among the events. Nothing but Marks makes one: no store holds it and Validate refuses it,
// since it has no precedence, which also puts it before every event of its moment.
const struck EventType = "struck"

// strike is the mark as an event of every history. It comes when its second is over, since records know no more.
func (m Mark) strike() Event {
	kind, id, _ := strings.Cut(m.Source, ":")
	return Event{
		Type: struck, Time: time.Unix(m.Time.Unix()+1, 0).UTC(),
		Source: Source{Kind: kind, ID: id}, Note: m.Why,
	}
}

// covers reports whether a source, as a record writes it, is the one that a mark names or one of its kind.
func (s Source) covers(source string) bool {
	if s.ID != "" {
		return source == s.Kind+":"+s.ID
	}
	kind, _, _ := strings.Cut(source, ":")
	return kind == s.Kind
}

// on returns the marks that concern a source.
func (m Marks) on(source string) []Mark {
	kind, _, named := strings.Cut(source, ":")
	if !named {
		return m[kind]
	}
	return append(slices.Clip(m[kind]), m[source]...)
}

// Concerning returns the marks on the sources that grants of a history name, in order of time.
func (m Marks) Concerning(events []Event) []Mark {
	var found []Mark
	for _, e := range events {
		if !e.isGrant() && e.Type != ConfirmationRequested || e.Source.Kind == "" {
			continue
		}
		for _, mark := range m.on(sourceText(e.Source)) {
			if !slices.Contains(found, mark) {
				found = append(found, mark)
			}
		}
	}
	slices.SortFunc(found, CompareMarks)
	return found
}

// concern reports whether some consent of the record rests on a source with a mark.
func (m Marks) concern(r Record) bool {
	for _, c := range r.Consents {
		if c.Source != "" && len(m.on(c.Source)) > 0 {
			return true
		}
	}
	return false
}

// strikeOnly is Fold for a record that a single event made, which then says all that the event said.
func (m Marks) strikeOnly(r Record) Record {
	r.Consents = maps.Clone(r.Consents)
	for purpose, c := range r.Consents {
		machine := machine{c: c}
		for _, mark := range m.on(c.Source) {
			if e := mark.strike(); c.At.Before(e.Time) {
				machine.applyToAll(&e)
			}
		}
		r.Consents[purpose] = machine.c
	}
	return r
}

// Marked reads records as the marks on sources leave them. A record whose source has no mark costs nothing more; one
// that has, and more than one event behind it, is folded anew from its history.
type Marked struct {
	Store interface {
		Reader
		Historian
	}
	// Marks returns the marks last read; the error says that this was too long ago to permit anything by them.
	Marks func() (Marks, error)
}

// atOnce is how many histories one call reads at the same time.
const atOnce = 8

// Records implements [Reader].
func (m Marked) Records(ctx context.Context, ids []ID) []Lookup {
	out := m.Store.Records(ctx, ids)
	marks, err := m.Marks() // after the records: none of them is newer than the marks
	if len(marks) == 0 && err == nil {
		return out
	}
	var again []reread
	for i := range out {
		l := &out[i]
		l.Doubt = err
		if l.Err == nil && marks.concern(l.Record) {
			again = append(again, reread{ids[i], &l.Record, &l.Err})
		}
	}
	m.leave(ctx, marks, again)
	return out
}

// Applied is what became of changes, its records as the marks leave them, for whoever asked for the changes to hear. A
// record that cannot be read for that has an error: the change stands, and to apply it again changes nothing.
func (m Marked) Applied(ctx context.Context, changes []Change, applied []Applied) []Applied {
	marks, _ := m.Marks() // the last that were read: an answer permits nothing
	var again []reread
	for i := range applied {
		if a := &applied[i]; a.Err == nil && marks.concern(a.Record) {
			again = append(again, reread{changes[i].ID, &a.Record, &a.Err})
		}
	}
	m.leave(ctx, marks, again)
	return applied
}

// reread is a record to replace by what marks leave of it, or an error that says why not.
type reread struct {
	id  ID
	rec *Record
	err *error
}

// leave replaces records that the marks concern.
func (m Marked) leave(ctx context.Context, marks Marks, records []reread) {
	var wg sync.WaitGroup
	free := make(chan struct{}, atOnce)
	for _, r := range records {
		if r.rec.Version == 1 {
			*r.rec = marks.strikeOnly(*r.rec)
			continue
		}
		free <- struct{}{}
		wg.Go(func() {
			var p Person
			p, *r.err = m.Person(ctx, r.id)
			*r.rec = p.Record
			<-free
		})
	}
	wg.Wait()
}

// Person implements [Historian]: the events as they stand, the record as the marks leave it. Marks that cannot be read
// leave it as it is: it is for people to see, and nothing is sent for it.
func (m Marked) Person(ctx context.Context, id ID) (Person, error) {
	p, err := m.Store.Person(ctx, id)
	if marks, _ := m.Marks(); err == nil {
		p = marks.person(p)
	}
	return p, err
}

// person is p with the record that the marks leave.
func (m Marks) person(p Person) Person {
	if m.concern(p.Record) {
		version := p.Record.Version
		p.Record = m.Fold(p.Events)
		p.Record.Version = version
	}
	return p
}

// MarkedScan walks a store as the marks leave its records; the events are as they stand.
type MarkedScan struct {
	Store Scanner
	Marks Marks
}

// Persons implements [Scanner].
func (s MarkedScan) Persons(ctx context.Context) iter.Seq2[Person, error] {
	return func(yield func(Person, error) bool) {
		for p, err := range s.Store.Persons(ctx) {
			if err == nil {
				p = s.Marks.person(p)
			}
			if !yield(p, err) {
				return
			}
		}
	}
}
