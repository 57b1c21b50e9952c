package admin

import (
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/consentgate/consentgate/gate"
)

// sentEvent is the schema of an event that is sent, in the OpenAPI document, with the words that its closed sets have.
// It describes; what an event must be is checked by gate alone.
func sentEvent(r huma.Registry) *huma.Schema {
	event := r.Schema(reflect.TypeFor[gate.Event](), true, "Event")
	describeEvent(r.SchemaFromRef(event.Ref).Properties)
	return &huma.Schema{
		AllOf:    []*huma.Schema{event},
		Required: []string{"recipient"},
		Properties: map[string]*huma.Schema{"type": {Type: huma.TypeString, Enum: []any{
			gate.Granted, gate.ConfirmationRequested, gate.Confirmed, gate.Refused, gate.Withdrawn, gate.Renewed, gate.Activity,
			gate.Invalidated, gate.Complained, gate.Bounced, gate.Suppressed, gate.Unsuppressed,
		}}},
	}
}

func describeEvent(fields map[string]*huma.Schema) {
	for field, words := range map[string][]any{
		"method": {
			gate.MethodPassive, gate.MethodActive, gate.MethodDouble, gate.MethodVerbal, gate.MethodPaper, gate.MethodSoft,
			gate.MethodB2B, gate.MethodImplied, gate.MethodImported,
		},
		"via":           {gate.ViaMailbox, gate.ViaAccount, gate.ViaPhone, gate.ViaPaper, gate.ViaInPerson},
		"default_state": {gate.DefaultTicked, gate.DefaultUnticked, gate.DefaultBundled, gate.DefaultNone},
		"audience":      {"b2b", "b2c"},
	} {
		fields[field].Enum = words
	}
	for field, text := range map[string]string{
		"id":      "Chosen by you, one for each event: the same id counts once",
		"time":    "When it happened (RFC 3339), at most 5 minutes ahead",
		"purpose": `What the consent is for; "*" is every marketing purpose, and can be withdrawn only`,
		"actor":   "Who recorded it with you; the name of the token is put before it",
	} {
		fields[field].Description = text
	}
}
