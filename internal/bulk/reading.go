package bulk

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// Formats of files.
const (
	FormatCSV   = "csv"   // a header row, then a row each (RFC 4180); comma or semicolon
	FormatJSONL = "jsonl" // an event a line in gate's form; with Columns, a flat object a line
)

// ErrReading is wrapped by what is wrong with a Reading, or with how it fits a file: the command line's fault, not a
// row's.
var ErrReading = errors.New("cannot read the file so")

func wrongReading(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrReading, fmt.Sprintf(format, args...))
}

// Reading says how the rows of a file become events.
type Reading struct {
	Format  string            // FormatCSV or FormatJSONL
	Preset  string            // one of Presets, or empty
	Columns map[string]string // field (or input of the preset) → column
	Values  map[string]string // field → what holds where a row says nothing
	Purpose string            // of rows that name none
	Attest  string            // whose word stands for what Values and At claim
	At      time.Time         // when rows without a time happened; zero: see Reading.when
	Dates   DateOrder         // how 03/04/2026 is read
	Batch   string            // names the file: source.id where nothing else does
	Actor   string            // who imports
	Now     time.Time
}

// Check reports what makes no sense whatever the file holds. It wraps ErrReading.
func (r Reading) Check() error {
	switch {
	case r.Format != FormatCSV && r.Format != FormatJSONL:
		return wrongReading("format %q: use csv or jsonl", r.Format)
	case r.Preset != "" && r.Format != FormatCSV:
		return wrongReading("preset %s reads CSV", r.Preset)
	case r.Preset != "" && presetNamed(r.Preset) == nil:
		return wrongReading("there is no preset %q: use %s", r.Preset, strings.Join(Presets(), ", "))
	case r.Purpose != "" && r.Purpose != gate.AllPurposes && !gate.IsPurpose(r.Purpose):
		return wrongReading("purpose %q is no name: use a-z, 0-9, _ . - and begin with a letter or digit", r.Purpose)
	case r.Preset != "" && r.Purpose == "":
		return wrongReading("purpose is missing: preset %s reads no purpose: say which one these people signed up for", r.Preset)
	case r.Preset != "" && r.Purpose == gate.AllPurposes:
		return wrongReading("purpose \"*\" cannot be granted: name the one these people signed up for")
	case r.Dates != "" && r.Dates != DayFirst && r.Dates != MonthFirst:
		return wrongReading("dates %q: use dmy or mdy", r.Dates)
	}
	if _, err := r.finisher(); err != nil {
		return err
	}
	return r.checkClaims()
}

// checkClaims asks for somebody's word where the command line says for every row at once how consent was given. A
// claim about a whole file is evidence only if somebody stands for it.
func (r Reading) checkClaims() error {
	if r.Attest != "" {
		return nil
	}
	const ask = "a claim for a whole file needs somebody's word: add --attest \"who says so, and how they know\""
	for _, field := range slices.Sorted(maps.Keys(r.Values)) {
		if isClaim(field, r.Values[field]) {
			return wrongReading("%s=%s says for every row how consent was given: %s", field, r.Values[field], ask)
		}
	}
	if !r.At.IsZero() {
		return wrongReading("a time for every row says when consent was given: %s", ask)
	}
	return nil
}

// isClaim reports whether a value can help a row to a permit. Where a row came from, and whatever speaks against
// sending, cannot.
func isClaim(field, value string) bool {
	switch field {
	case "purpose", "source", "source.kind", "source.id", "source.url", "note":
		return false
	case "method":
		return value != string(gate.MethodPassive) && value != string(gate.MethodImported)
	case "default_state":
		return value != string(gate.DefaultTicked) && value != string(gate.DefaultBundled)
	case "type":
		typ, _ := typeNamed(value)
		return !speaksAgainst(typ) && typ != gate.Granted
	}
	return true
}

// speaksAgainst reports whether an event can only take permission away.
func speaksAgainst(t gate.EventType) bool {
	switch t {
	case gate.Refused, gate.Withdrawn, gate.Complained, gate.Bounced, gate.Suppressed, gate.Invalidated:
		return true
	}
	return false
}

// finisher makes the event that a row says into the event that is applied.
type finisher struct {
	Reading
	values gate.Event // Values, read
}

func (r Reading) finisher() (*finisher, error) {
	f := &finisher{Reading: r}
	for _, field := range slices.Sorted(maps.Keys(r.Values)) {
		set := fieldNamed(field)
		if set == nil || field == "recipient" {
			return f, wrongReading("there is no field %q to set: use %s", field, strings.Join(fieldNames()[1:], ", "))
		}
		if err := set(&f.values, r.Values[field], &r); err != nil {
			return f, wrongReading("%v", err)
		}
	}
	return f, nil
}

// The ids of events on their way to the store, where named replaces them: an event that names itself keeps its id, and
// a time that this import gave to a row is no part of what the row says.
const (
	idOfRow     = "row"
	idOfUndated = "row without a time"
)

// finish fills what the row does not say. undated rows get a time that cannot help them: a yes is dated 1970, so that
// it is older than every refusal and every clock, and a no is dated now.
func (f *finisher) finish(e *gate.Event) {
	e.Type = cmp.Or(e.Type, f.values.Type, gate.Granted)
	e.ID = cmp.Or(e.ID, idOfRow)
	against := speaksAgainst(e.Type)
	f.fillOrigin(e)
	if !against {
		f.fillConsent(e)
	}
	if e.Time.IsZero() {
		switch {
		case !f.At.IsZero():
			e.Time = f.At
		case against:
			e.Time = f.Now
			if e.ID == idOfRow {
				e.ID = idOfUndated
			}
		default:
			e.Time = time.Unix(0, 0).UTC()
		}
	}
	if f.Attest != "" {
		e.Note = joinNote(e.Note, "attested by "+cmp.Or(f.Actor, "import")+": "+f.Attest)
	}
}

// fillOrigin sets where the event comes from and what it is about.
func (f *finisher) fillOrigin(e *gate.Event) {
	switch e.Type {
	case gate.Bounced, gate.Complained: // concern the mailbox, or every purpose, unless the row says otherwise
	default:
		e.Purpose = cmp.Or(e.Purpose, f.values.Purpose, f.Purpose)
	}
	if f.Actor != "" {
		e.Actor = gate.ActorBy(f.Actor, e.Actor)
	}
	e.Note = cmp.Or(e.Note, f.values.Note)
	e.Jurisdiction = cmp.Or(e.Jurisdiction, f.values.Jurisdiction)
	if e.Source.Kind == "" {
		e.Source.Kind = f.values.Source.Kind
		e.Source.ID = cmp.Or(e.Source.ID, f.values.Source.ID)
	}
	e.Source.URL = cmp.Or(e.Source.URL, f.values.Source.URL)
	if e.Source.Kind == "" {
		e.Source.Kind = "import"
	}
	if e.Source.Kind == "import" {
		e.Source.ID = cmp.Or(e.Source.ID, f.Batch)
	}
}

// fillConsent sets how consent was given. Where neither the row nor the command line says so, it is a passive one if
// the box was ticked for them, and otherwise an import, which permits nothing.
func (f *finisher) fillConsent(e *gate.Event) {
	v := f.values
	e.Method = cmp.Or(e.Method, v.Method)
	e.DefaultState = cmp.Or(e.DefaultState, v.DefaultState)
	e.Audience = cmp.Or(e.Audience, v.Audience)
	e.Controller = cmp.Or(e.Controller, v.Controller)
	e.Wording = gate.Wording{
		ID:       cmp.Or(e.Wording.ID, v.Wording.ID),
		Version:  cmp.Or(e.Wording.Version, v.Wording.Version),
		SHA256:   cmp.Or(e.Wording.SHA256, v.Wording.SHA256),
		Language: cmp.Or(e.Wording.Language, v.Wording.Language),
	}
	e.Evidence.SaleRef = cmp.Or(e.Evidence.SaleRef, v.Evidence.SaleRef)
	e.Evidence.Category = cmp.Or(e.Evidence.Category, v.Evidence.Category)
	e.Evidence.OptoutOffered = e.Evidence.OptoutOffered || v.Evidence.OptoutOffered
	e.Evidence.Ref = cmp.Or(e.Evidence.Ref, v.Evidence.Ref)
	if e.Evidence.ConfirmedAt.IsZero() {
		e.Evidence.ConfirmedAt = v.Evidence.ConfirmedAt
	}
	if e.Time.IsZero() {
		e.Time = v.Time
	}
	if e.Type != gate.Granted || e.Method != "" {
		return
	}
	e.Method = gate.MethodImported
	if e.DefaultState == gate.DefaultTicked || e.DefaultState == gate.DefaultBundled {
		e.Method = gate.MethodPassive
	}
}

func joinNote(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}
