package formlint

import (
	"bytes"
	"cmp"
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/unicode"
)

// Report is what stands in a page. Its JSON is fixed.
type Report struct {
	Forms    int       `json:"forms"`
	Boxes    int       `json:"boxes"` // boxes, choices and hidden fields that ask for consent
	Findings []Finding `json:"findings"`
}

// Finding is one thing that is wrong.
type Finding struct {
	Line     int    `json:"line"`   // from 1
	Column   int    `json:"column"` // from 1, in characters
	Rule     string `json:"rule"`
	Excerpt  string `json:"excerpt"` // the tag or the sentence, in one line
	Label    string `json:"label"`   // what the person reads; empty for a sentence
	Wrong    string `json:"wrong"`
	Citation string `json:"citation"`
	Fix      string `json:"fix"`
}

// maxExcerpt bounds what a finding quotes, in characters.
const maxExcerpt = 200

// Check reads a page. What begins with the mark of UTF-16 is read as that, and what else is not UTF-8 as Windows-1252, as
// browsers read pages that do not say. It never fails: a page of noise has no forms.
func Check(source []byte) Report {
	src := decode(source)
	l := &linter{
		page: newPage(src), text: textLexicon(), names: nameLexicon(),
		known: make(map[string]class), signUps: make(map[*node]bool),
	}
	for _, it := range l.items {
		if it.kind == controlItem {
			l.control(it.node)
		}
	}
	l.sentences()
	slices.SortStableFunc(l.found, func(a, b found) int { return cmp.Compare(a.at, b.at) })
	return Report{Forms: l.forms, Boxes: l.boxes, Findings: placed(src, l.found)}
}

func decode(source []byte) string {
	if marked(source) {
		text, err := unicode.UTF16(unicode.BigEndian, unicode.UseBOM).NewDecoder().Bytes(source)
		if err == nil {
			return string(text)
		}
	}
	if utf8.Valid(source) {
		return string(source)
	}
	// Every octet has a meaning in Windows-1252, so there is no error.
	text, _ := charmap.Windows1252.NewDecoder().Bytes(source)
	return string(text)
}

// marked reports whether a page begins with the byte order mark of UTF-16.
func marked(source []byte) bool {
	return bytes.HasPrefix(source, []byte{0xfe, 0xff}) || bytes.HasPrefix(source, []byte{0xff, 0xfe})
}

// found is a finding at an offset.
type found struct {
	at int
	rule
	excerpt, label string
}

// placed turns offsets, which rise, into lines and columns.
func placed(src string, all []found) []Finding {
	out := make([]Finding, len(all))
	line, column, at := 1, 1, 0
	for i, f := range all {
		passed := src[at:f.at]
		if last := strings.LastIndexByte(passed, '\n'); last >= 0 {
			line, column, passed = line+strings.Count(passed, "\n"), 1, passed[last+1:]
		}
		column, at = column+utf8.RuneCountInString(passed), f.at
		out[i] = Finding{
			Line: line, Column: column, Rule: f.id,
			Excerpt: clip(f.excerpt, maxExcerpt), Label: clip(f.label, maxExcerpt), Wrong: f.wrong, Citation: f.citation, Fix: f.fix,
		}
	}
	return out
}

// linter is one page being judged.
type linter struct {
	*page
	text, names *lexicon
	known       map[string]class // of texts
	signUps     map[*node]bool   // of forms
	boxes       int
	found       []found
}

func (l *linter) add(n *node, label string, r rule) {
	l.found = append(l.found, found{n.at, r, n.source, label})
}

// speaks is what a text is about.
func (l *linter) speaks(text string) class {
	c, ok := l.known[text]
	if !ok {
		c = l.text.in(text)
		l.known[text] = c
	}
	return c
}

// isCalled is what the name and the id of a control say of it.
func (l *linter) isCalled(n *node) class {
	var all class
	for _, key := range []string{"name", "id"} {
		name := clip(n.get(key), maxLabel)
		all |= l.names.in(nameWords(name))
		if small := strings.ToLower(name); strings.Contains(small, "newsletter") {
			all |= nameMarketing
		} else if strings.Contains(small, "optin") {
			all |= nameConsent
		}
	}
	return all
}

// isSignUp reports whether a control stands in a form whose button asks for nothing but the mail: there the button is
// the consent.
func (l *linter) isSignUp(n *node) bool {
	form := n.within("form")
	if form == nil {
		return false
	}
	is, known := l.signUps[form]
	if !known {
		is = l.speaks(buttons(form))&(signUp|marketing) != 0
		l.signUps[form] = is
	}
	return is
}

// buttons is what the buttons that send a form say.
func buttons(form *node) string {
	var texts []string
	form.walk(func(k *node) bool {
		kind := strings.ToLower(k.get("type"))
		switch {
		case k.tag == "button" && (kind == "" || kind == "submit"):
			texts = append(texts, k.words(), k.get("aria-label"))
		case k.tag == "input" && (kind == "submit" || kind == "image"):
			texts = append(texts, k.get("value"), k.get("alt"))
		}
		return true
	}, func(*node) {})
	return clip(strings.Join(texts, " "), maxLabel)
}
