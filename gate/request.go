package gate

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// ErrNotAsked: the person is not asked to confirm; the text says why, and what would change that.
var ErrNotAsked = errors.New("not asked to confirm")

// RequestKey is the claim in the ledger that lets the mail of one confirmation request leave once, whoever sends it.
func RequestKey(id ID, purpose string, requested time.Time) string {
	return "confirm:" + id.String() + ":" + purpose + ":" + strconv.FormatInt(requested.Unix(), 10)
}

// RequestByMailKey is the same for the mail of a stream that logs its own requests (Stream.ByMail).
func RequestByMailKey(id ID, purpose string) string {
	return "confirm:" + id.String() + ":" + purpose + ":by_mail"
}

// RequestByMailTTL is how long that claim stands, whatever is asked meanwhile.
const RequestByMailTTL = 30 * 24 * time.Hour

// RequestCaps bound how often one person is asked to confirm one purpose. A zero field is no bound.
type RequestCaps struct {
	Most  int           // requests within RequestCapsWithin
	Apart time.Duration // between two
}

// RequestCapsWithin is the time in which RequestCaps.Most counts.
const RequestCapsWithin = 30 * 24 * time.Hour

// Check returns an error that wraps ErrNotAsked where another request would be one too many.
func (c RequestCaps) Check(history []Event, purpose string, now time.Time) error {
	n, last := 0, time.Time{}
	for _, e := range history {
		if e.Type != ConfirmationRequested || e.Purpose != purpose || !e.Time.After(now.Add(-RequestCapsWithin)) {
			continue
		}
		if n++; e.Time.After(last) {
			last = e.Time
		}
	}
	switch {
	case c.Most > 0 && n >= c.Most:
		return fmt.Errorf("%w: it was done %d times in 30 days, the last on %s; the person confirms by one of those messages",
			ErrNotAsked, n, day(last))
	case !last.IsZero() && now.Before(last.Add(c.Apart)):
		return fmt.Errorf("%w: it was done at %s; wait until %s", ErrNotAsked,
			last.UTC().Format(time.RFC3339), last.Add(c.Apart).UTC().Format(time.RFC3339))
	}
	return nil
}

// SignUp finds what a message that asks for a confirmation rests on: the person's latest own act for the purpose, made
// within RequestTTL and after any refusal. source, as kind:id, names one where it is not empty. Without such an act the
// message would be advertising for advertising, and the error wraps ErrNotAsked.
func SignUp(history []Event, purpose, source string, now time.Time) (Event, error) {
	var latest, refused Event
	for _, e := range history {
		switch {
		case e.scope() != purpose && e.scope() != AllPurposes:
		case e.IsRefusal() && !e.Time.Before(refused.Time):
			refused = e
		case e.isSignUp() && (source == "" || source == sourceText(e.Source)) && e.Time.After(latest.Time):
			latest = e
		}
	}
	c := Fold(history).For(purpose)
	if c.State == StateActiveDouble {
		return Event{}, fmt.Errorf("%w: the person confirmed already, on %s", ErrNotAsked, day(c.At))
	}
	if latest.Type != "" && now.Before(latest.Time.Add(RequestTTL)) && latest.Time.After(refused.Time) {
		return latest, nil
	}
	return Event{}, fmt.Errorf("%w: %s", ErrNotAsked, noSignUp(c, latest, source))
}

// isSignUp reports whether the event is a grant that the person made by an act, and that is not confirmed already.
func (e *Event) isSignUp() bool {
	return (e.Type == Granted || e.Type == Renewed) && e.grantMethod().isAct() && e.Evidence.ConfirmedAt.IsZero()
}

func noSignUp(c Consent, latest Event, source string) string {
	switch {
	case c.State == StatePassiveUnconfirmed:
		return fmt.Sprintf("the box was ticked for the person%s, and a mail that asks to turn that into consent is unlawful itself "+
			"(ICO, Flybe and Honda, 2017; PECR reg. 22); give the preference link in an account page or a receipt instead", sourceOf(c))
	case source != "" && latest.Type == "":
		return fmt.Sprintf("no sign-up at %s is logged; record it as a grant when the person signs up", source)
	case latest.Type != "" && c.refused():
		return fmt.Sprintf("the person refused on %s, after the last sign-up", day(c.Refused))
	case latest.Type != "":
		return fmt.Sprintf("the last sign-up, of %s, is older than 48 hours; the person signs up again", day(latest.Time))
	}
	return "no sign-up is logged; record it as a grant when the person signs up"
}
