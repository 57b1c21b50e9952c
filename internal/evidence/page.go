package evidence

import (
	"bytes"
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"html/template"
	"time"

	"github.com/consentgate/consentgate/gate"
)

//go:embed page.html en.json fr.json
var pageFiles embed.FS

// Languages are those that a page can be in; the first is the default.
func Languages() []string { return []string{"en", "fr"} }

// locale is the words of a page in one language.
type locale struct {
	Lang string
	T    map[string]string
}

func newLocale(lang string) (*locale, error) {
	data, err := pageFiles.ReadFile(lang + ".json")
	if err != nil {
		return nil, fmt.Errorf("evidence: there is no page in %q", lang)
	}
	l := &locale{Lang: lang}
	return l, json.Unmarshal(data, &l.T)
}

// Word is a member of a closed set in people's words, or as it is where there are none.
func (l *locale) Word(set string, value any) string {
	name := fmt.Sprint(value)
	return cmp.Or(l.T[set+"."+name], name)
}

// Moment is a time of the records: they keep UTC.
func (l *locale) Moment(t time.Time) string {
	if l.Lang == "fr" {
		return t.UTC().Format("02/01/2006 15:04:05")
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// Kept is a retention in words.
func (l *locale) Kept(r Retention) string {
	days := func(n int) string {
		if n == 0 {
			return l.T["for_ever"]
		}
		return fmt.Sprintf(l.T["days"], n)
	}
	return fmt.Sprintf(l.T["kept"], days(r.Evidence), days(r.Inactive))
}

// Colour is the class of a state: whether mail may follow from it.
func (l *locale) Colour(s gate.State) string {
	switch s {
	case gate.StatePassiveConfirmed, gate.StateActiveSingle, gate.StateActiveDouble, gate.StateSoft, gate.StateB2B, gate.StateImplied:
		return "yes"
	case gate.StatePassiveUnconfirmed, gate.StateActivePending:
		return "wait"
	case gate.StateWithdrawn, gate.StateInvalidated:
		return "no"
	}
	return ""
}

// Page is signed JSON (of Sign) as one HTML file without scripts, which carries that JSON whole. The same file gives the
// same octets: that is how Verify knows a page.
func Page(file []byte, lang string) ([]byte, error) {
	l, err := newLocale(lang)
	if err != nil {
		return nil, err
	}
	var f struct {
		Evidence  Document  `json:"evidence"`
		Signature Signature `json:"signature"`
	}
	if err := json.Unmarshal(file, &f); err != nil || len(f.Evidence.Parties) == 0 {
		return nil, ErrForm
	}
	page, err := template.ParseFS(pageFiles, "page.html")
	if err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	var out bytes.Buffer
	err = page.Execute(&out, struct {
		L    *locale
		D    Document
		S    Signature
		File string
	}{l, f.Evidence, f.Signature, string(file)})
	return out.Bytes(), err
}
