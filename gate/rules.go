package gate

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// RequestTTL is how long a confirmation_requested permits its one mail.
const RequestTTL = 48 * time.Hour

// rule looks at a question and answers, or passes it on.
type rule struct {
	name string
	ask  func(*question) answer
}

// answer is permit, block or defer; the zero answer is next.
type answer struct {
	verdict      Verdict
	reason       Reason
	citation     string
	jurisdiction string // whose law is cited
	hint         string
}

// ruleOrder is the order in which rules are asked. To add one: a line here, its function below, a row in its table
// test, its reason in decision.go and in docs/replies.md.
func ruleOrder() []rule {
	return []rule{
		{"address", addressRule},
		{"suppression", suppressionRule}, // of the recipient as a whole: whatever the stream
		{"transactional", transactionalRule},
		{"store", storeRule},
		{"complaint", complaintRule},
		{"purpose_suppression", purposeSuppressionRule},
		{"refusal", refusalRule},
		{"service", serviceRule},
		{"confirmation", confirmationRule},
		{"consent", consentRule},
		{"clock", clockRule},
		{"pack", packRule},
		{"evidence", evidenceRule},
		{"marks", marksRule}, // on sources: they can only take away
		{"permit", permitRule},
	}
}

func addressRule(q *question) answer {
	if !q.addr.IsZero() {
		return answer{}
	}
	return answer{verdict: Block, reason: ReasonInvalidAddress, hint: "send to an address of the form local@domain"}
}

func suppressionRule(q *question) answer {
	switch {
	case q.everywhere == nil:
		return answer{}
	case q.everywhere.Kind == SuppressionHardBounced:
		return answer{
			verdict: Block, reason: ReasonHardBounced, hint: bouncedHint(q.everywhere),
			citation: "RFC 3463 section 3.2: no such mailbox",
		}
	}
	return answer{verdict: Block, reason: ReasonSuppressed, hint: suppressedHint(q.everywhere)}
}

func transactionalRule(q *question) answer {
	if q.stream.Kind != KindTransactional {
		return answer{}
	}
	return answer{verdict: Permit}
}

func storeRule(q *question) answer {
	if q.storeErr == nil {
		return answer{}
	}
	return answer{verdict: Defer, reason: ReasonStoreUnavailable, hint: "the consent store did not answer; try the message again later"}
}

func complaintRule(q *question) answer {
	if q.complaint == nil || q.mayConfirm() {
		return answer{}
	}
	return q.cite(StateWithdrawn, ReasonComplained, complainedHint(q.complaint))
}

func purposeSuppressionRule(q *question) answer {
	if q.scoped == nil {
		return answer{}
	}
	return answer{verdict: Block, reason: ReasonSuppressed, hint: suppressedHint(q.scoped)}
}

// refusalRule leaves a grant that waits for its confirmation to the rules of marketing, which block it for that where
// permission comes first, and lets service mail pass a withdrawal of "everything", which is about marketing.
func refusalRule(q *question) answer {
	refused := q.consent.refused()
	switch q.stream.Kind {
	case KindService:
		refused = refused && !q.consent.ByAll
	case KindConfirmation:
		refused = refused && !q.mayConfirm()
	default:
		refused = refused && (q.consent.State == StateWithdrawn || q.book.optOut)
	}
	if !refused {
		return answer{}
	}
	return q.cite(StateWithdrawn, ReasonWithdrawn, withdrawnHint(q.consent))
}

func serviceRule(q *question) answer {
	if q.stream.Kind != KindService {
		return answer{}
	}
	return answer{verdict: Permit}
}

// confirmationRule permits the mail that asks for a confirmation. That it passes only once is the session's to claim.
// Where the mail is its own request, nobody can ask those in bulk who never signed up.
func confirmationRule(q *question) answer {
	switch {
	case q.stream.Kind != KindConfirmation:
		return answer{}
	case q.stream.ByMail && q.consent.neverAct() && !q.mayConfirm():
		return q.cite(q.consent.State, blockedState(q.consent.State), q.stateHint())
	case q.mayConfirm(), q.stream.ByMail:
		return answer{verdict: Permit}
	case !q.consent.Requested.IsZero(), q.consent.State == StateActivePending:
		return answer{verdict: Block, reason: ReasonConfirmationPending, hint: staleRequestHint(q.consent)}
	}
	return answer{verdict: Block, reason: ReasonNoConsent, hint: "no sign-up is logged; record confirmation_requested when the person signs up"}
}

// consentRule blocks what is no permission wherever permission comes first.
func consentRule(q *question) answer {
	reason := blockedState(q.consent.State)
	if reason == "" || q.book.optOut {
		return answer{}
	}
	return q.cite(q.consent.State, reason, q.stateHint())
}

func clockRule(q *question) answer {
	start, end, law := q.clock()
	if end.IsZero() || q.now.Before(end) {
		return answer{}
	}
	hint := expiredHint
	if q.ruling.FromGrant {
		hint = lapsedHint
	}
	q.state = StateExpired
	return answer{
		verdict: Block, reason: ReasonExpired, citation: law, jurisdiction: cmp.Or(q.ruling.clockFrom, q.ruling.from),
		hint: hint(start, end),
	}
}

// clock is the time that the consent has, and the law that sets it; end is zero where there is no clock.
func (q *question) clock() (start, end time.Time, law string) {
	age, law := q.ruling.clock(q.consent.Source)
	start = q.consent.clock()
	if q.ruling.FromGrant {
		start = q.consent.At
	}
	if age.IsZero() {
		return start, time.Time{}, ""
	}
	return start, age.After(start), law
}

func packRule(q *question) answer {
	r := q.ruling
	switch {
	case !r.Permit:
		reason := cmp.Or(r.Reason, ReasonNoConsent)
		return answer{
			verdict: Block, reason: reason, citation: r.Citation, jurisdiction: r.from, hint: q.packHint(reason),
		}
	case r.Category && q.consent.Category == "":
		return answer{
			verdict: Block, reason: ReasonEvidenceIncomplete, citation: r.Citation, jurisdiction: r.from,
			hint: "the grant names no evidence.category of similar goods or services; record it again with one",
		}
	}
	return answer{}
}

func evidenceRule(q *question) answer {
	if !q.consent.Incomplete || !q.stream.Evidence && !q.book.evidence {
		return answer{}
	}
	return answer{
		verdict: Block, reason: ReasonEvidenceIncomplete, citation: "GDPR art. 7(1)", jurisdiction: q.ruling.from,
		hint: evidenceHint(q.consent),
	}
}

// marksRule defers what nothing stands against while something may that cannot be read.
func marksRule(q *question) answer {
	if q.doubt == nil {
		return answer{}
	}
	return answer{
		verdict: Defer, reason: ReasonStoreUnavailable,
		hint: "whether the source was declared invalid could not be read from the store; try the message again later",
	}
}

func permitRule(q *question) answer {
	return answer{verdict: Permit, citation: q.ruling.Citation, jurisdiction: q.ruling.from}
}

// question is all that rules may look at.
type question struct {
	now      time.Time
	stream   *Stream
	addr     Address
	storeErr error // then nothing below is known
	doubt    error // of the lookup
	consents map[string]Consent
	consent  Consent // for the stream's purpose
	state    State   // what the decision shows: the consent's, or expired
	book     *book
	ruling   ruling // the book's, on the consent

	everywhere, complaint, scoped *Suppression // those that stand now
}

// weigh sorts a suppression that stands now and concerns the stream to its rule.
func (q *question) weigh(s *Suppression) {
	switch {
	case s.Scope != AllPurposes && s.Scope != q.stream.Purpose:
	case s.Kind == SuppressionComplained:
		if s.At.After(q.consent.Lifted) {
			q.complaint = s
		}
	case s.Kind == SuppressionHardBounced && !q.now.Before(s.At.Add(HardBounceTTL)):
	case s.Scope != AllPurposes:
		q.scoped = s
	case q.everywhere == nil: // a bounce comes first: its reply says most
		q.everywhere = s
	}
}

// suppression is the first that stands, for people to see also where it did not decide.
func (q *question) suppression() SuppressionKind {
	if s := cmp.Or(q.everywhere, q.complaint, q.scoped); s != nil {
		return s.Kind
	}
	return ""
}

func (q *question) rulingOn(c Consent) ruling {
	if q.book == nil {
		return ruling{}
	}
	return q.book.cells[cellKey{c.State, cmp.Or(c.Audience, q.stream.Audience) == "b2b"}]
}

// rulingOnConsent is the cell of the recipient's consent. Where that wants a confirmation, one from the mailbox is as
// good as a double opt-in.
func (q *question) rulingOnConsent() ruling {
	r := q.rulingOn(q.consent)
	if r.Reason == ReasonConfirmationRequired && q.consent.Via == ViaMailbox {
		return q.rulingOn(Consent{State: StateActiveDouble, Audience: q.consent.Audience}).withDemandsOf(r)
	}
	return r
}

// cite blocks with the law that the book names for a state.
func (q *question) cite(s State, reason Reason, hint string) answer {
	r := q.rulingOn(Consent{State: s, Audience: q.consent.Audience})
	return answer{verdict: Block, reason: reason, citation: r.Citation, jurisdiction: r.from, hint: hint}
}

// mayConfirm reports whether this is the mail that a logged request, made after any refusal, permits.
func (q *question) mayConfirm() bool {
	r := q.consent.Requested
	return q.stream.Kind == KindConfirmation && !r.IsZero() && q.now.Before(r.Add(RequestTTL))
}

// nearMiss is a purpose other than the stream's that the recipient gave a consent for which would pass.
func (q *question) nearMiss() string {
	for _, purpose := range slices.Sorted(maps.Keys(q.consents)) {
		c := q.consents[purpose]
		if purpose != q.stream.Purpose && !c.refused() && blockedState(c.State) == "" && q.rulingOn(c).Permit {
			return purpose
		}
	}
	return ""
}
