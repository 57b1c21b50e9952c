package gate

import (
	"slices"
	"time"
)

// State is the permission of one recipient for one purpose. The set is closed.
type State string

// The permission states. StateExpired is never folded: a pack's clock decides it at the time of the question.
const (
	StateNone               State = "none"
	StatePassiveUnconfirmed State = "passive_unconfirmed"
	StatePassiveConfirmed   State = "passive_confirmed"
	StateActiveSingle       State = "active_single"
	StateActivePending      State = "active_pending"
	StateActiveDouble       State = "active_double"
	StateSoft               State = "soft"
	StateB2B                State = "b2b"
	StateImplied            State = "implied"
	StateWithdrawn          State = "withdrawn"
	StateExpired            State = "expired"
	StateInvalidated        State = "invalidated"
)

// states lists the set.
func states() []State {
	return []State{
		StateNone, StatePassiveUnconfirmed, StatePassiveConfirmed, StateActiveSingle, StateActivePending,
		StateActiveDouble, StateSoft, StateB2B, StateImplied, StateWithdrawn, StateExpired, StateInvalidated,
	}
}

func (s State) known() bool { return slices.Contains(states(), s) }

// SuppressionKind is why a recipient is suppressed whatever the consent says. The set is closed.
type SuppressionKind string

// The suppressions. A hard bounce ends by itself after HardBounceTTL unless another bounce renews it.
const (
	SuppressionComplained  SuppressionKind = "complained"
	SuppressionHardBounced SuppressionKind = "hard_bounced"
	SuppressionManual      SuppressionKind = "manual"
)

// HardBounceTTL is how long a hard bounce suppresses.
const HardBounceTTL = 30 * 24 * time.Hour

// Suppression is a negative entry that beats any consent. Scope is AllPurposes or one purpose.
type Suppression struct {
	Kind  SuppressionKind
	Scope string
	At    time.Time
}

// Consent is the folded state of one recipient for one purpose. Times have a resolution of one second.
type Consent struct {
	State        State
	At           time.Time // when this state was reached; the same grant said again does not move it
	LastAct      time.Time // the person's last act; clocks run from it. Zero: At
	Method       Method    // the grant's method; empty without a grant
	Source       string    // "kind:id" of the grant
	Jurisdiction string    // of the grant; empty: the record's
	Audience     string    // "b2b", "b2c", or empty where the grant does not say
	Category     string    // evidence.category of a soft opt-in
	Via          Via       // how it was confirmed, if it was
	Requested    time.Time // last confirmation_requested that neither a confirmation nor a refusal has closed
	Refused      time.Time // last refusal that no confirmation has reopened, also while a later grant waits for one
	Lifted       time.Time // a complaint at or before this was lifted by a mailbox confirmation
	Incomplete   bool      // minimum evidence of the method is missing
	ByAll        bool      // the refusal was of every marketing purpose and never of this one by name
	Why          string    // why the source was declared invalid, where a Mark did that; no store keeps it here
}

// Record is the fold of all events of one recipient. The zero Record is that of somebody unknown.
type Record struct {
	Version      uint64 // of the store's compare-and-set; 0 where no record stands
	Jurisdiction string // of the latest event that named one
	Consents     map[string]Consent
	Suppressions []Suppression
}

// For returns the consent that counts for purpose: its own, else what was said of all purposes, else StateNone.
func (r Record) For(purpose string) Consent {
	if c, ok := r.Consents[purpose]; ok {
		return c
	}
	if c, ok := r.Consents[AllPurposes]; ok {
		return c
	}
	return Consent{State: StateNone}
}
