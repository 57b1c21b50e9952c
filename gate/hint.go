package gate

import (
	"cmp"
	"fmt"
	"time"
)

// Hints say in one sentence what stands against the message and what would unblock it.

func bouncedHint(s *Suppression) string {
	return fmt.Sprintf("the mailbox did not exist on %s; the suppression ends on %s unless it bounces again, or with `consentgate suppress remove`",
		day(s.At), day(s.At.Add(HardBounceTTL)))
}

func suppressedHint(s *Suppression) string {
	what := "all mail"
	if s.Scope != AllPurposes {
		what = "`" + s.Scope + "`"
	}
	return fmt.Sprintf("%s to this recipient was suppressed by hand on %s; `consentgate suppress remove` lifts it", what, day(s.At))
}

func complainedHint(s *Suppression) string {
	return fmt.Sprintf("the person reported mail as spam on %s; only a confirmation from the mailbox, after a new sign-up, lifts that", day(s.At))
}

func withdrawnHint(c Consent) string {
	said := "withdrew"
	if c.ByAll {
		said = "withdrew from all marketing"
	}
	return fmt.Sprintf("the person %s on %s; a new sign-up that the person confirms reopens it", said, day(cmp.Or(c.Refused, c.At)))
}

func staleRequestHint(c Consent) string {
	if c.Requested.IsZero() {
		return "no confirmation_requested is recorded; record one when the person signs up"
	}
	return fmt.Sprintf("the request of %s is older than 48 hours; record confirmation_requested when the person asks again", day(c.Requested))
}

// stateHint speaks of a state that is no permission by itself.
func (q *question) stateHint() string {
	c := q.consent
	switch c.State {
	case StatePassiveUnconfirmed:
		return fmt.Sprintf("the box was ticked for the person%s; an act of the person on an account or preference page confirms it", sourceOf(c))
	case StateActivePending:
		if c.refused() {
			return fmt.Sprintf("the person refused on %s and a grant since then waits for confirmation; the person confirms it", day(c.Refused))
		}
		return "the sign-up waits for its confirmation; the person follows the link in the confirmation mail"
	case StateInvalidated:
		if c.Why != "" {
			return fmt.Sprintf("the source%s was declared invalid on %s: %s; fresh consent from elsewhere or a confirmation by the person replaces it",
				sourceOf(c), day(c.At), c.Why)
		}
		return fmt.Sprintf("the consent%s was declared invalid on %s; fresh consent from elsewhere or a confirmation by the person replaces it", sourceOf(c), day(c.At))
	}
	return q.missingHint()
}

// missingHint speaks of somebody without consent for the purpose, naming another one that would have done.
func (q *question) missingHint() string {
	if near := q.nearMiss(); near != "" {
		return fmt.Sprintf("has consent for `%s`, the stream needs `%s`", near, q.stream.Purpose)
	}
	if q.consent.Method == MethodImported {
		return fmt.Sprintf("was imported%s without proof of consent; an act of the person for `%s` is needed", sourceOf(q.consent), q.stream.Purpose)
	}
	return fmt.Sprintf("no consent for `%s` is recorded; record a grant when the person gives it", q.stream.Purpose)
}

func expiredHint(start, end time.Time) string {
	return fmt.Sprintf("the person's last act was on %s and counted until %s; a later act (activity, renewed) restarts the clock",
		day(start), day(end))
}

// lapsedHint speaks of a clock that runs from the grant.
func lapsedHint(start, end time.Time) string {
	return fmt.Sprintf("the permission was given on %s and counted until %s; a new sale or inquiry, or express consent, replaces it",
		day(start), day(end))
}

// packHint speaks of a permission that the pack does not take.
func (q *question) packHint(reason Reason) string {
	switch reason {
	case ReasonConfirmationRequired:
		return fmt.Sprintf("%s asks for a confirmation from the mailbox; a double opt-in gives it", q.ruling.from)
	case ReasonEvidenceIncomplete:
		return evidenceHint(q.consent)
	}
	return fmt.Sprintf("state %s is no permission there; an act of the person for `%s` is needed", q.consent.State, q.stream.Purpose)
}

func evidenceHint(c Consent) string {
	return fmt.Sprintf("the proof that method %s needs is not complete; record the grant again with all of it", cmp.Or(c.Method, MethodDouble))
}

func sourceOf(c Consent) string {
	if c.Source == "" {
		return ""
	}
	return " (" + c.Source + ")"
}

func day(t time.Time) string { return t.Format(time.DateOnly) }
