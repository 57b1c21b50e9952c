package bulk

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/consentgate/consentgate/gate"
)

// setter reads a text that is not empty into one field of an event.
type setter func(e *gate.Event, text string, r *Reading) error

// field is a field that rows can have a column for. Via has none: a confirmation comes from the gate's own page, or
// whole, as an event of JSON.
type field struct {
	name string
	set  setter
}

// fields are the names that --map and --set know, as in an event's JSON; source stands for both its parts.
func fields() []field {
	text := func(name string, of func(*gate.Event) *string) field {
		return field{name, func(e *gate.Event, text string, _ *Reading) error {
			*of(e) = text
			return nil
		}}
	}
	return []field{
		text("recipient", func(e *gate.Event) *string { return &e.Recipient }),
		{"type", setType},
		{"time", setTime},
		text("purpose", func(e *gate.Event) *string { return &e.Purpose }),
		text("method", func(e *gate.Event) *string { return (*string)(&e.Method) }),
		text("default_state", func(e *gate.Event) *string { return (*string)(&e.DefaultState) }),
		text("jurisdiction", func(e *gate.Event) *string { return &e.Jurisdiction }),
		text("audience", func(e *gate.Event) *string { return &e.Audience }),
		text("controller", func(e *gate.Event) *string { return &e.Controller }),
		{"source", setSource},
		text("source.kind", func(e *gate.Event) *string { return &e.Source.Kind }),
		text("source.id", func(e *gate.Event) *string { return &e.Source.ID }),
		text("source.url", func(e *gate.Event) *string { return &e.Source.URL }),
		text("wording.id", func(e *gate.Event) *string { return &e.Wording.ID }),
		text("wording.version", func(e *gate.Event) *string { return &e.Wording.Version }),
		text("wording.sha256", func(e *gate.Event) *string { return &e.Wording.SHA256 }),
		text("wording.language", func(e *gate.Event) *string { return &e.Wording.Language }),
		text("evidence.sale_ref", func(e *gate.Event) *string { return &e.Evidence.SaleRef }),
		text("evidence.category", func(e *gate.Event) *string { return &e.Evidence.Category }),
		{"evidence.optout_offered", setOptoutOffered},
		text("evidence.ref", func(e *gate.Event) *string { return &e.Evidence.Ref }),
		{"evidence.confirmed_at", setConfirmedAt},
		text("ip", func(e *gate.Event) *string { return &e.IP }),
		text("user_agent", func(e *gate.Event) *string { return &e.UserAgent }),
		{"note", setNote},
	}
}

func fieldNames() []string {
	var names []string
	for _, f := range fields() {
		names = append(names, f.name)
	}
	return names
}

// fieldNamed returns nil where there is no such field.
func fieldNamed(name string) setter {
	for _, f := range fields() {
		if f.name == name {
			return f.set
		}
	}
	return nil
}

func setType(e *gate.Event, text string, _ *Reading) error {
	typ, ok := typeNamed(text)
	if !ok {
		return fmt.Errorf("type: %q is unknown; use granted, withdrawn, refused, complained, bounced, suppressed, "+
			"or the words of other programs: %s", text, strings.Join(slices.Sorted(maps.Keys(foreignTypes())), ", "))
	}
	e.Type = typ
	return nil
}

// typeNamed knows gate's types and the status words of other programs. A word that it does not know is not guessed.
func typeNamed(text string) (gate.EventType, bool) {
	word := strings.ToLower(text)
	switch typ := gate.EventType(word); typ {
	case gate.Granted, gate.Renewed, gate.ConfirmationRequested, gate.Activity, gate.Unsuppressed:
		return typ, true
	default:
		if speaksAgainst(typ) {
			return typ, true
		}
	}
	typ, ok := foreignTypes()[word]
	return typ, ok
}

func foreignTypes() map[string]gate.EventType {
	return map[string]gate.EventType{
		"subscribed": gate.Granted, "active": gate.Granted,
		"unsubscribed": gate.Withdrawn, "opted out": gate.Withdrawn, "blocklisted": gate.Withdrawn,
		"spam": gate.Complained, "complaint": gate.Complained,
		"cleaned": gate.Bounced, "hard bounced": gate.Bounced,
	}
}

// setTime leaves a no undated where its time cannot be read: it counts all the same.
func setTime(e *gate.Event, text string, r *Reading) error {
	at, err := r.parseTime(text)
	if err != nil && !speaksAgainst(e.Type) {
		return fmt.Errorf("time: %w", err)
	}
	e.Time = at
	return nil
}

func setConfirmedAt(e *gate.Event, text string, r *Reading) error {
	at, err := r.parseTime(text)
	if err != nil {
		return fmt.Errorf("evidence.confirmed_at: %w", err)
	}
	e.Evidence.ConfirmedAt = at
	return nil
}

func setSource(e *gate.Event, text string, _ *Reading) error {
	e.Source.Kind, e.Source.ID, _ = strings.Cut(text, ":")
	return nil
}

// setNote makes one line of a note.
func setNote(e *gate.Event, text string, _ *Reading) error {
	e.Note = strings.Join(strings.Fields(text), " ")
	return nil
}

func setOptoutOffered(e *gate.Event, text string, _ *Reading) error {
	yes, err := truth(text)
	if err != nil {
		return fmt.Errorf("evidence.optout_offered: %w", err)
	}
	e.Evidence.OptoutOffered = yes
	return nil
}

// truth reads yes and no as files write them.
func truth(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "yes", "y":
		return true, nil
	case "no", "n":
		return false, nil
	}
	yes, err := strconv.ParseBool(text)
	if err != nil {
		return false, fmt.Errorf("%q is neither yes nor no", text)
	}
	return yes, nil
}
