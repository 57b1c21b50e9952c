package gate

import (
	"cmp"
	"slices"
	"time"
)

// UndoWithin is how long after a withdrawal a restored event takes it back.
const UndoWithin = 10 * time.Minute

// machine folds the events of one purpose, one after another, into its consent.
type machine struct {
	c         Consent
	sale      string    // evidence.sale_ref of the grant that counts
	complaint bool      // there was one; it stands unless c.Lifted says otherwise
	all       time.Time // last refusal of every purpose, which outlives what reopened this one
	undoable  *undoable // the latest event, where that was a withdrawal
}

// undoable is a withdrawal and the machine as it stood before.
type undoable struct {
	withdrawal *Event
	former     machine
}

func (m *machine) apply(e *Event) {
	former := *m
	m.undoable = nil
	switch e.Type {
	case Restored:
		m.restore(e, former.undoable)
	case Granted, Renewed:
		m.grant(e)
	case ConfirmationRequested:
		m.request(e)
	case Confirmed:
		m.confirm(e)
	case Activity:
		m.activity(e)
	case Invalidated:
		m.invalidate(e)
	case Erased:
		m.erase()
	case Withdrawn:
		m.refuse(e)
		former.undoable = nil
		m.undoable = &undoable{withdrawal: e, former: former}
	case Refused:
		m.refuse(e)
	case Complained:
		m.refuse(e)
		m.complaint, m.c.Lifted = true, time.Time{}
	}
}

// applyToAll applies an event that speaks of every purpose. Nothing of that kind grants: consent is for a purpose.
func (m *machine) applyToAll(e *Event) {
	switch e.Type {
	case Refused, Withdrawn, Restored, Complained, Invalidated, Activity, Erased:
		m.apply(e)
	case struck:
		m.strike(e)
	}
}

// grant never lowers a permission. After a refusal it is at most a request, because a sync that repeats old grants
// every night must not bring anybody back.
func (m *machine) grant(e *Event) {
	method := e.grantMethod()
	state, ok := grantedState(method, e)
	switch {
	case !ok:
		return
	case m.refused():
		if !method.isAct() {
			return
		}
		state = StateActivePending
	case m.c.State == StateInvalidated:
		if e.Type == Granted && sourceText(e.Source) == m.c.Source {
			return // what was declared invalid, said again
		}
	case rank(state, "") < rank(m.c.State, m.c.Via):
		if method.isAct() {
			m.c.LastAct = seconds(e.Time)
		}
		return
	}
	m.replace(e, method, state)
}

// replace rests the consent on another grant. Repeating a grant that was no act of the person (and no new sale) leaves
// every clock where it was.
func (m *machine) replace(e *Event, method Method, state State) {
	at, lastAct := seconds(e.Time), time.Time{}
	if state == m.c.State && m.c.Method != "" && !method.isAct() && e.Evidence.SaleRef == m.sale {
		at, lastAct = m.c.At, m.c.LastAct
	}
	m.sale = e.Evidence.SaleRef
	m.c = Consent{
		State: state, At: at, LastAct: lastAct, Method: method,
		Source: sourceText(e.Source), Jurisdiction: e.Jurisdiction, Audience: e.Audience,
		Category: e.Evidence.Category, Incomplete: !e.complete(method),
		Via: m.c.Via, Requested: m.c.Requested, Lifted: m.c.Lifted, Refused: m.c.Refused, ByAll: m.c.ByAll,
	}
	if state == StateActiveDouble {
		m.c.Requested = time.Time{}
	}
}

// request opens a confirmation. For somebody unknown it is the first half of a double opt-in.
func (m *machine) request(e *Event) {
	m.c.Requested = seconds(e.Time)
	if m.c.State == StateNone {
		m.replace(e, MethodDouble, StateActivePending)
	}
}

// confirm is the only way back after a refusal, and only where the person asked for it since. A complaint asks for more:
// the mailbox, after a request made since.
func (m *machine) confirm(e *Event) {
	state := m.confirmedState(e.Via)
	if state == StateNone || m.refused() && !m.reopens(e) {
		return
	}
	if m.complaint && m.c.Lifted.IsZero() {
		if e.Via != ViaMailbox || m.c.Requested.IsZero() {
			return
		}
		m.c.Lifted = seconds(e.Time)
	}
	m.c.State, m.c.At, m.c.LastAct = state, seconds(e.Time), time.Time{}
	m.c.Requested, m.c.Refused, m.c.ByAll, m.c.Why = time.Time{}, time.Time{}, false, ""
	if m.c.Via != ViaMailbox {
		m.c.Via = e.Via
	}
	if m.c.Method == "" { // reopened without any grant: the confirmation is all the proof there is
		m.c.Source, m.c.Incomplete = sourceText(e.Source), !e.complete(MethodDouble)
	}
}

// reopens reports whether a confirmation answers something newer than the refusal (a grant or a request) and refers to
// its proof: a line that only says "confirmed" must not bring anybody back.
func (m *machine) reopens(e *Event) bool {
	return e.Evidence.Ref != "" && (m.c.State == StateActivePending || !m.c.Requested.IsZero())
}

// confirmedState is what a confirmation makes of the present state; StateNone where there is nothing to confirm.
func (m *machine) confirmedState(via Via) State {
	switch {
	case !via.known(), m.c.State == StateNone && m.c.Method == "":
		return StateNone
	case m.c.State == StatePassiveUnconfirmed, m.c.State == StatePassiveConfirmed:
		return StatePassiveConfirmed
	case m.c.State == StateActiveDouble, via == ViaMailbox:
		return StateActiveDouble
	}
	return StateActiveSingle
}

func (m *machine) activity(e *Event) {
	switch m.c.State {
	case StateNone, StateWithdrawn, StateInvalidated:
	default:
		m.c.LastAct = seconds(e.Time)
	}
}

// invalidate strikes the grant; a refusal that stood before it stays.
func (m *machine) invalidate(e *Event) {
	switch {
	case m.refused():
		m.c.State, m.c.At = StateWithdrawn, m.c.Refused
	case m.c.State == StateNone && m.c.Method == "":
		return
	default:
		m.c.State, m.c.At = StateInvalidated, seconds(e.Time)
	}
	m.close()
}

// strike invalidates what rests on the source that a mark names.
func (m *machine) strike(e *Event) {
	if m.c.Source == "" || !e.Source.covers(m.c.Source) {
		return
	}
	m.undoable = nil
	m.invalidate(e)
	if m.c.State == StateInvalidated {
		m.c.At, m.c.Why = seconds(e.Time.Add(-1)), e.Note // the second that the mark was set in
	}
}

func (m *machine) refuse(e *Event) {
	m.c.ByAll = e.scope() == AllPurposes && (m.c.ByAll || !m.refused())
	if e.scope() == AllPurposes {
		m.all = seconds(e.Time)
	}
	m.c.State, m.c.At, m.c.Refused = StateWithdrawn, seconds(e.Time), seconds(e.Time)
	m.close()
}

// restore takes back the withdrawal that came just before, if e names it (evidence.ref), speaks of the same purpose and
// is quick enough. What stood before stands again, no more than that: an undo never confirms.
func (m *machine) restore(e *Event, u *undoable) {
	if u == nil || e.Evidence.Ref != u.withdrawal.ID || e.scope() != u.withdrawal.scope() ||
		e.Time.Sub(u.withdrawal.Time) > UndoWithin {
		return
	}
	*m = u.former
}

// close ends what a refusal or an invalidation ends: the open request, the confirmation, the clock.
func (m *machine) close() {
	m.c.Requested, m.c.LastAct, m.c.Via, m.c.Why = time.Time{}, time.Time{}, "", ""
}

// erase forgets everything but refusals: the one that stands, or one of every purpose that had been reopened here and
// whose reopening is forgotten too.
func (m *machine) erase() {
	kept := Consent{State: StateNone}
	switch {
	case m.refused():
		kept = Consent{State: StateWithdrawn, At: m.c.Refused, Refused: m.c.Refused, ByAll: m.c.ByAll}
	case !m.all.IsZero():
		kept = Consent{State: StateWithdrawn, At: m.all, Refused: m.all, ByAll: true}
	}
	m.c, m.sale = kept, ""
}

func (m *machine) refused() bool { return m.c.refused() }

// grantMethod is the method that counts: a renewal is active unless it says otherwise, and a box that the person did
// not tick makes any active grant passive.
func (e *Event) grantMethod() Method {
	method := e.Method
	if e.Type == Renewed {
		method = cmp.Or(method, MethodActive)
	}
	if method == MethodActive && e.DefaultState.tickedForThem() {
		return MethodPassive
	}
	return method
}

// grantedState is the method table: the state that a grant gives by itself.
func grantedState(method Method, e *Event) (State, bool) {
	switch method {
	case MethodPassive:
		return StatePassiveUnconfirmed, true
	case MethodActive, MethodVerbal, MethodPaper:
		return StateActiveSingle, true
	case MethodDouble:
		if e.Evidence.ConfirmedAt.IsZero() {
			return StateActivePending, true
		}
		return StateActiveDouble, true
	case MethodSoft:
		return StateSoft, true
	case MethodB2B:
		return StateB2B, true
	case MethodImplied:
		return StateImplied, true
	case MethodImported:
		return StateNone, true
	}
	return StateNone, false
}

// rank orders permissions by what they are worth. A passive consent confirmed from the mailbox is worth more than a
// single opt-in: it proves whose address it is.
func rank(s State, via Via) int {
	if s == StatePassiveConfirmed && via == ViaMailbox {
		return rank(StateActiveSingle, "") + 1
	}
	return 2 * slices.Index([]State{
		StateNone, StatePassiveUnconfirmed, StateActivePending, StateImplied, StateB2B, StateSoft,
		StatePassiveConfirmed, StateActiveSingle, StateActiveDouble,
	}, s)
}

// isAct reports whether a grant by this method is an act of the person.
func (m Method) isAct() bool {
	switch m {
	case MethodActive, MethodDouble, MethodVerbal, MethodPaper:
		return true
	}
	return false
}

func (d DefaultState) tickedForThem() bool { return d == DefaultTicked || d == DefaultBundled }

// refused reports whether a refusal stands, also behind a later grant that waits for its confirmation.
func (c Consent) refused() bool { return c.State == StateWithdrawn || !c.Refused.IsZero() }

// neverAct reports whether what stands was no act of the person, or counts as none.
func (c Consent) neverAct() bool {
	return c.State == StatePassiveUnconfirmed || c.State == StateInvalidated
}

// clock is the moment from which a clock runs.
func (c Consent) clock() time.Time {
	if c.LastAct.IsZero() {
		return c.At
	}
	return c.LastAct
}

// sourceText is the record's short form of a source: kind:id.
func sourceText(s Source) string {
	if s.ID == "" {
		return s.Kind
	}
	return s.Kind + ":" + s.ID
}
