package gate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// sourceKinds is the closed set of source.kind.
const sourceKinds = "form contest whitepaper checkout account preference import broker api operator unsubscribe provider"

// clockSkew is how far ahead of now an event may be timed.
const clockSkew = 5 * time.Minute

// Validate reports the first thing wrong with an event, in a sentence that names the JSON field and says what to do.
// It wraps ErrInvalidEvent. The recipient is not looked at: ParseAddress does that.
func (e Event) Validate(now time.Time) error {
	if err := e.checkTimes(now); err != nil {
		return err
	}
	for _, check := range []func() error{
		e.checkType, e.checkTexts, e.checkPurpose, e.checkSets, e.checkGrant, e.checkConfirmed, e.checkRestored,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func invalidEvent(field, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", ErrInvalidEvent, field, fmt.Sprintf(format, args...))
}

// checkTexts bounds every free text. Stores keep them for years and pages show them.
func (e Event) checkTexts() error {
	if e.ID == "" {
		return invalidEvent("id", "missing; give each event its own, so that sending it twice counts once")
	}
	for _, f := range []struct {
		field, text string
		max         int
	}{
		{"id", e.ID, 128},
		{"controller", e.Controller, 128},
		{"actor", e.Actor, maxActor},
		{"source.id", e.Source.ID, 128},
		{"source.url", e.Source.URL, 2048},
		{"wording.id", e.Wording.ID, 128},
		{"wording.version", e.Wording.Version, 64},
		{"wording.sha256", e.Wording.SHA256, 64},
		{"wording.language", e.Wording.Language, 35},
		{"evidence.sale_ref", e.Evidence.SaleRef, 128},
		{"evidence.category", e.Evidence.Category, 64},
		{"evidence.ref", e.Evidence.Ref, 512},
		{"ip", e.IP, 64},
		{"user_agent", e.UserAgent, 512},
		{"note", e.Note, 1000},
	} {
		if len(f.text) > f.max {
			return invalidEvent(f.field, "longer than %d bytes; shorten it", f.max)
		}
		if !utf8.ValidString(f.text) || strings.ContainsFunc(f.text, unicode.IsControl) {
			return invalidEvent(f.field, "holds control characters or is not UTF-8; remove them")
		}
	}
	return nil
}

func (e Event) checkType() error {
	if precedence(e.Type) < 0 {
		return invalidEvent("type", "%q is unknown; use granted, confirmation_requested, confirmed, refused, withdrawn, renewed, "+
			"activity, invalidated, complained, bounced, suppressed or unsuppressed", e.Type)
	}
	return nil
}

func (e Event) checkTimes(now time.Time) error {
	for _, f := range []struct {
		field string
		at    time.Time
	}{{"time", e.Time}, {"evidence.confirmed_at", e.Evidence.ConfirmedAt}} {
		switch {
		case f.at.IsZero() && f.field == "time":
			return invalidEvent("time", "missing; say when it happened, as in 2026-11-01T10:00:00Z")
		case !f.at.IsZero() && f.at.Unix() < 0:
			return invalidEvent(f.field, "lies before 1970; say when it happened")
		case f.at.After(now.Add(clockSkew)):
			return invalidEvent(f.field, "lies more than 5 minutes ahead; check the sender's clock")
		}
	}
	return nil
}

func (e Event) checkPurpose() error {
	switch {
	case e.Purpose == "" && e.needsPurpose():
		return invalidEvent("purpose", "missing; name the purpose that was %s", strings.ReplaceAll(string(e.Type), "_", " "))
	case e.Purpose == AllPurposes && e.givesConsent():
		return invalidEvent("purpose", `"*" cannot be %s: consent is given for a purpose: name it`, strings.ReplaceAll(string(e.Type), "_", " "))
	case e.Purpose != "" && e.Purpose != AllPurposes && !IsPurpose(e.Purpose):
		return invalidEvent("purpose", "%q is no name; use up to 63 of a-z, 0-9, _ . - and begin with a letter or digit", e.Purpose)
	}
	return nil
}

// IsPurpose reports whether s can name a purpose: [a-z0-9][a-z0-9_.-]{0,62}.
func IsPurpose(s string) bool {
	if s == "" || len(s) > 63 || strings.IndexByte("_.-", s[0]) >= 0 {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("_.-", r)
	})
}

// givesConsent lists the types that may speak of one purpose only.
func (e Event) givesConsent() bool {
	return slices.Contains([]EventType{Granted, Renewed, ConfirmationRequested, Confirmed}, e.Type)
}

// needsPurpose leaves out the types that speak of the recipient as a whole where they name none.
func (e Event) needsPurpose() bool {
	return e.givesConsent() || slices.Contains([]EventType{Refused, Withdrawn, Restored, Invalidated}, e.Type)
}

// checkSets holds the closed sets, each only where the field is given.
func (e Event) checkSets() error {
	for _, f := range []struct{ field, got, allowed string }{
		{"method", string(e.Method), "passive active double verbal paper soft b2b implied imported"},
		{"via", string(e.Via), "mailbox account phone paper in_person"},
		{"default_state", string(e.DefaultState), "ticked unticked bundled none"},
		{"audience", e.Audience, "b2b b2c"},
		{"source.kind", e.Source.Kind, sourceKinds},
	} {
		if f.got != "" && !hasWord(f.allowed, f.got) {
			return invalidEvent(f.field, "%q is unknown; use one of %s", f.got, strings.ReplaceAll(f.allowed, " ", ", "))
		}
	}
	if e.Source.Kind == "" && e.Source != (Source{}) {
		return invalidEvent("source.kind", "missing; say what kind of source it was, such as form or contest")
	}
	if e.Jurisdiction != "" && !IsJurisdiction(e.Jurisdiction) {
		return invalidEvent("jurisdiction", "%q is no code; use two upper-case letters, as in FR", e.Jurisdiction)
	}
	return nil
}

// hasWord reports whether word is one of words, without making a slice of them: bulk imports ask for each event.
func hasWord(words, word string) bool {
	for w := range strings.SplitSeq(words, " ") {
		if w == word {
			return true
		}
	}
	return false
}

// IsJurisdiction reports whether s has the form of a jurisdiction code: two upper-case letters.
func IsJurisdiction(s string) bool {
	return len(s) == 2 && s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z'
}

// checkGrant holds the method table: what each method has to bring.
func (e Event) checkGrant() error {
	if e.Type != Granted && e.Type != Renewed {
		return nil
	}
	method := e.Method
	if e.Type == Renewed {
		method = cmp.Or(method, MethodActive)
	}
	ev := e.Evidence
	switch method {
	case "":
		return invalidEvent("method", "missing; say how consent was given, such as passive, active or double")
	case MethodActive, MethodDouble:
		if e.DefaultState.tickedForThem() {
			return invalidEvent("default_state", "a box that was %s is no act of the person: that is passive", e.DefaultState)
		}
	case MethodVerbal, MethodPaper:
		if ev.Ref == "" {
			return invalidEvent("evidence.ref", "missing; method %s needs a reference to the recording or the paper", method)
		}
	case MethodSoft:
		if ev.SaleRef == "" {
			return invalidEvent("evidence.sale_ref", "missing; method soft needs the sale in which the address was given")
		}
		if !ev.OptoutOffered {
			return invalidEvent("evidence.optout_offered", "not true; method soft needs an objection offered when the address was given")
		}
	case MethodB2B, MethodImplied:
		return e.checkAudience(method)
	case MethodImported:
		if e.Source.ID == "" {
			return invalidEvent("source.id", "missing; method imported needs the batch it came with")
		}
	}
	return nil
}

func (e Event) checkAudience(method Method) error {
	switch {
	case e.Audience == "":
		return invalidEvent("audience", "missing; method %s needs b2b or b2c", method)
	case method == MethodB2B && e.Audience != "b2b":
		return invalidEvent("audience", "%s does not go with method b2b; use b2b, or another method", e.Audience)
	case e.Source.Kind == "":
		return invalidEvent("source.kind", "missing; method %s needs the source of the address", method)
	}
	return nil
}

func (e Event) checkConfirmed() error {
	switch {
	case e.Type != Confirmed:
		return nil
	case e.Via == "":
		return invalidEvent("via", "missing; say where the person confirmed: mailbox, account, phone, paper or in_person")
	case e.Evidence.Ref == "":
		return invalidEvent("evidence.ref", "missing; a confirmation via %s needs a reference to its proof", e.Via)
	}
	return nil
}

func (e Event) checkRestored() error {
	if e.Type == Restored && e.Evidence.Ref == "" {
		return invalidEvent("evidence.ref", "missing; an undo names the id of the withdrawal that it takes back")
	}
	return nil
}

// known reports whether v is one of the closed set.
func (v Via) known() bool {
	return slices.Contains([]Via{ViaMailbox, ViaAccount, ViaPhone, ViaPaper, ViaInPerson}, v)
}

// Missing names the JSON fields of the minimum proof that a grant, or what stands for one, does not bring; none for other
// events.
func (e Event) Missing() []string {
	switch e.Type {
	case Granted, Renewed:
		return e.missing(e.grantMethod())
	case ConfirmationRequested, Confirmed:
		return e.missing(MethodDouble)
	}
	return nil
}

// complete reports whether a grant brings the minimum proof of its method.
func (e *Event) complete(method Method) bool { return len(e.missing(method)) == 0 }

// missing names what lacks of the minimum proof of a method: to whom consent was given, where, and what the person read
// or did (ISO/IEC TS 27560, GDPR art. 7(1)). What Validate demands anyway is asked again, since a history may be older
// than a rule.
func (e *Event) missing(method Method) []string {
	source := proof{"source", e.Source.Kind != ""}
	wording, box := proof{"wording.id", e.Wording.ID != ""}, proof{"default_state", e.DefaultState != ""}
	controller := proof{"controller", e.Controller != ""}
	ev := e.Evidence
	switch method {
	case MethodPassive:
		return lacking(source, wording, box)
	case MethodActive, MethodDouble: // that a double was confirmed is its state
		return lacking(source, wording, box, controller)
	case MethodVerbal, MethodPaper:
		return lacking(source, controller, proof{"evidence.ref", ev.Ref != ""})
	case MethodSoft:
		return lacking(source, controller, proof{"evidence.sale_ref", ev.SaleRef != ""},
			proof{"evidence.category", ev.Category != ""}, proof{"evidence.optout_offered", ev.OptoutOffered})
	case MethodB2B, MethodImplied:
		return lacking(source, controller, proof{"audience", e.Audience != ""})
	}
	return []string{"method"} // nobody says how it was given
}

// proof is a field of an event and whether it is there.
type proof struct {
	field string
	there bool
}

func lacking(proofs ...proof) (fields []string) {
	for _, p := range proofs {
		if !p.there {
			fields = append(fields, p.field)
		}
	}
	return fields
}
