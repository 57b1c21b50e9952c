package config

import (
	"errors"
	"fmt"
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
			continue
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
	for _, h := range [][2]string{{"list_id", s.ListID}, {"feedback_id", s.FeedbackID}} {
		if err := checkHeaderValue(h[1]); err != nil {
			r.add(field+"."+h[0], "%v", err)
		}
	}
}

func (c *Config) validatePurpose(r *report, field string, s *gate.Stream) {
	switch {
	case s.Purpose == "" && s.Kind == gate.KindConfirmation:
		r.add(field+".purpose", "is missing: name the purpose that this mail asks to confirm")
	case s.Purpose != "" && !gate.IsPurpose(s.Purpose):
		r.add(field+".purpose", "%q is no name for a purpose: use up to 63 of a-z, 0-9, _ . - and begin with a letter or digit", s.Purpose)
	}
}

func (c *Config) validateUnsubscribe(r *report, field string, s *gate.Stream) {
	switch {
	case len(s.Unsubscribe) == 0:
	case s.Kind != gate.KindMarketing && s.Kind != gate.KindService:
		r.add(field+".unsubscribe", "a %s stream has nothing to withdraw: remove it", s.Kind)
	case c.Unsubscribe.PublicURL == "":
		r.add(field+".unsubscribe", "asks for https, but nothing says where: set unsubscribe.public_url (--public-url)")
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
