package unsub

import (
	"strings"

	"github.com/consentgate/consentgate/gate"
)

// said is what a person said about a purpose, as a page tells it. Empty fields are not known.
type said struct {
	Date      string
	How       string
	Where     string
	Wording   string // its name
	Text      string // of the wording, where it is kept
	TextLang  string
	Confirmed string
	Stopped   string
}

// saidOf tells when and how the consent came to be; nil where nothing is on record.
func saidOf(l *locale, events []gate.Event, purpose string, c gate.Consent) *said {
	s := said{How: l.Methods[string(c.Method)], Where: sourceName(l, c.Source)}
	if grant, ok := grantOf(events, purpose, c); ok {
		s.Date = l.Day(grant.Time)
		s.Wording = wordingName(grant.Wording)
	}
	if e, ok := latest(events, purpose, gate.Confirmed); ok && c.Via != "" {
		s.Confirmed = strings.TrimSpace(l.Day(e.Time) + " " + l.Vias[string(c.Via)])
	}
	if !c.Refused.IsZero() {
		s.Stopped = l.Day(c.Refused)
	}
	if s == (said{}) {
		return nil
	}
	return &s
}

// unstopped is what was said of a purpose that goes on although everything was stopped: that was not said of it.
func (s *said) unstopped() *said {
	if s == nil {
		return nil
	}
	s.Stopped = ""
	if *s == (said{}) {
		return nil
	}
	return s
}

// grantOf is the event that the consent rests on: the latest of its source by the moment its state was reached. What
// came later did not count, such as a sale that a sync tells again every night.
func grantOf(events []gate.Event, purpose string, c gate.Consent) (grant gate.Event, ok bool) {
	for _, e := range events {
		if e.Purpose != purpose || !grants(e) || sourceText(e.Source) != c.Source || e.Time.Unix() > c.At.Unix() {
			continue
		}
		if !ok || e.Time.After(grant.Time) {
			grant, ok = e, true
		}
	}
	return grant, ok
}

func grants(e gate.Event) bool {
	return e.Type == gate.Granted || e.Type == gate.Renewed || e.Type == gate.ConfirmationRequested
}

func latest(events []gate.Event, purpose string, t gate.EventType) (last gate.Event, ok bool) {
	for _, e := range events {
		if e.Type == t && e.Purpose == purpose && !e.Time.Before(last.Time) {
			last, ok = e, true
		}
	}
	return last, ok
}

// sourceText is the record's form of a source.
func sourceText(s gate.Source) string {
	if s.ID == "" {
		return s.Kind
	}
	return s.Kind + ":" + s.ID
}

func sourceName(l *locale, source string) string {
	kind, id, _ := strings.Cut(source, ":")
	name := l.Sources[kind]
	if id == "" || name == "" {
		return name
	}
	return name + " (" + id + ")"
}

func wordingName(w gate.Wording) string {
	parts := []string{w.ID}
	for _, p := range []string{w.Version, w.Language} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, ", ")
}
