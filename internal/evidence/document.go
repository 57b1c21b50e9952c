package evidence

import (
	"time"

	"github.com/consentgate/consentgate/gate"
)

// Schema names the form of a document; a reader refuses one that it does not know.
const Schema = "consentgate-evidence/1"

// Standard is whose sections and field names the document follows.
const Standard = "ISO/IEC TS 27560:2023"

// Document is the proof about one recipient. Its sections are those of the standard: header, processing, parties and
// events; what the standard does not know (decisions, blocks, audit) follows.
type Document struct {
	Schema       string            `json:"schema"`
	Standard     string            `json:"standard"`
	Record       Header            `json:"record"`
	Parties      []Party           `json:"parties"`
	Processing   []Processing      `json:"processing"`
	Notices      []Notice          `json:"notices"`
	Events       []Event           `json:"events"`
	Invalid      []Invalidation    `json:"invalidations"` // of sources that grants name, and that stand
	Suppressions []Suppression     `json:"suppressions"`
	Decisions    []Decision        `json:"decisions"`
	Blocks       []gate.BlockEntry `json:"blocks"`
	Audit        []gate.AuditEntry `json:"audit"`
}

// Header identifies the document and the person.
type Header struct {
	RecordID      string    `json:"record_id"`
	SchemaVersion string    `json:"schema_version"`
	PrincipalID   gate.ID   `json:"pii_principal_id"` // the recipient id
	Address       string    `json:"address"`          // canonical, as it was asked for
	AddressKept   bool      `json:"address_kept"`     // false: the store keeps none, or it was erased
	Created       time.Time `json:"created"`
	CreatedBy     string    `json:"created_by"` // actor
	Program       string    `json:"program"`
}

// Party is a controller.
type Party struct {
	ID         string `json:"party_id"`
	Type       string `json:"party_type"` // always "pii_controller"
	Name       string `json:"party_name,omitempty"`
	Address    string `json:"party_address,omitempty"`
	Contact    string `json:"party_contact,omitempty"`
	PrivacyURL string `json:"privacy_notice,omitempty"`
}

// Processing is what was agreed for one purpose, as it stands.
type Processing struct {
	Purpose          string            `json:"purpose"`
	State            gate.State        `json:"state"`
	Since            time.Time         `json:"since,omitzero"`
	LastAct          time.Time         `json:"last_act,omitzero"`
	Basis            string            `json:"lawful_basis"` // see Basis
	Method           gate.Method       `json:"collection_method,omitempty"`
	DefaultState     gate.DefaultState `json:"default_state,omitempty"`
	Source           gate.Source       `json:"source,omitzero"`
	Via              gate.Via          `json:"confirmed_via,omitempty"`
	Jurisdiction     string            `json:"jurisdiction,omitempty"`
	Audience         string            `json:"audience,omitempty"`
	Controller       string            `json:"pii_controller,omitempty"` // as the grant names it
	PrivacyNotice    string            `json:"privacy_notice,omitempty"` // URL
	Notice           gate.Wording      `json:"notice,omitzero"`
	Withdrawn        time.Time         `json:"withdrawn,omitzero"`
	WithdrawalMethod string            `json:"withdrawal_method"`       // one of the Withdrawal constants
	WithdrawalAt     string            `json:"withdrawal_at,omitempty"` // URL or contact
	Storage          Storage           `json:"storage_location"`
	Retention        Retention         `json:"retention_period"`
	Incomplete       bool              `json:"evidence_incomplete,omitempty"`
	Missing          []string          `json:"evidence_missing,omitempty"` // fields that the grant does not have
	InvalidBecause   string            `json:"invalid_because,omitempty"`  // see Invalidations
}

// Storage is where records stand.
type Storage struct {
	Store     string `json:"store"`     // kind, such as redis
	Addresses string `json:"addresses"` // encrypted, plain or none
}

// Retention is for how many days records stand; 0 is for ever. Refusals always do.
type Retention struct {
	Evidence int `json:"evidence_days"` // from the end of every consent
	Inactive int `json:"inactive_days"` // from the person's last act
}

// Invalidation is an operator's word that a source is invalid, which no event of the history holds.
type Invalidation struct {
	ID     string    `json:"id"`
	Source string    `json:"source"` // kind:id, or a kind for all its sources
	Time   time.Time `json:"time"`
	Actor  string    `json:"entity_id"`
	Why    string    `json:"why"`
}

// Notice is a wording that events name, with the text that is kept of it.
type Notice struct {
	gate.Wording
	Status string `json:"status"` // one of the Notice constants
	Text   string `json:"text,omitempty"`
	Kept   string `json:"kept_sha256,omitempty"` // of Text
}

// How a notice's text is known.
const (
	NoticeProved    = "proved"    // the event carries the hash of the text
	NoticeNamed     = "named"     // the event names the text and carries no hash
	NoticeDiffers   = "differs"   // the event carries a hash that no kept text has
	NoticeAmbiguous = "ambiguous" // several kept texts fit what the event says
	NoticeUnknown   = "unknown"   // no text is kept
)

// Event is an event of the history, or an invalidation of a source, with the state that it led to.
type Event struct {
	Time         time.Time         `json:"event_time"`
	State        gate.State        `json:"event_state,omitempty"` // of the purpose, after it
	States       States            `json:"event_states,omitempty"`
	Type         gate.EventType    `json:"event_type"`
	Entity       string            `json:"entity_id,omitempty"` // who recorded it
	ID           string            `json:"event_id"`
	Purpose      string            `json:"purpose,omitempty"`
	Method       gate.Method       `json:"collection_method,omitempty"`
	Via          gate.Via          `json:"via,omitempty"`
	Controller   string            `json:"pii_controller,omitempty"`
	Jurisdiction string            `json:"jurisdiction,omitempty"`
	Audience     string            `json:"audience,omitempty"`
	Source       gate.Source       `json:"source,omitzero"`
	DefaultState gate.DefaultState `json:"default_state,omitempty"`
	Notice       gate.Wording      `json:"notice,omitzero"`
	Evidence     gate.Evidence     `json:"evidence,omitzero"`
	IP           string            `json:"ip,omitempty"`
	UserAgent    string            `json:"user_agent,omitempty"`
	Note         string            `json:"note,omitempty"`
}

// States are those of each purpose, after an event that speaks of all of them or of none.
type States map[string]gate.State

// Suppression is what keeps mail away whatever was agreed.
type Suppression struct {
	Kind  gate.SuppressionKind `json:"kind"`
	Scope string               `json:"scope"`
	At    time.Time            `json:"at"`
}

// Decision is what the gate answers for one stream at the moment of the document.
type Decision struct {
	Stream        string       `json:"stream"`
	Purpose       string       `json:"purpose"`
	Verdict       gate.Verdict `json:"verdict"`
	Reason        gate.Reason  `json:"reason,omitempty"`
	Rule          string       `json:"rule"`
	Jurisdiction  string       `json:"jurisdiction,omitempty"`
	Citation      string       `json:"citation,omitempty"`
	ValidUntil    time.Time    `json:"valid_until,omitzero"` // zero: no clock runs
	ValidityLaw   string       `json:"validity_law,omitempty"`
	PolicyVersion string       `json:"policy_version"`
}

// How consent is withdrawn.
const (
	WithdrawalOneClick   = "one_click"
	WithdrawalContact    = "contact"
	WithdrawalController = "controller" // nothing is configured
)

// The lawful bases that a record may rest on, and why there may be none.
const (
	BasisConsent  = "consent"         // GDPR art. 6(1)(a)
	BasisSoft     = "soft_opt_in"     // Directive 2002/58/EC art. 13(2)
	BasisB2B      = "b2b_interest"    // a professional address, as far as a national law takes it
	BasisImplied  = "implied_consent" // CASL s. 10(9)
	BasisNone     = "none"            // a pre-ticked box: GDPR recital 32, CJEU C-673/17
	BasisRefused  = "none_refused"    // and nothing was agreed before
	BasisUnproven = "none_unproven"   // e.g. an import that does not say how consent was given
	BasisInvalid  = "none_invalid"    // the source was declared invalid
)

// basisOf is what a consent that nobody refused rests on.
func basisOf(c gate.Consent) string {
	switch {
	case c.State == gate.StateInvalidated:
		return BasisInvalid
	case c.Method == gate.MethodPassive && c.Via == "":
		return BasisNone
	case c.State == gate.StateActiveDouble || c.State == gate.StateActiveSingle:
		return BasisConsent // also where a confirmation stands without any grant
	}
	switch c.Method {
	case gate.MethodPassive, gate.MethodActive, gate.MethodDouble, gate.MethodVerbal, gate.MethodPaper:
		return BasisConsent
	case gate.MethodSoft:
		return BasisSoft
	case gate.MethodB2B:
		return BasisB2B
	case gate.MethodImplied:
		return BasisImplied
	}
	return BasisUnproven
}
