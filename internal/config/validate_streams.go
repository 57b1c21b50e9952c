package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/unsub"
)

func (c *Config) validateStreams(r *report) {
	codes := make(map[string]string)
	for _, s := range c.streams {
		field := "streams." + s.Name
		if !gate.IsPurpose(s.Name) {
			r.add(field, "%q is no name for a stream: use up to 63 of a-z, 0-9, _ . - and begin with a letter or digit", s.Name)
		}
		c.validateStream(r, field, s)
		code := unsub.StreamCode(s.Name)
		if other, taken := codes[code]; taken {
			r.add(field, "shares its code in unsubscribe links with stream %s: choose another name", other)
		}
		codes[code] = s.Name
	}
	c.validateDefaultStream(r)
}

// validateDefaultStream: what matches no stream is marketing, so no other kind may catch it.
func (c *Config) validateDefaultStream(r *report) {
	if c.DefaultStream == "" {
		return
	}
	s := c.stream(c.DefaultStream)
	switch {
	case s == nil:
		r.add("default_stream", "there is no stream %q: %s", c.DefaultStream, suggestion(c.DefaultStream, c.streamNames()))
	case s.Kind != gate.KindMarketing:
		r.add("default_stream", "%s is of kind %s: mail that matches no stream counts as marketing, so name a marketing stream", s.Name, s.Kind)
	}
}

func (c *Config) validateStream(r *report, field string, s *gate.Stream) {
	c.validatePurpose(r, field, s)
	c.validateUnsubscribe(r, field, s)
	for i, p := range s.Match {
		if err := checkPattern(p); err != nil {
			r.add(fmt.Sprintf("%s.match.mail_from[%d]", field, i), "%v", err)
		}
	}
	if s.Jurisdiction != "" {
		c.checkEnabled(r, field+".jurisdiction", s.Jurisdiction)
	}
	if s.OnBlock == gate.OnBlockDiscard && s.Kind != gate.KindMarketing {
		r.add(field+".on_block", "discard is for marketing streams only: a lost %s message must be seen; use reject", s.Kind)
	}
	if s.ByMail && s.Kind != gate.KindConfirmation {
		r.add(field+".request", "by_mail is for streams of kind confirmation: remove it")
	}
	if err := checkListID(s.ListID); err != nil {
		r.add(field+".list_id", "%v", err)
	}
	if err := checkFeedbackID(s.FeedbackID); err != nil {
		r.add(field+".feedback_id", "%v", err)
	}
}

func (c *Config) validatePurpose(r *report, field string, s *gate.Stream) {
	switch {
	case s.Purpose == "" && s.Kind == gate.KindConfirmation:
		r.add(field+".purpose", "is missing: name the purpose that this mail asks to confirm")
	case s.Purpose == s.Name: // what is wrong with the one is wrong with the other
	case s.Purpose != "" && !gate.IsPurpose(s.Purpose):
		r.add(field+".purpose", "%q is no name for a purpose: use up to 63 of a-z, 0-9, _ . - and begin with a letter or digit", s.Purpose)
	}
}

func (c *Config) validateUnsubscribe(r *report, field string, s *gate.Stream) {
	switch {
	case len(s.Unsubscribe) == 0:
	case s.Kind != gate.KindMarketing && s.Kind != gate.KindService:
		r.add(field+".unsubscribe", "a %s stream has nothing to withdraw: remove it", s.Kind)
	case slices.Contains(s.Unsubscribe, "https") && c.Unsubscribe.PublicURL == "" &&
		!r.unread["unsubscribe.public_url"] && !r.unread["--public-url"]:
		r.add(field+".unsubscribe", "asks for https, but nothing says where: set unsubscribe.public_url (--public-url)")
	case slices.Contains(s.Unsubscribe, "mailto") && c.Unsubscribe.MailtoDomain == "" &&
		!r.unread["inbound.domain"] && !r.unread["unsubscribe.mailto_domain"]:
		r.add(field+".unsubscribe", "asks for mailto, but nobody would read the mail: set inbound.domain, or unsubscribe.mailto_domain "+
			"where another gate takes it")
	}
}

// checkPattern reports what is wrong with a reverse-path pattern.
func checkPattern(p string) error {
	if gate.CheckPattern(p) != nil {
		return fmt.Errorf("%q is no sender pattern: write news@example.com, *@example.com or bounce+*@example.com", p)
	}
	return nil
}

// checkHeaderValue reports what keeps s from standing on one header line.
func checkHeaderValue(s string) error {
	if len(s) > 200 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return errors.New("cannot stand in a header: use at most 200 printable ASCII characters")
	}
	return nil
}

var (
	errListID     = errors.New("is no List-Id: write Example news <news.example.com>, words with other signs in quotes")
	errFeedbackID = errors.New("is no Feedback-ID: write up to three names and a sender of 5 to 15 characters, such as spring:news:example")
)

// checkListID reports whether s is empty or a List-Id (RFC 2919 section 3): a phrase and an identifier with a dot.
func checkListID(s string) error {
	if err := checkHeaderValue(s); err != nil || s == "" {
		return err
	}
	phrase, rest, _ := strings.Cut(s, "<")
	id, closed := strings.CutSuffix(rest, ">")
	labels := strings.Split(id, ".")
	if !closed || len(labels) < 2 || slices.ContainsFunc(labels, func(l string) bool { return !isAtom(l) }) {
		return errListID
	}
	if !isPhrase(strings.TrimSpace(phrase)) {
		return errListID
	}
	return nil
}

// isPhrase reports whether s is nothing, atoms, or one quoted string (RFC 5322 section 3.2.5, without its comments).
func isPhrase(s string) bool {
	if inner, quoted := strings.CutPrefix(s, `"`); quoted {
		inner, quoted = strings.CutSuffix(strings.NewReplacer(`\\`, "", `\"`, "").Replace(inner), `"`)
		return quoted && !strings.ContainsAny(inner, `"\`)
	}
	return !slices.ContainsFunc(strings.Fields(s), func(word string) bool { return !isAtom(word) })
}

// isAtom reports whether s is an atom (RFC 5322 section 3.2.3).
func isAtom(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`()<>[]:;@\,."`, r) })
}

// checkFeedbackID reports whether s is empty or what Gmail's feedback loop reads: the sender's name last, before it up to
// three names, each of which may be empty, between colons.
func checkFeedbackID(s string) error {
	if err := checkHeaderValue(s); err != nil || s == "" {
		return err
	}
	names := strings.Split(s, ":")
	sender := names[len(names)-1]
	if len(names) > 4 || len(sender) < 5 || len(sender) > 15 || strings.Contains(s, " ") {
		return errFeedbackID
	}
	return nil
}
