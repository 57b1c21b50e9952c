package gate

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fields returns the record's text form, which stores keep: a field for each purpose ("p:newsletter"), one for the
// suppressions ("s") and one for the jurisdiction ("j"), sorted by name, without the version. Values are for people to
// read and small enough for Redis to pack (64 bytes in ordinary cases):
//
//	p:newsletter   active_single 1793527200 s=form:footer
//	s              complained:* 1793527200 manual:partners 1793613600
//	j              FR
//
// A consent is its state, the moment it was reached (Unix seconds), and words for what is not as usual; consentWords
// lists them.
func (r Record) Fields() [][2]string {
	fields := make([][2]string, 0, len(r.Consents)+2)
	for purpose, c := range r.Consents {
		fields = append(fields, [2]string{"p:" + purpose, c.text()})
	}
	if r.Jurisdiction != "" {
		fields = append(fields, [2]string{"j", r.Jurisdiction})
	}
	if len(r.Suppressions) > 0 {
		fields = append(fields, [2]string{"s", suppressionsText(r.Suppressions)})
	}
	slices.SortFunc(fields, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return fields
}

// SetField reads one field that Fields wrote. Names it does not know ("v" among them) and unknown key=value words are
// passed over, so that an older gate can read what a newer one wrote. A text that cannot be read is an answer that
// cannot be trusted: the error wraps ErrUnavailable.
func (r *Record) SetField(name, text string) error {
	var err error
	switch {
	case name == "j":
		r.Jurisdiction = text
	case name == "s":
		r.Suppressions, err = parseSuppressions(text)
	case strings.HasPrefix(name, "p:"):
		var c Consent
		c, err = parseConsent(text)
		if r.Consents == nil {
			r.Consents = make(map[string]Consent, 1)
		}
		r.Consents[name[2:]] = c
	}
	if err != nil {
		return fmt.Errorf("%w: field %q of a record: %w", ErrUnavailable, name, err)
	}
	return nil
}

// word is one optional part of a consent's text: key=value, or the bare key of a flag.
type word struct {
	key  string
	text *string
	time *time.Time
	flag *bool
}

// consentWords names the parts of c, in the order they are written.
func (c *Consent) consentWords() [12]word {
	return [...]word{
		{key: "m", text: (*string)(&c.Method)},
		{key: "s", text: &c.Source},
		{key: "j", text: &c.Jurisdiction},
		{key: "a", text: &c.Audience},
		{key: "c", text: &c.Category},
		{key: "via", text: (*string)(&c.Via)},
		{key: "act", time: &c.LastAct},
		{key: "req", time: &c.Requested},
		{key: "no", time: &c.Refused},
		{key: "lift", time: &c.Lifted},
		{key: "unproven", flag: &c.Incomplete},
		{key: "all", flag: &c.ByAll},
	}
}

func (c Consent) text() string {
	c = c.packed()
	b := make([]byte, 0, 64)
	b = append(b, c.State...)
	b = append(b, ' ')
	b = strconv.AppendInt(b, c.At.Unix(), 10)
	for _, w := range c.consentWords() {
		switch {
		case w.text != nil && *w.text != "":
			b = append(append(append(b, ' '), w.key...), '=')
			b = append(b, escape(*w.text)...)
		case w.time != nil && !w.time.IsZero():
			b = append(append(append(b, ' '), w.key...), '=')
			b = strconv.AppendInt(b, w.time.Unix(), 10)
		case w.flag != nil && *w.flag:
			b = append(append(b, ' '), w.key...)
		}
	}
	return string(b)
}

func parseConsent(text string) (Consent, error) {
	state, rest, _ := strings.Cut(text, " ")
	at, rest, _ := strings.Cut(rest, " ")
	c := Consent{State: State(state)}
	if !c.State.known() {
		return Consent{}, fmt.Errorf("unknown state %q", state)
	}
	var err error
	if c.At, err = parseSeconds(at); err != nil {
		return Consent{}, err
	}
	words := c.consentWords()
	for rest != "" {
		var part string
		part, rest, _ = strings.Cut(rest, " ")
		if err := readWord(words[:], part); err != nil {
			return Consent{}, err
		}
	}
	return c.unpacked(), nil
}

func readWord(words []word, part string) (err error) {
	key, value, _ := strings.Cut(part, "=")
	for _, w := range words {
		switch {
		case w.key != key:
		case w.text != nil:
			*w.text, err = unescape(value)
		case w.time != nil:
			*w.time, err = parseSeconds(value)
		default:
			*w.flag = true
		}
	}
	return err
}

// packed leaves out what follows from the rest: the usual method of a state, and a refusal that is the state itself.
func (c Consent) packed() Consent {
	switch c.Method {
	case usualMethod(c.State):
		c.Method = ""
	case "":
		c.Method = noMethod
	}
	if c.State == StateWithdrawn && c.Refused.Equal(c.At) {
		c.Refused = time.Time{}
	}
	return c
}

func (c Consent) unpacked() Consent {
	switch c.Method {
	case "":
		c.Method = usualMethod(c.State)
	case noMethod:
		c.Method = ""
	}
	if c.State == StateWithdrawn && c.Refused.IsZero() {
		c.Refused = c.At
	}
	return c
}

// noMethod is written where a state that usually comes from a grant came without one.
const noMethod Method = "-"

// usualMethod is the method that a state mostly comes from; the text does not repeat it.
func usualMethod(s State) Method {
	switch s {
	case StatePassiveUnconfirmed, StatePassiveConfirmed:
		return MethodPassive
	case StateActiveSingle:
		return MethodActive
	case StateActivePending, StateActiveDouble:
		return MethodDouble
	case StateSoft:
		return MethodSoft
	case StateB2B:
		return MethodB2B
	case StateImplied:
		return MethodImplied
	}
	return ""
}

func suppressionsText(list []Suppression) string {
	parts := make([]string, len(list))
	for i, s := range list {
		parts[i] = fmt.Sprintf("%s:%s %d", s.Kind, escape(s.Scope), s.At.Unix())
	}
	return strings.Join(parts, " ")
}

func parseSuppressions(text string) ([]Suppression, error) {
	words := strings.Fields(text)
	if len(words)%2 != 0 {
		return nil, fmt.Errorf("suppressions %q: a moment is missing", text)
	}
	list := make([]Suppression, 0, len(words)/2)
	for pair := range slices.Chunk(words, 2) {
		s, err := parseSuppression(pair[0], pair[1])
		if err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, nil
}

func parseSuppression(what, at string) (s Suppression, err error) {
	kind, scope, ok := strings.Cut(what, ":")
	s.Kind = SuppressionKind(kind)
	switch s.Kind {
	case SuppressionComplained, SuppressionHardBounced, SuppressionManual:
	default:
		return s, fmt.Errorf("unknown suppression %q", kind)
	}
	if s.Scope, err = unescape(scope); err != nil || !ok {
		return s, fmt.Errorf("suppression %q names no scope", what)
	}
	s.At, err = parseSeconds(at)
	return s, err
}

func parseSeconds(s string) (time.Time, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no moment in Unix seconds", s)
	}
	return time.Unix(n, 0).UTC(), nil
}

// escape keeps a value in one word. Percent signs and blanks are the exception, so most values are written as they are.
func escape(s string) string {
	if !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r == '%' }) {
		return s
	}
	return url.PathEscape(s)
}

func unescape(s string) (string, error) {
	if strings.IndexByte(s, '%') < 0 {
		return s, nil
	}
	return url.PathUnescape(s)
}
