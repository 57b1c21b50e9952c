package gate

import "time"

// Verdict is the answer of a decision.
type Verdict string

// The verdicts.
const (
	Permit Verdict = "permit"
	Block  Verdict = "block"
	Defer  Verdict = "defer"
)

// Reason says why a verdict is not permit. The set is closed: it is the log field, the metric label and the word in
// the reply. docs/replies.md explains each.
type Reason string

// The reasons; empty with Permit.
const (
	ReasonNoConsent             Reason = "no_consent"
	ReasonPassiveUnconfirmed    Reason = "passive_unconfirmed"
	ReasonConfirmationPending   Reason = "confirmation_pending"
	ReasonConfirmationRequired  Reason = "confirmation_required"
	ReasonWithdrawn             Reason = "withdrawn"
	ReasonExpired               Reason = "expired"
	ReasonInvalidated           Reason = "invalidated"
	ReasonEvidenceIncomplete    Reason = "evidence_incomplete"
	ReasonComplained            Reason = "complained"
	ReasonSuppressed            Reason = "suppressed"
	ReasonHardBounced           Reason = "hard_bounced"
	ReasonStreamNotAllowed      Reason = "stream_not_allowed"
	ReasonSenderNotAllowed      Reason = "sender_not_allowed"
	ReasonNullSender            Reason = "null_sender"
	ReasonUnsubscribeImpossible Reason = "unsubscribe_impossible"
	ReasonInvalidAddress        Reason = "invalid_address"
	ReasonStoreUnavailable      Reason = "store_unavailable"
	ReasonUpstreamUnavailable   Reason = "upstream_unavailable"
)

// Lookup is a store's answer about one recipient. Err is nil or wraps ErrUnavailable; a recipient nobody knows is
// the zero Record without an error.
type Lookup struct {
	Record Record
	Err    error
	// Doubt says that the record may permit too much: the marks on sources could not be read lately. Nil or wraps
	// ErrUnavailable.
	Doubt error
}

// Decision is the answer about one recipient of one stream, with everything that explains it.
type Decision struct {
	Verdict       Verdict
	Reason        Reason // empty with Permit
	Rule          string // name of the rule that answered
	Stream        string
	Purpose       string
	State         State
	Method        Method          // of the grant that the consent rests on; empty: none
	Source        string          // "kind:id" of that grant
	Suppression   SuppressionKind // empty: none
	Jurisdiction  string          // the pack that was applied
	Citation      string          // law, case or standard behind the cell that decided
	Hint          string          // what would unblock, in one sentence
	PolicyVersion string
	Refused       bool // a refusal stands, whatever reason came first: e.g. a grant since then waits for confirmation
}

// Refusal reports whether the person's own no stands behind a block (withdrawn, complained, suppressed), which is
// enforced even where the mode is observe.
func (d Decision) Refusal() bool {
	switch d.Reason {
	case ReasonWithdrawn, ReasonComplained, ReasonSuppressed:
		return true
	}
	return d.Refused && d.Verdict == Block
}

// BlockEntry is an entry of the blocked-send log. Address is sealed (or empty); Recipient is masked, full or hashed as
// log.addresses says. WouldBlock marks an entry of mode observe: the message was delivered.
type BlockEntry struct {
	ID            string    `json:"id"`
	Time          time.Time `json:"time"`
	Phase         string    `json:"phase"` // "rcpt" or "data"
	Session       string    `json:"session"`
	Client        string    `json:"client"`
	Credential    string    `json:"credential"`
	MailFrom      string    `json:"mail_from"`
	Recipient     string    `json:"recipient"`
	RecipientID   ID        `json:"recipient_id"`
	MessageID     string    `json:"message_id"`
	Stream        string    `json:"stream"`
	Purpose       string    `json:"purpose"`
	Verdict       Verdict   `json:"verdict"`
	Reason        Reason    `json:"reason"`
	Rule          string    `json:"rule"`
	Jurisdiction  string    `json:"jurisdiction"`
	Citation      string    `json:"citation"`
	Hint          string    `json:"hint"`
	PolicyVersion string    `json:"policy_version"`
	Reply         string    `json:"reply"`
	WouldBlock    bool      `json:"would_block,omitempty"`
	Address       string    `json:"address,omitempty"`
}
