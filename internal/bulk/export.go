package bulk

import (
	"bufio"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// Unsealer reads the addresses that a store keeps.
type Unsealer interface {
	Unseal(sealed string) (string, error)
}

// Exporter writes what a store holds.
type Exporter struct {
	Store    gate.Scanner
	Keys     Unsealer
	Format   string         // FormatCSV: a row for each purpose of a record; FormatJSONL: events, which an import reads
	Purpose  string         // only this purpose, with what was said of all purposes; empty: every
	State    gate.State     // only where this is the state; empty: any
	IDKey    string         // fingerprint of the id key; JSON lines that name somebody by id bear it
	Progress func(Exported) // after each recipient; nil: nobody
}

// Exported counts.
type Exported struct {
	Recipients int `json:"recipients"` // of which something was written
	Lines      int `json:"lines"`      // without a header
	LeftOut    int `json:"left_out"`   // recipients whose address is not kept, or cannot be read, so that JSON lines hold their refusals only
}

// Run writes everybody to out. Memory does not grow with their number, the store's own scan apart.
func (ex *Exporter) Run(ctx context.Context, out io.Writer) (done Exported, err error) {
	buffered := bufio.NewWriterSize(out, 64<<10)
	write, flush, err := ex.writer(buffered)
	if err != nil {
		return done, err
	}
	for p, err := range ex.Store.Persons(ctx) {
		if err != nil {
			return done, err
		}
		address, _ := ex.Keys.Unseal(p.Sealed) // none: the id stands for it
		n, whole, err := write(p, address)
		if err != nil {
			return done, err
		}
		if done.Lines += n; n > 0 {
			done.Recipients++
		}
		if !whole {
			done.LeftOut++
		}
		if ex.Progress != nil {
			ex.Progress(done)
		}
	}
	if err := flush(); err != nil {
		return done, err
	}
	return done, buffered.Flush()
}

// personWriter writes one person and returns the number of lines, and whether they say all that was asked for.
type personWriter func(p gate.Person, address string) (lines int, whole bool, err error)

func (ex *Exporter) writer(out io.Writer) (write personWriter, flush func() error, err error) {
	if ex.Format == FormatJSONL {
		enc := json.NewEncoder(out)
		enc.SetEscapeHTML(false)
		return func(p gate.Person, address string) (int, bool, error) { return ex.events(enc, p, address) },
			func() error { return nil }, nil
	}
	w := csv.NewWriter(out)
	flush = func() error {
		w.Flush()
		return w.Error()
	}
	return func(p gate.Person, address string) (int, bool, error) {
		n, err := ex.rows(w, p, address)
		return n, true, err
	}, flush, w.Write(exportHeader())
}

// events writes the events of a person, in the order they were applied.
func (ex *Exporter) events(enc *json.Encoder, p gate.Person, address string) (lines int, whole bool, err error) {
	if !ex.inState(p.Record) {
		return 0, true, nil
	}
	if address == "" {
		return ex.kept(enc, p)
	}
	for _, e := range p.Events {
		if !ex.selects(e) {
			continue
		}
		e.Recipient = address
		if err := enc.Encode(e); err != nil {
			return lines, false, err
		}
		lines++
	}
	return lines, true, nil
}

// selects reports whether an event is about the purpose that is asked for, or about every one.
func (ex *Exporter) selects(e gate.Event) bool {
	return ex.Purpose == "" || e.Purpose == ex.Purpose || e.Purpose == gate.AllPurposes || e.Purpose == ""
}

func (ex *Exporter) inState(r gate.Record) bool {
	if ex.State == "" {
		return true
	}
	return slices.ContainsFunc(ex.purposes(r), func(p string) bool { return r.For(p).State == ex.State })
}

// purposes returns what rows are written for: each purpose that something was said about.
func (ex *Exporter) purposes(r gate.Record) []string {
	if ex.Purpose != "" {
		return []string{ex.Purpose}
	}
	found := slices.Collect(maps.Keys(r.Consents))
	for _, s := range r.Suppressions {
		found = append(found, s.Scope)
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// idColumn is the place of recipient_id.
const idColumn = 1

// exportHeader names the columns of rows.
func exportHeader() []string {
	return []string{
		"recipient", "recipient_id", "purpose", "state", "since", "last_act", "method", "source", "confirmed_via",
		"refused", "jurisdiction", "audience", "evidence_incomplete", "suppressed",
	}
}

func (ex *Exporter) rows(w *csv.Writer, p gate.Person, address string) (lines int, err error) {
	for _, purpose := range ex.purposes(p.Record) {
		c, suppressed := p.Record.For(purpose), suppressedFor(p.Record, purpose)
		if c.State == gate.StateNone && c.Method == "" && suppressed == "" || ex.State != "" && c.State != ex.State {
			continue
		}
		cells := []string{
			address, p.ID.String(), purpose, string(c.State), moment(c.At), moment(c.LastAct), string(c.Method), c.Source,
			string(c.Via), moment(c.Refused), cmp.Or(c.Jurisdiction, p.Record.Jurisdiction), c.Audience,
			strconv.FormatBool(c.Incomplete), suppressed,
		}
		for i, cell := range cells {
			if i != idColumn { // an id may begin with -, and joins tables as it is
				cells[i] = safeCell(cell)
			}
		}
		if err := w.Write(cells); err != nil {
			return lines, err
		}
		lines++
	}
	return lines, nil
}

// suppressedFor lists the kinds of suppression that a purpose's mail meets.
func suppressedFor(r gate.Record, purpose string) string {
	var kinds []string
	for _, s := range r.Suppressions {
		if kind := string(s.Kind); (s.Scope == purpose || s.Scope == gate.AllPurposes) && !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	return strings.Join(kinds, " ")
}

// moment is a time as a spreadsheet and people read it; empty for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
