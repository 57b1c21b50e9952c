package hooks

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/consentgate/consentgate/gate"
)

// minURLSecret is how long the secret in a URL has to be, in characters.
const minURLSecret = 24

// openMailchimp checks the end of the URL: Mailchimp signs nothing and sends no credentials. It posts forms.
func openMailchimp(s Source, _ memory) (reading, error) {
	if len(s.Secret) < minURLSecret || strings.ContainsFunc(s.Secret, notInURL) {
		return nil, errors.New("the secret needs 24 characters or more of A-Z, a-z, 0-9, - and _: try openssl rand -hex 20")
	}
	return func(r request) (reports, error) {
		if err := s.checkURL(r.Request); err != nil {
			return reports{}, err
		}
		form, err := url.ParseQuery(string(r.body))
		if err != nil {
			return reports{}, fmt.Errorf("%w: no form", errUnreadable)
		}
		var got reports
		got.add(mailchimpReports(form), nil)
		return got, nil
	}, nil
}

func notInURL(r rune) bool {
	return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
}

// mailchimpReports reads a form. A changed address (upemail) moves no consent: it was given for the old one.
func mailchimpReports(form url.Values) []report {
	var what gate.EventType
	switch kind, reason := form.Get("type"), form.Get("data[reason]"); {
	case (kind == "unsubscribe" || kind == "cleaned") && reason == "abuse":
		what = gate.Complained
	case kind == "unsubscribe":
		what = gate.Withdrawn
	case kind == "cleaned" && reason == "hard":
		what = gate.Bounced
	case kind == "subscribe":
		what = gate.Granted
	default:
		return nil
	}
	at := text(form.Get("fired_at"))
	return []report{{
		ref:     []string{form.Get("type"), string(at), form.Get("data[list_id]"), form.Get("data[id]")},
		address: form.Get("data[email]"), what: what, group: form.Get("data[list_id]"), time: at.stamp(),
		note: strings.TrimSpace(form.Get("data[action]") + " " + form.Get("data[reason]")),
	}}
}
