package gate

import (
	"time"
	"unicode/utf8"
)

// EventType names what happened to a consent. The set is closed.
type EventType string

// The event types. Activity restarts a clock and never grants; renewed is fresh consent by the person; restored is the
// person's own undo of a withdrawal.
const (
	Granted               EventType = "granted"
	ConfirmationRequested EventType = "confirmation_requested"
	Confirmed             EventType = "confirmed"
	Refused               EventType = "refused"
	Withdrawn             EventType = "withdrawn"
	Restored              EventType = "restored"
	Renewed               EventType = "renewed"
	Activity              EventType = "activity"
	Invalidated           EventType = "invalidated"
	Complained            EventType = "complained"
	Bounced               EventType = "bounced"
	Suppressed            EventType = "suppressed"
	Unsuppressed          EventType = "unsuppressed"
	Erased                EventType = "erased"
)

// Method names how a consent was given. The set is closed.
type Method string

// The methods of a grant. Passive is permission taken from a pre-ticked or bundled box: it is not consent.
const (
	MethodPassive  Method = "passive"
	MethodActive   Method = "active"
	MethodDouble   Method = "double"
	MethodVerbal   Method = "verbal"
	MethodPaper    Method = "paper"
	MethodSoft     Method = "soft"
	MethodB2B      Method = "b2b"
	MethodImplied  Method = "implied"
	MethodImported Method = "imported"
)

// Via names where a confirmation was made. Only ViaMailbox proves that the address is the person's own.
type Via string

// The ways to confirm. All need evidence.ref: of ViaMailbox our own page gives it, whoever else claims it has to.
const (
	ViaMailbox  Via = "mailbox"
	ViaAccount  Via = "account"
	ViaPhone    Via = "phone"
	ViaPaper    Via = "paper"
	ViaInPerson Via = "in_person"
)

// DefaultState is the state of the box before the person touched it.
type DefaultState string

// The default states; ticked and bundled make a grant passive.
const (
	DefaultTicked   DefaultState = "ticked"
	DefaultUnticked DefaultState = "unticked"
	DefaultBundled  DefaultState = "bundled"
	DefaultNone     DefaultState = "none"
)

// AllPurposes in an event's purpose stands for every marketing purpose. It withdraws and suppresses, it never grants.
const AllPurposes = "*"

// Source says where a consent came from, e.g. {contest summer-quiz}.
type Source struct {
	Kind string `json:"kind"`
	ID   string `json:"id,omitempty"`
	URL  string `json:"url,omitempty"`
}

// Wording identifies the text that the person read.
type Wording struct {
	ID       string `json:"id"`
	Version  string `json:"version,omitempty"`
	SHA256   string `json:"sha256,omitempty"`
	Language string `json:"language,omitempty"`
}

// Evidence holds what the method of a grant has to prove.
type Evidence struct {
	SaleRef       string    `json:"sale_ref,omitempty"`
	Category      string    `json:"category,omitempty"`
	OptoutOffered bool      `json:"optout_offered,omitempty"`
	Ref           string    `json:"ref,omitempty"`
	ConfirmedAt   time.Time `json:"confirmed_at,omitzero"`
}

// Event is one thing that happened to one recipient's consent. Events are append-only and the record is their fold.
// Its JSON form is the one users write, stores keep (without Recipient) and exports carry.
type Event struct {
	ID           string       `json:"id"`
	Recipient    string       `json:"recipient,omitempty"`
	Purpose      string       `json:"purpose,omitempty"`
	Type         EventType    `json:"type"`
	Method       Method       `json:"method,omitempty"`
	Via          Via          `json:"via,omitempty"`
	Time         time.Time    `json:"time"`
	Jurisdiction string       `json:"jurisdiction,omitempty"`
	Audience     string       `json:"audience,omitempty"`
	Controller   string       `json:"controller,omitempty"`
	Actor        string       `json:"actor,omitempty"`
	Source       Source       `json:"source,omitzero"`
	DefaultState DefaultState `json:"default_state,omitempty"`
	Wording      Wording      `json:"wording,omitzero"`
	Evidence     Evidence     `json:"evidence,omitzero"`
	IP           string       `json:"ip,omitempty"`
	UserAgent    string       `json:"user_agent,omitempty"`
	Note         string       `json:"note,omitempty"`
}

// maxActor bounds an event's actor, in octets.
const maxActor = 128

// ActorBy is the actor of an event that came through a door: by, which is what the door knows (api:shop), and behind a
// slash the actor that the event names itself. That is only a claim; it is cut where both together are too long.
func ActorBy(by, claim string) string {
	if claim == "" {
		return by
	}
	return cut(by+"/"+claim, maxActor)
}

// cut shortens a text to n octets at most, and splits no character.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

// IsRefusal reports whether the event is a no of the person; at the same time it wins over any grant.
func (e Event) IsRefusal() bool {
	switch e.Type {
	case Refused, Withdrawn, Complained:
		return true
	}
	return false
}
