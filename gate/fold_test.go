package gate_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
)

func TestFoldState(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		sentence, history string
		want              gate.State
	}{
		// the method table
		{"nothing recorded is no consent", "", gate.StateNone},
		{"a pre-ticked box is passive", "1 granted passive ticked", gate.StatePassiveUnconfirmed},
		{"an unticked box is an active single opt-in", "1 granted active unticked", gate.StateActiveSingle},
		{"an active grant of a ticked box is passive all the same", "1 granted active ticked", gate.StatePassiveUnconfirmed},
		{"an active grant of a bundled box is passive all the same", "1 granted active bundled", gate.StatePassiveUnconfirmed},
		{"double without a confirmation waits for it", "1 granted double", gate.StateActivePending},
		{"double with its confirmation is double", "1 granted double confirmed", gate.StateActiveDouble},
		{"a spoken yes is a single opt-in", "1 granted verbal ref=tape-1", gate.StateActiveSingle},
		{"a signed paper is a single opt-in", "1 granted method=paper ref=scan-1", gate.StateActiveSingle},
		{"a sale is a soft opt-in", "1 granted soft sale=S1 offered", gate.StateSoft},
		{"a professional address is b2b", "1 granted b2b audience=b2b", gate.StateB2B},
		{"implied is implied", "1 granted implied audience=b2c", gate.StateImplied},
		{"an import by itself is no permission", "1 granted imported from=import:batch-1", gate.StateNone},
		{"an unknown method is nothing", "1 granted method=telepathy", gate.StateNone},
		{"a renewal is active", "1 renewed", gate.StateActiveSingle},
		{"a renewal may name another method", "1 renewed double confirmed", gate.StateActiveDouble},

		// grants never lower
		{"a passive grant does not lower a double opt-in", "1 granted double confirmed; 2 granted passive", gate.StateActiveDouble},
		{"a soft grant does not lower a confirmed passive one", "1 granted passive; 2 confirmed account; 3 granted soft", gate.StatePassiveConfirmed},
		{"an import does not lower a passive one", "1 granted passive; 2 granted imported", gate.StatePassiveUnconfirmed},
		{"an active grant lifts a passive one", "1 granted passive; 2 granted active", gate.StateActiveSingle},
		{"an active grant lifts a passive one confirmed by account", "1 granted passive; 2 confirmed account; 3 granted active", gate.StateActiveSingle},
		{"an active grant does not take the mailbox proof away", "1 granted passive; 2 confirmed mailbox; 3 granted active", gate.StatePassiveConfirmed},
		{"a double grant lifts one confirmed from the mailbox", "1 granted passive; 2 confirmed mailbox; 3 granted double confirmed", gate.StateActiveDouble},

		// confirmations
		{"a request opens a sign-up", "1 confirmation_requested", gate.StateActivePending},
		{"a request leaves a permission alone", "1 granted active; 2 confirmation_requested", gate.StateActiveSingle},
		{"the mailbox makes a sign-up double", "1 confirmation_requested; 2 confirmed mailbox", gate.StateActiveDouble},
		{"another way makes a sign-up single", "1 confirmation_requested; 2 confirmed phone", gate.StateActiveSingle},
		{"the mailbox makes a single opt-in double", "1 granted active; 2 confirmed mailbox", gate.StateActiveDouble},
		{"another way leaves a single opt-in single", "1 granted active; 2 confirmed in_person", gate.StateActiveSingle},
		{"another way does not lower a double opt-in", "1 granted double confirmed; 2 confirmed phone", gate.StateActiveDouble},
		{"an act confirms a passive grant", "1 granted passive; 2 confirmed account", gate.StatePassiveConfirmed},
		{"confirming it from the mailbox keeps its origin", "1 granted passive; 2 confirmed mailbox", gate.StatePassiveConfirmed},
		{"confirming twice is confirming", "1 granted passive; 2 confirmed account; 3 confirmed mailbox", gate.StatePassiveConfirmed},
		{"the mailbox makes an import double", "1 granted imported; 2 confirmed mailbox", gate.StateActiveDouble},
		{"another way makes an import single", "1 granted imported; 2 confirmed account", gate.StateActiveSingle},
		{"the mailbox makes a soft opt-in double", "1 granted soft; 2 confirmed mailbox", gate.StateActiveDouble},
		{"a confirmation of nothing is nothing", "1 confirmed mailbox", gate.StateNone},
		{"a confirmation by no known way is nothing", "1 granted passive; 2 confirmed", gate.StatePassiveUnconfirmed},
		{"a confirmation timed before its grant is nothing", "2 granted passive; 1 confirmed mailbox", gate.StatePassiveUnconfirmed},

		// refusals
		{"a withdrawal ends a consent", "1 granted active; 2 withdrawn", gate.StateWithdrawn},
		{"a refusal is recorded without any grant", "1 refused", gate.StateWithdrawn},
		{"a complaint ends a consent", "1 granted active; 2 complained", gate.StateWithdrawn},
		{"a grant older than the withdrawal never reopens", "2 withdrawn; 1 granted active", gate.StateWithdrawn},
		{"a tie goes to the refusal", "1 withdrawn; 1 granted active", gate.StateWithdrawn},
		{"a tie of confirmation and refusal goes to the refusal", "1 granted active; 2 withdrawn; 2 confirmed mailbox", gate.StateWithdrawn},
		{"after a refusal an active grant is a request", "1 withdrawn; 2 granted active", gate.StateActivePending},
		{"after a refusal even a confirmed double grant is a request", "1 withdrawn; 2 granted double confirmed", gate.StateActivePending},
		{"after a refusal a renewal is a request", "1 withdrawn; 2 renewed", gate.StateActivePending},
		{"after a refusal a spoken yes is a request", "1 withdrawn; 2 granted verbal ref=r", gate.StateActivePending},
		{"after a refusal a passive grant is nothing", "1 withdrawn; 2 granted passive", gate.StateWithdrawn},
		{"after a refusal an import is nothing", "1 withdrawn; 2 granted imported", gate.StateWithdrawn},
		{"after a refusal a sale is nothing", "1 withdrawn; 2 granted soft", gate.StateWithdrawn},
		{"after a refusal b2b is nothing", "1 withdrawn; 2 granted b2b", gate.StateWithdrawn},
		{"after a refusal implied is nothing", "1 withdrawn; 2 granted implied", gate.StateWithdrawn},
		{"repeating the grant does not help", "1 withdrawn; 2 granted active; 3 granted active; 4 granted double confirmed", gate.StateActivePending},
		{"after a refusal a request is only logged", "1 withdrawn; 2 confirmation_requested", gate.StateWithdrawn},
		{"a confirmation from the mailbox reopens what was asked for since, as double", "1 granted active; 2 withdrawn; 3 confirmation_requested; 4 confirmed mailbox", gate.StateActiveDouble},
		{"a confirmation another way reopens it as single", "1 granted passive; 2 withdrawn; 3 granted verbal ref=r; 4 confirmed account", gate.StateActiveSingle},
		{"a confirmation of nothing newer than the refusal does not reopen", "1 granted active; 2 withdrawn; 3 confirmed mailbox", gate.StateWithdrawn},
		{"nor does one without a trace of anything before the refusal", "1 withdrawn *; 2 confirmed mailbox", gate.StateWithdrawn},
		{"nor does one after a passive grant", "1 withdrawn; 2 granted passive; 3 confirmed account", gate.StateWithdrawn},
		{"nor does one of a request that the refusal answered", "1 granted active; 2 confirmation_requested; 3 withdrawn; 4 confirmed mailbox", gate.StateWithdrawn},
		{"a confirmation that refers to no proof does not reopen", "1 withdrawn; 2 granted active; 3 confirmed mailbox ref=", gate.StateActivePending},
		{"a confirmation reopens a grant that waited", "1 withdrawn; 2 granted active; 3 confirmed mailbox", gate.StateActiveDouble},
		{"after reopening a grant counts again", "1 withdrawn; 2 granted verbal ref=r; 3 confirmed phone; 4 granted double confirmed", gate.StateActiveDouble},
		{"a second withdrawal ends it again", "1 withdrawn; 2 granted verbal ref=r; 3 confirmed phone; 4 withdrawn", gate.StateWithdrawn},

		// every purpose at once
		{"withdrawing all withdraws this", "1 granted active; 2 withdrawn *", gate.StateWithdrawn},
		{"withdrawing all holds for a purpose first granted later", "1 withdrawn *; 2 granted active", gate.StateActivePending},
		{"refusing all holds for a purpose nobody spoke of", "1 refused *", gate.StateWithdrawn},
		{"a complaint without a purpose is about all", "1 granted active; 2 complained -", gate.StateWithdrawn},
		{"nothing grants every purpose", "1 granted active *", gate.StateNone},
		{"nothing confirms every purpose", "1 granted passive; 2 confirmed mailbox *", gate.StatePassiveUnconfirmed},
		{"consent for another purpose is none for this", "1 granted active for=partners", gate.StateNone},
		{"withdrawing another purpose leaves this", "1 granted active; 2 withdrawn for=partners", gate.StateActiveSingle},

		// complaints
		{"after a complaint a mailbox confirmation without a request is nothing", "1 granted active; 2 complained; 3 confirmed mailbox", gate.StateWithdrawn},
		{"after a complaint a request made before it is nothing", "1 granted active; 1 confirmation_requested; 2 complained; 3 confirmed mailbox", gate.StateWithdrawn},
		{"after a complaint a confirmation by phone is nothing", "1 complained; 2 confirmation_requested; 3 confirmed phone", gate.StateWithdrawn},
		{"a request and the mailbox lift a complaint", "1 granted active; 2 complained; 3 confirmation_requested; 4 confirmed mailbox", gate.StateActiveDouble},
		{"they lift a complaint about all for this purpose", "1 complained *; 3 confirmation_requested; 4 confirmed mailbox", gate.StateActiveDouble},

		// invalidation, activity, erasure
		{"an invalidated consent is none", "1 granted active; 2 invalidated", gate.StateInvalidated},
		{"invalidating nothing is nothing", "1 invalidated", gate.StateNone},
		{"an invalidated import is invalid", "1 granted imported; 2 invalidated", gate.StateInvalidated},
		{"an invalidation does not soften a withdrawal", "1 withdrawn; 2 invalidated", gate.StateWithdrawn},
		{"invalidating a grant that waited leaves the refusal", "1 withdrawn; 2 granted active; 3 invalidated", gate.StateWithdrawn},
		{"what was declared invalid does not count when said again", "1 granted soft from=form:a; 2 invalidated; 3 granted soft from=form:a", gate.StateInvalidated},
		{"a grant from elsewhere counts after an invalidation", "1 granted soft from=form:a; 2 invalidated; 3 granted active from=form:b", gate.StateActiveSingle},
		{"a renewal counts after an invalidation", "1 granted active from=form:a; 2 invalidated; 3 renewed from=form:a", gate.StateActiveSingle},
		{"a confirmation counts after an invalidation", "1 granted active; 2 invalidated; 3 confirmed mailbox", gate.StateActiveDouble},
		{"a click is no grant", "1 activity", gate.StateNone},
		{"a click does not reopen", "1 withdrawn; 2 activity", gate.StateWithdrawn},
		{"erasure forgets a consent", "1 granted active; 2 erased", gate.StateNone},
		{"erasure of the recipient needs no purpose", "1 granted active; 2 erased -", gate.StateNone},
		{"erasure under another purpose forgets this one too", "1 granted active; 2 erased for=partners", gate.StateNone},
		{"erasure keeps a refusal", "1 withdrawn; 2 erased *", gate.StateWithdrawn},
		{"erasure keeps the refusal behind a grant that waits", "1 withdrawn; 2 granted active; 3 erased *", gate.StateWithdrawn},
		{"erasure forgets what reopened a refusal of all", "1 withdrawn *; 2 granted active; 2 confirmed mailbox; 3 erased *", gate.StateWithdrawn},
		{"erasure forgets what lifted a complaint", "1 complained *; 2 confirmation_requested; 3 confirmed mailbox; 4 erased *; 5 confirmed mailbox", gate.StateWithdrawn},
		{"an unknown type is nothing", "1 granted active; 2 sneezed", gate.StateActiveSingle},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			t.Parallel()
			if got := record(t, tc.history).For("newsletter").State; got != tc.want {
				t.Errorf("%s\n gives %s, want %s", tc.history, got, tc.want)
			}
		})
	}
}

func TestFoldText(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ sentence, history, want string }{
		{"a consent keeps where it came from", "1 granted active from=form:footer FR proven", "[[j FR] [p:newsletter active_single 1767355200 s=form:footer]]"},
		{"missing proof is marked", "1 granted active", "[[p:newsletter active_single 1767355200 unproven]]"},
		{"the latest jurisdiction is the record's, and an older grant keeps its own", "1 granted active FR; 2 activity DE", "[[j DE] [p:newsletter active_single 1767355200 j=FR act=1767441600 unproven]]"},
		{"activity moves the person's last act", "1 granted active proven; 3 activity *", "[[p:newsletter active_single 1767355200 s=form:footer act=1767528000]]"},
		{"a lower grant by an act moves the last act", "1 granted double confirmed proven; 3 granted active", "[[p:newsletter active_double 1767355200 s=form:footer act=1767528000]]"},
		{"a lower grant that is no act moves nothing", "1 granted double confirmed proven; 3 granted soft", "[[p:newsletter active_double 1767355200 s=form:footer]]"},
		{"an equal grant replaces source and moment", "1 granted active proven; 3 granted active proven from=form:shop", "[[p:newsletter active_single 1767528000 s=form:shop]]"},
		{"the same sale told again leaves the clock", "1 granted soft sale=A; 3 granted soft sale=A; 4 granted soft sale=A", "[[p:newsletter soft 1767355200 unproven]]"},
		{"another sale starts the clock", "1 granted soft sale=A; 3 granted soft sale=B", "[[p:newsletter soft 1767528000 unproven]]"},
		{"a soft opt-in keeps its category", "1 granted soft sale=A offered category=books proven", "[[p:newsletter soft 1767355200 s=form:footer c=books]]"},
		{"a b2b grant keeps its audience", "1 granted b2b audience=b2b proven", "[[p:newsletter b2b 1767355200 s=form:footer a=b2b]]"},
		{"an implied grant keeps its audience", "1 granted implied audience=b2c proven", "[[p:newsletter implied 1767355200 s=form:footer a=b2c]]"},
		{"a spoken grant is proven by its reference", "1 granted verbal ref=tape proven", "[[p:newsletter active_single 1767355200 m=verbal s=form:footer]]"},
		{"a passive grant is proven without a controller", "1 granted passive ticked from=contest:quiz proven", "[[p:newsletter passive_unconfirmed 1767355200 s=contest:quiz]]"},
		{"an import is kept and shown", "1 granted imported from=import:batch-1", "[[p:newsletter none 1767355200 m=imported s=import:batch-1 unproven]]"},
		{"a way to confirm is kept, the mailbox before others", "1 granted passive proven; 2 confirmed mailbox; 3 confirmed phone ref=r", "[[p:newsletter passive_confirmed 1767528000 s=form:footer via=mailbox]]"},
		{"a request is kept until it is answered", "1 granted active proven; 2 confirmation_requested", "[[p:newsletter active_single 1767355200 s=form:footer req=1767441600]]"},
		{"a confirmation closes the request", "1 granted active proven; 2 confirmation_requested; 3 confirmed mailbox", "[[p:newsletter active_double 1767528000 m=active s=form:footer via=mailbox]]"},
		{"a double grant closes the request", "1 confirmation_requested; 3 granted double confirmed proven", "[[p:newsletter active_double 1767528000 s=form:footer]]"},
		{"a withdrawal closes the request and keeps the origin", "1 granted active proven; 2 confirmation_requested; 3 withdrawn", "[[p:newsletter withdrawn 1767528000 m=active s=form:footer]]"},
		{"a withdrawal of all says so, also for purposes nobody spoke of", "1 withdrawn *; 1 granted active", "[[p:* withdrawn 1767355200 all] [p:newsletter withdrawn 1767355200 m=active unproven all]]"},
		{"a withdrawal by name is never one of all", "1 withdrawn; 2 withdrawn *", "[[p:* withdrawn 1767441600 all] [p:newsletter withdrawn 1767441600]]"},
		{"a withdrawal of all that is repeated by name is by name", "1 withdrawn *; 2 withdrawn", "[[p:* withdrawn 1767355200 all] [p:newsletter withdrawn 1767441600]]"},
		{"a grant that waits remembers the refusal", "1 withdrawn; 2 granted active proven", "[[p:newsletter active_pending 1767441600 m=active s=form:footer no=1767355200]]"},
		{"reopening forgets the refusal", "1 withdrawn; 2 granted active proven; 3 confirmed mailbox", "[[p:newsletter active_double 1767528000 m=active s=form:footer via=mailbox]]"},
		{"reopening without any grant rests on the confirmation", "1 withdrawn; 2 confirmation_requested; 2 confirmed mailbox proven", "[[p:newsletter active_double 1767441600 m=- s=form:footer via=mailbox]]"},
		{"reopening without any proof is marked", "1 withdrawn; 2 confirmation_requested; 2 confirmed mailbox", "[[p:newsletter active_double 1767441600 m=- via=mailbox unproven]]"},
		{"a complaint suppresses its purpose", "1 complained", "[[p:newsletter withdrawn 1767355200] [s complained:newsletter 1767355200]]"},
		{"a complaint that is lifted says so, and the suppression stays", "1 complained *; 2 confirmation_requested; 3 confirmed mailbox", "[[p:* withdrawn 1767355200 all] [p:newsletter active_double 1767528000 m=- via=mailbox lift=1767528000 unproven] [s complained:* 1767355200]]"},
		{"another complaint ends the lift", "1 complained; 2 confirmation_requested; 3 confirmed mailbox; 4 complained", "[[p:newsletter withdrawn 1767614400 unproven] [s complained:newsletter 1767614400]]"},
		{"a bounce suppresses everything, at its latest", "1 bounced; 3 bounced -", "[[s hard_bounced:* 1767528000]]"},
		{"suppressions of each scope stand side by side", "1 suppressed *; 2 suppressed for=partners; 3 complained *", "[[p:* withdrawn 1767528000 all] [s complained:* 1767528000 manual:* 1767355200 manual:partners 1767441600]]"},
		{"lifting one scope leaves the other and every complaint", "1 suppressed *; 2 suppressed; 2 complained *; 2 bounced; 3 unsuppressed *", "[[p:* withdrawn 1767441600 all] [s complained:* 1767441600 manual:newsletter 1767441600]]"},
		{"lifting the last leaves nothing", "1 suppressed -; 2 unsuppressed -", "[]"},
		{"a suppression in the same moment as its lifting stands", "1 unsuppressed *; 1 suppressed *", "[[s manual:* 1767355200]]"},
		{"erasure leaves refusal and suppressions only", "1 granted active for=partners FR proven; 2 withdrawn; 3 suppressed *; 4 erased *", "[[p:newsletter withdrawn 1767441600] [s manual:* 1767528000]]"},
		{"an event sent twice is one", "1 granted active id=a proven; 1 granted active id=a proven", "[[p:newsletter active_single 1767355200 s=form:footer]]"},
		{"of two events with one id the refusal stands", "1 granted active id=a proven; 1 withdrawn id=a", "[[p:newsletter withdrawn 1767355200]]"},
	} {
		t.Run(tc.sentence, func(t *testing.T) {
			t.Parallel()
			if got := text(record(t, tc.history)); got != tc.want {
				t.Errorf("%s\n gives %s\n want  %s", tc.history, got, tc.want)
			}
		})
	}
}

func TestFoldOrdersByTheFullClockAndKeepsSeconds(t *testing.T) {
	t.Parallel()
	events := history(t, "1 granted passive; 1 confirmed mailbox")
	events[0].Time = on(1).Add(100 * time.Millisecond)
	events[1].Time = on(1).Add(900 * time.Millisecond)
	c := gate.Fold(events).For("newsletter")
	if c.State != gate.StatePassiveConfirmed || !c.At.Equal(on(1)) {
		t.Errorf("got %s at %s, want passive_confirmed at %s", c.State, c.At, on(1))
	}
}

func TestFoldOfEventsWithoutIDsIsOrderedByContent(t *testing.T) {
	t.Parallel()
	a, b := event(t, "1 granted active id= from=form:a"), event(t, "1 granted active id= from=form:b")
	if x, y := gate.Fold([]gate.Event{a, b}), gate.Fold([]gate.Event{b, a}); !cmp.Equal(x, y) {
		t.Errorf("two orders, two records:\n%s\n%s", text(x), text(y))
	}
}

func TestExtend(t *testing.T) {
	t.Parallel()
	past := history(t, "1 granted active id=a; 5 activity id=b")
	t.Run("adds the event without the recipient", func(t *testing.T) {
		t.Parallel()
		e := event(t, "6 withdrawn id=c")
		e.Recipient = "ann@example.com"
		stored, rec, dup := gate.Extend(past, gate.Change{Event: e})
		if dup || stored.Recipient != "" || !stored.Time.Equal(on(6)) || rec.For("newsletter").State != gate.StateWithdrawn {
			t.Errorf("stored %+v, dup %v, %s", stored, dup, text(rec))
		}
		if len(past) != 2 {
			t.Error("the history was changed")
		}
	})
	t.Run("an id that stands already changes nothing", func(t *testing.T) {
		t.Parallel()
		stored, rec, dup := gate.Extend(past, gate.Change{Event: event(t, "6 withdrawn id=a")})
		if !dup || stored.Type != gate.Granted || rec.For("newsletter").State != gate.StateActiveSingle {
			t.Errorf("stored %+v, dup %v, %s", stored, dup, text(rec))
		}
	})
	t.Run("events without an id are never the same", func(t *testing.T) {
		t.Parallel()
		one := history(t, "1 granted active id=")
		if _, _, dup := gate.Extend(one, gate.Change{Event: event(t, "2 withdrawn id=")}); dup {
			t.Error("taken for a duplicate")
		}
	})
	for sentence, tc := range map[string]struct {
		event string
		live  bool
		want  time.Time
		state gate.State
	}{
		"a live withdrawal by a clock that runs behind takes the latest time":   {"2 withdrawn", true, on(5), gate.StateWithdrawn},
		"one that is not live keeps its time":                                   {"2 withdrawn", false, on(2), gate.StateWithdrawn},
		"a live confirmation is put behind what stands":                         {"2 confirmed mailbox", true, on(5).Add(1), gate.StateActiveDouble},
		"a live confirmation in the same moment is put behind":                  {"5 confirmed mailbox", true, on(5).Add(1), gate.StateActiveDouble},
		"a live act by a clock that runs well keeps its time":                   {"6 confirmed mailbox", true, on(6), gate.StateActiveDouble},
		"a confirmation that is not live and older than its grant does nothing": {"0 confirmed mailbox", false, on(0), gate.StateActiveSingle},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			stored, rec, _ := gate.Extend(past, gate.Change{Event: event(t, tc.event), Live: tc.live})
			if !stored.Time.Equal(tc.want) || rec.For("newsletter").State != tc.state {
				t.Errorf("time %s, state %s; want %s, %s", stored.Time, rec.For("newsletter").State, tc.want, tc.state)
			}
		})
	}
}

func TestALiveConfirmationAnswersARequestOfTheSameMoment(t *testing.T) {
	t.Parallel()
	_, rec, _ := gate.Extend(history(t, "1 granted active; 2 withdrawn; 3 confirmation_requested"), gate.Change{Event: event(t, "3 confirmed mailbox"), Live: true})
	if got := rec.For("newsletter").State; got != gate.StateActiveDouble {
		t.Errorf("state %s, want active_double", got)
	}
}
