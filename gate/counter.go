package gate

// Counted is what a Counter counts. The set is closed.
type Counted string

// The things counted. The first group are verdicts, one for each recipient; a client's retry is counted again.
const (
	CountPermitted   Counted = "permitted"
	CountBlocked     Counted = "blocked"
	CountBlockedLate Counted = "blocked_late" // permitted at RCPT, blocked in DATA
	CountDeferred    Counted = "deferred"
	CountWouldBlock  Counted = "would_block" // mode observe: delivered all the same

	// Events that a store took, and consents that began to wait for a confirmation. An event that repeats what stood
	// already is counted as repeated and no more.
	CountEvent    Counted = "event"
	CountRepeated Counted = "repeated"
	CountAwaiting Counted = "awaiting"
	CountRejected Counted = "rejected" // left in the store's inbox, and no event

	// What became of recipients upstream. Undecided: it gave no answer after the dot.
	CountAccepted  Counted = "accepted"
	CountRefused   Counted = "refused"
	CountPutOff    Counted = "put_off"
	CountUndecided Counted = "unknown"

	// Transactions and clients.
	CountPartly        Counted = "partly_delivered"
	CountNotices       Counted = "notices"
	CountWithoutStore  Counted = "permitted_without_store"
	CountLedgerFailed  Counted = "ledger_failed"       // partly delivered and not noted: a retry repeats copies
	CountWithoutLedger Counted = "sent_without_ledger" // transactional mail that did not wait for it
	CountUnheard       Counted = "unheard"             // the client did not wait for the 250
	CountSpoolFull     Counted = "spool_full"          // no room to keep a message that has to be split
	CountListKept      Counted = "unsubscribe_kept"    // the message's own List-Unsubscribe stayed
	CountListSigned    Counted = "unsubscribe_signed"  // a DKIM signature kept ours out
	CountTurnedAway    Counted = "turned_away"
	CountSessions      Counted = "sessions"

	// Requests to the private listener that were refused: whose token nobody knows, and whose holder may not do that.
	CountUnknownToken Counted = "unknown_token"
	CountForbidden    Counted = "forbidden"

	// Webhooks that their provider did not make, and reports in genuine ones that cannot be read.
	CountForged     Counted = "hook_forged"
	CountUnreadable Counted = "hook_unreadable"

	// Messages of our own that ask to confirm or offer to stop: taken by the upstream, not taken (each try counts), and not
	// written since the recipient had as many as may be.
	CountConfirmSent   Counted = "confirmation_sent"
	CountConfirmFailed Counted = "confirmation_failed"
	CountConfirmCapped Counted = "confirmation_capped"

	// Recipients at the inbound listener, by what became of them: unsubscribed or complained, left alone because a machine
	// wrote (automatic), because the report was no complaint (ignored) or named no token of ours (unmatched), put off,
	// or refused as nobody (unknown).
	CountInboundUnsubscribed Counted = "inbound_unsubscribed"
	CountInboundComplained   Counted = "inbound_complained"
	CountInboundAutomatic    Counted = "inbound_automatic"
	CountInboundIgnored      Counted = "inbound_ignored"
	CountInboundUnmatched    Counted = "inbound_unmatched"
	CountInboundPutOff       Counted = "inbound_put_off"
	CountInboundUnknown      Counted = "inbound_unknown"
)

// Counter names one sum: what is counted, and of what. Fields that do not apply are empty. It is comparable, so that it
// is counted without making a string of it.
type Counter struct {
	What    Counted
	Stream  string
	Purpose string // of an event
	Reason  Reason // of a verdict
	Event   EventType
	Method  Method // of the grant that the consent rests on
	Source  string // "kind:id" of that grant
}

// Counter is the counter of what became of the recipient.
func (d *Decision) Counter(what Counted) Counter {
	return Counter{What: what, Stream: d.Stream, Reason: d.Reason, Method: d.Method, Source: d.Source}
}

// Counters returns what an applied change counts as: the event, and where a consent begins to wait for a confirmation
// that too. A change that failed, or an event that stood already, counts as nothing.
func (c Change) Counters(a Applied) []Counter {
	if a.Err != nil || a.Duplicate || c.Event.Type == Erased {
		return nil
	}
	e, consent := &c.Event, a.Record.origin(c.Event.scope())
	n := Counter{What: CountEvent, Purpose: e.scope(), Event: e.Type, Method: consent.Method, Source: consent.Source}
	e.ownOrigin(&n)
	switch {
	case e.isGrant() && !e.reached(consent):
		n.What = CountRepeated
	case e.startsWaiting(consent):
		wait := n
		wait.What = CountAwaiting
		return []Counter{n, wait}
	}
	return []Counter{n}
}

// origin is the consent whose grant an event of this scope goes back to: of the purpose, or for all purposes the one
// granted last.
func (r Record) origin(scope string) Consent {
	if scope != AllPurposes {
		return r.For(scope)
	}
	var last Consent
	name := ""
	for purpose, c := range r.Consents {
		later := c.At.After(last.At) || c.At.Equal(last.At) && purpose < name
		if c.Method != "" && (last.Method == "" || later) {
			last, name = c, purpose
		}
	}
	return last
}

// ownOrigin lays over a counter what the event itself says: a grant or a refusal at a form has a method and a source of
// its own, and an unsubscription says which stream it came from.
func (e *Event) ownOrigin(n *Counter) {
	switch {
	case e.isGrant():
		n.Method, n.Source = e.grantMethod(), sourceText(e.Source)
	case e.Type == Refused:
		if m := e.refusedMethod(); m != "" {
			n.Method = m
		}
		if e.Source.Kind != "" {
			n.Source = sourceText(e.Source)
		}
	case e.Source.Kind == "unsubscribe" && IsPurpose(e.Source.ID):
		n.Stream = e.Source.ID
	}
}

// refusedMethod is the method by which the person would have consented: a box that was ticked for them is passive.
func (e *Event) refusedMethod() Method {
	switch {
	case e.Method != "":
		return e.grantMethod()
	case e.DefaultState.tickedForThem():
		return MethodPassive
	case e.DefaultState != "":
		return MethodActive
	}
	return ""
}

func (e *Event) isGrant() bool { return e.Type == Granted || e.Type == Renewed }

// reached reports whether the consent stands as it does since this grant, and no refusal behind it waits for more.
func (e *Event) reached(c Consent) bool { return c.At.Equal(seconds(e.Time)) && !c.refused() }

// startsWaiting reports whether the event is the first to leave a consent that permits nothing until it is confirmed.
func (e *Event) startsWaiting(c Consent) bool {
	waits := c.State == StatePassiveUnconfirmed || c.State == StateActivePending
	switch {
	case e.isGrant():
		return waits
	case e.Type == ConfirmationRequested:
		return !waits || c.refused() || c.At.Equal(seconds(e.Time))
	}
	return false
}

// EventTypes lists the set.
func EventTypes() []EventType {
	return []EventType{
		Granted, ConfirmationRequested, Confirmed, Refused, Withdrawn, Restored, Renewed, Activity, Invalidated,
		Complained, Bounced, Suppressed, Unsuppressed, Erased,
	}
}

// Reasons lists the set, as docs/replies.md has it.
func Reasons() []Reason {
	return []Reason{
		ReasonNoConsent, ReasonPassiveUnconfirmed, ReasonConfirmationPending, ReasonConfirmationRequired, ReasonWithdrawn,
		ReasonExpired, ReasonInvalidated, ReasonEvidenceIncomplete, ReasonComplained, ReasonSuppressed, ReasonHardBounced,
		ReasonStreamNotAllowed, ReasonSenderNotAllowed, ReasonNullSender, ReasonUnsubscribeImpossible,
		ReasonInvalidAddress, ReasonStoreUnavailable, ReasonUpstreamUnavailable,
	}
}

// Defers reports whether the reason puts a recipient off; every other reason blocks.
func (r Reason) Defers() bool { return r == ReasonStoreUnavailable || r == ReasonUpstreamUnavailable }
