package bulk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/consentgate/consentgate/gate"
)

// mapper makes an event of a row's text. It keeps no state of the row, so that writers can share it.
type mapper interface {
	event(e *gate.Event, text string) error // e is zero before, and nothing worth after an error
}

// opened is a file whose header was read.
type opened struct {
	*records
	mapper
	note string // what the file cannot tell
}

// open reads the header, if the format has one, and fits the Reading to it. Errors wrap ErrReading, or are the
// reader's.
func (r Reading) open(in io.Reader) (*opened, error) {
	if err := r.Check(); err != nil {
		return nil, err
	}
	f, err := r.finisher()
	if err != nil {
		return nil, err
	}
	if r.Format == FormatJSONL {
		m, err := jsonMapper(f)
		return &opened{records: newRecords(in, true), mapper: m}, err
	}
	rs := newRecords(in, false)
	head, err := rs.next()
	switch {
	case errors.Is(err, io.EOF):
		return nil, wrongReading("the file is empty: its first row names the columns")
	case err != nil:
		return nil, err
	}
	rs.delim = detectDelimiter(string(head.text))
	columns, err := splitCells(nil, string(head.text), rs.delim)
	if err != nil {
		return nil, wrongReading("header: %v", err)
	}
	if f.Preset != "" {
		return presetMapper(rs, f, columns)
	}
	if isExport(columns) {
		return nil, wrongReading("this is the CSV of export: it says how people stand, not what they did, and a refusal would " +
			"come back as a consent; write it with export --format jsonl and import that")
	}
	m, err := tableMapper(f, rs.delim, columns)
	if err != nil {
		return nil, err
	}
	return &opened{records: rs, mapper: m, note: unused(columns, m.fields)}, nil
}

// isExport reports whether a header is that of our own CSV, by the columns that nobody else's has together.
func isExport(header []string) bool {
	for _, own := range []string{"recipient_id", "state", "since"} {
		if !slices.ContainsFunc(header, func(name string) bool { return normal(name) == normal(own) }) {
			return false
		}
	}
	return true
}

// unused names the columns that no field takes: one of them may say who refused.
func unused(header []string, fields []column) string {
	var names []string
	for i, name := range header {
		if !slices.ContainsFunc(fields, func(c column) bool { return c.index == i }) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("columns that nothing is read from: %s; where one says who refused, import those rows with --set type=withdrawn, "+
		"and not among the others", strings.Join(names, ", "))
}

// table maps the cells of a row of CSV, or of a flat object, to fields.
type table struct {
	*finisher
	delim  byte
	width  int
	fields []column
}

// column is a field and where a row has it.
type column struct {
	set   setter
	index int
}

func tableMapper(f *finisher, delim byte, header []string) (*table, error) {
	t := &table{finisher: f, delim: delim, width: len(header)}
	for _, field := range fields() {
		candidates, needed := []string{normal(field.name)}, false
		if field.name == "recipient" {
			candidates, needed = append(candidates, "email", "email_address", "e_mail"), true
		}
		i, err := f.locate(header, field.name, candidates, needed)
		if err != nil {
			return nil, err
		}
		if i >= 0 {
			t.fields = append(t.fields, column{field.set, i})
		}
	}
	return t, unknownFields(f.Columns, fieldNames())
}

// locate returns the index of the column that --map names for a field, else of the first of candidates that the header
// has; -1 where it has none and none is needed.
func (f *finisher) locate(header []string, field string, candidates []string, needed bool) (int, error) {
	name, mapped := f.Columns[field]
	if mapped {
		candidates = []string{normal(name)}
	}
	i, err := find(header, candidates)
	if err == nil && i < 0 && (mapped || needed) {
		err = missing(field, name, header)
	}
	return i, err
}

// find returns the index of the first of candidates that the header has, -1 where it has none. A name that stands twice
// would be a guess.
func find(header, candidates []string) (int, error) {
	for _, want := range candidates {
		found := -1
		for i, name := range header {
			if normal(name) != want {
				continue
			}
			if found >= 0 {
				return -1, wrongReading("column %q stands twice in the header: rename one", name)
			}
			found = i
		}
		if found >= 0 {
			return found, nil
		}
	}
	return -1, nil
}

func missing(field, column string, header []string) error {
	if column == "" {
		column = field
	}
	return wrongReading("there is no column %q for %s: name it with --map %s=COLUMN; the file has %s",
		column, field, field, strings.Join(header, ", "))
}

func unknownFields(columns map[string]string, known []string) error {
	for _, name := range slices.Sorted(maps.Keys(columns)) {
		if !slices.Contains(known, name) {
			return wrongReading("there is no field %q to map: use %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

func (t *table) event(e *gate.Event, text string) error {
	var room [64]string
	cells, err := splitRow(room[:0], text, t.delim, t.width)
	if err != nil {
		return err
	}
	return t.fromCells(e, cells)
}

func splitRow(dst []string, text string, delim byte, width int) ([]string, error) {
	cells, err := splitCells(dst, text, delim)
	if err == nil && len(cells) != width {
		err = fmt.Errorf("has %d cells where the header has %d; put cells that hold %q in quotes", len(cells), width, delim)
	}
	return cells, err
}

func (t *table) fromCells(e *gate.Event, cells []string) error {
	e.Type = t.values.Type
	if err := t.set(e, cells); err != nil {
		return err
	}
	t.finish(e)
	return nil
}

// set reads the cells that are not empty.
func (t *table) set(e *gate.Event, cells []string) error {
	for _, c := range t.fields {
		text := strings.TrimSpace(cells[c.index])
		if text == "" {
			continue
		}
		if err := c.set(e, text, &t.Reading); err != nil {
			return err
		}
	}
	return nil
}

// presetTable maps the rows of a program's export.
type presetTable struct {
	*finisher
	preset *preset
	row    presetRow // without cells
	delim  byte
	width  int
	extra  *table // fields mapped beside the preset's inputs
}

func presetMapper(rs *records, f *finisher, header []string) (*opened, error) {
	p := presetNamed(f.Preset)
	t := &presetTable{
		finisher: f, preset: p, delim: rs.delim, width: len(header),
		row: presetRow{Reading: &f.Reading, columns: make(map[string]int)}, extra: &table{finisher: f},
	}
	if err := unknownFields(f.Columns, append(p.inputNames(), fieldNames()...)); err != nil {
		return nil, err
	}
	for _, in := range p.inputs {
		i, err := f.locate(header, in.name, in.columns, in.needed)
		if err != nil {
			return nil, err
		}
		if i >= 0 {
			t.row.columns[in.name] = i
		}
	}
	for _, field := range fields() {
		i, err := f.locate(header, field.name, nil, false)
		if err != nil {
			return nil, err
		}
		if i >= 0 {
			t.extra.fields = append(t.extra.fields, column{field.set, i})
		}
	}
	return &opened{records: rs, mapper: t, note: p.note(t.row.has)}, nil
}

func (t *presetTable) event(e *gate.Event, text string) (err error) {
	var room [64]string
	r := t.row
	if r.cells, err = splitRow(room[:0], text, t.delim, t.width); err != nil {
		return err
	}
	if *e, err = t.read(r); err != nil {
		return err
	}
	if err := t.extra.set(e, r.cells); err != nil {
		return err
	}
	t.finish(e)
	return nil
}

// read lets a type that the command line gives to every row stand if it speaks against sending: what an export of those
// who left holds beside that is history.
func (t *presetTable) read(r presetRow) (gate.Event, error) {
	if speaksAgainst(t.values.Type) {
		return r.no(t.values.Type, "", "unsub_time", "clean_time", "modified_time", "updated_at", "last_changed"), nil
	}
	return t.preset.event(r)
}

// jsonMapper reads events as they are, or flat objects where columns are named.
func jsonMapper(f *finisher) (mapper, error) {
	if len(f.Columns) == 0 {
		return jsonEvents{f}, nil
	}
	header := slices.Sorted(maps.Values(f.Columns))
	header = slices.Compact(header)
	t, err := tableMapper(f, 0, header)
	return jsonObjects{t, header}, err
}

// jsonEvents reads gate's own form. Every field is as it stands; only what is missing is filled.
type jsonEvents struct{ *finisher }

func (m jsonEvents) event(e *gate.Event, text string) error {
	if err := decodeLine(text, e); err != nil {
		return err
	}
	if e.Type == "" && m.values.Type == "" {
		return errors.New("type: missing; say what happened, such as granted or withdrawn")
	}
	m.finish(e)
	if e.Type == gate.Confirmed && m.Attest == "" {
		return errors.New("type: a confirmation can bring somebody back, so somebody has to stand for it: " +
			"add --attest \"who says so, and how they know\"")
	}
	return nil
}

// decodeLine reads the one JSON object of a line, whose fields must all be known.
func decodeLine(text string, into any) error {
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return jsonProblem(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON object; put each on a line of its own")
	}
	return nil
}

// jsonProblem says what is wrong with a line, and in which field where that is known.
func jsonProblem(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		return fmt.Errorf("%s: holds a %s", wrong.Field, wrong.Value)
	}
	if name, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
		return fmt.Errorf("%s: there is no such field; remove it, or name the columns with --map", name)
	}
	return fmt.Errorf("no event: %w", err)
}

// jsonObjects reads flat objects whose members are named by --map.
type jsonObjects struct {
	*table
	header []string
}

func (m jsonObjects) event(e *gate.Event, text string) error {
	var object map[string]json.RawMessage
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		return errors.New("no JSON object; want one a line")
	}
	cells := make([]string, len(m.header))
	for i, name := range m.header {
		cell, err := plainText(object[name])
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		cells[i] = cell
	}
	return m.fromCells(e, cells)
}

// plainText is a string's content, and a number or a truth as it is written.
func plainText(raw json.RawMessage) (string, error) {
	switch {
	case len(raw) == 0 || bytes.Equal(raw, []byte("null")):
		return "", nil
	case raw[0] == '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err
	case raw[0] == '{' || raw[0] == '[':
		return "", errors.New("is no plain value")
	}
	return string(raw), nil
}
