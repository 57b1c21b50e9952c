package gate_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// stream reads a stream in words: its kind, and purpose=, in= (jurisdiction), audience=, evidence, by_mail.
func stream(t testing.TB, words string) *gate.Stream {
	t.Helper()
	s := &gate.Stream{Name: "s", Kind: gate.KindMarketing, Purpose: "newsletter"}
	for word := range strings.FieldsSeq(words) {
		key, value, _ := strings.Cut(word, "=")
		switch key {
		case "marketing", "transactional", "service", "confirmation":
			s.Kind = gate.Kind(word)
		case "purpose":
			s.Purpose = value
		case "in":
			s.Jurisdiction = value
		case "audience":
			s.Audience = value
		case "evidence":
			s.Evidence = true
		case "by_mail":
			s.ByMail = true
		default:
			t.Fatalf("stream %q: unknown word %q", words, word)
		}
	}
	return s
}

// row is one question of a decision table; want is verdict, reason, rule and jurisdiction, without the empty ones.
type row struct {
	sentence, history, stream string
	now                       int // day; 0: day 40
	want                      string
	hint                      string // part of it
}

func (r row) decide(t *testing.T, p *gate.Policy) gate.Decision {
	t.Helper()
	now := r.now
	if now == 0 {
		now = 40
	}
	return p.Decide(on(now), stream(t, r.stream), address(t, "ann@example.com"), gate.Lookup{Record: record(t, r.history)})
}

func check(t *testing.T, p *gate.Policy, rows []row) {
	t.Helper()
	for _, r := range rows {
		t.Run(r.sentence, func(t *testing.T) {
			t.Parallel()
			d := r.decide(t, p)
			got := strings.TrimSpace(fmt.Sprintf("%s %s %s %s", d.Verdict, d.Reason, d.Rule, d.Jurisdiction))
			if got = strings.Join(strings.Fields(got), " "); got != r.want {
				t.Errorf("%s\n on stream %q: %s\n want: %s", r.history, r.stream, got, r.want)
			}
			if !strings.Contains(d.Hint, r.hint) || (d.Hint == "") != (d.Verdict == gate.Permit) {
				t.Errorf("hint %q, want it to hold %q", d.Hint, r.hint)
			}
			if d.Jurisdiction != "" && d.Citation == "" {
				t.Error("a pack decided and no law is cited")
			}
			if d.PolicyVersion != p.Version() || d.Stream != "s" {
				t.Errorf("version %q, stream %q", d.PolicyVersion, d.Stream)
			}
		})
	}
}

func TestDecideMarketing(t *testing.T) {
	t.Parallel()
	check(t, policy(t, "EU", "FR", "DE", "US"), []row{
		// consent and state
		{sentence: "somebody unknown gets no marketing", want: "block no_consent consent EU", hint: "no consent for `newsletter` is recorded"},
		{sentence: "a pre-ticked box is not consent", history: "1 granted passive ticked from=contest:quiz", want: "block passive_unconfirmed consent EU", hint: "ticked for the person (contest:quiz)"},
		{sentence: "a passive grant without a source is not either", history: "1 granted passive", want: "block passive_unconfirmed consent EU", hint: "ticked for the person;"},
		{sentence: "a confirmed passive grant is", history: "1 granted passive; 2 confirmed account", want: "permit permit EU"},
		{sentence: "a single opt-in is consent", history: "1 granted active", want: "permit permit EU"},
		{sentence: "a sign-up that waits is not yet", history: "1 confirmation_requested", want: "block confirmation_pending consent EU", hint: "follows the link"},
		{sentence: "a double opt-in is consent", history: "1 granted double confirmed", want: "permit permit EU"},
		{sentence: "a soft opt-in is allowed in the Union", history: "1 granted soft", want: "permit permit EU"},
		{sentence: "b2b is left to national law", history: "1 granted b2b audience=b2b", want: "block no_consent pack EU", hint: "state b2b is no permission"},
		{sentence: "implied consent is none in the Union", history: "1 granted implied audience=b2c", want: "block no_consent pack EU"},
		{sentence: "an import without proof is none", history: "1 granted imported from=import:batch", want: "block no_consent consent EU", hint: "imported (import:batch) without proof"},
		{sentence: "an invalidated consent is none", history: "1 granted active from=form:a; 2 invalidated", want: "block invalidated consent EU", hint: "(form:a) was declared invalid on 2026-01-03"},
		{sentence: "a near miss is named", history: "1 granted active for=marketing", want: "block no_consent consent EU", hint: "has consent for `marketing`, the stream needs `newsletter`"},
		{sentence: "a refused purpose is no near miss", history: "1 granted active for=marketing; 2 withdrawn for=marketing", want: "block no_consent consent EU", hint: "no consent for"},
		{sentence: "a passive purpose is no near miss", history: "1 granted passive for=marketing", want: "block no_consent consent EU", hint: "no consent for"},

		// refusals
		{sentence: "a withdrawal blocks", history: "1 granted active; 2 withdrawn", want: "block withdrawn refusal EU", hint: "withdrew on 2026-01-03"},
		{sentence: "a withdrawal of all blocks every purpose", history: "2 withdrawn *", want: "block withdrawn refusal EU", hint: "from all marketing"},
		{sentence: "a grant since then waits", history: "1 withdrawn; 2 granted active", want: "block confirmation_pending consent EU", hint: "refused on 2026-01-02 and a grant since then waits"},
		{sentence: "a complaint blocks", history: "1 granted active; 2 complained", want: "block complained complaint EU", hint: "only a confirmation from the mailbox"},
		{sentence: "a complaint about all blocks", history: "1 granted active; 2 complained *", want: "block complained complaint EU"},
		{sentence: "a complaint about another purpose does not", history: "1 granted active; 2 complained for=partners", want: "permit permit EU"},
		{sentence: "a complaint lifted from the mailbox does not", history: "1 complained *; 2 confirmation_requested; 3 confirmed mailbox", want: "permit permit EU"},
		{sentence: "lifted here it stands elsewhere", history: "1 granted active for=partners; 1 complained *; 2 confirmation_requested; 3 confirmed mailbox", stream: "purpose=partners", want: "block complained complaint EU"},

		// suppressions
		{sentence: "a hard bounce blocks", history: "1 granted active; 20 bounced", want: "block hard_bounced suppression", hint: "ends on 2026-02-20"},
		{sentence: "a hard bounce ends after 30 days", history: "1 granted active; 9 bounced", want: "permit permit EU"},
		{sentence: "another bounce renews it", history: "1 granted active; 9 bounced; 30 bounced", want: "block hard_bounced suppression"},
		{sentence: "a manual entry blocks", history: "1 granted active; 2 suppressed *", want: "block suppressed suppression", hint: "all mail to this recipient was suppressed by hand"},
		{sentence: "a manual entry for the purpose blocks", history: "1 granted active; 2 suppressed", want: "block suppressed purpose_suppression", hint: "`newsletter` to this recipient"},
		{sentence: "one for another purpose does not", history: "1 granted active; 2 suppressed for=partners", want: "permit permit EU"},
		{sentence: "of a bounce and a manual entry the bounce is told", history: "1 suppressed *; 20 bounced", want: "block hard_bounced suppression"},

		// jurisdiction
		{sentence: "the record's jurisdiction decides", history: "1 granted active DE", want: "block confirmation_required pack DE", hint: "DE asks for a confirmation from the mailbox"},
		{sentence: "before the stream's", history: "1 granted active FR", stream: "in=DE", want: "permit permit FR"},
		{sentence: "the grant's before the record's", history: "1 granted active FR; 2 activity DE", want: "permit permit FR"},
		{sentence: "the stream's where the record names none", history: "1 granted active", stream: "in=DE", want: "block confirmation_required pack DE"},
		{sentence: "one that is not enabled gets the strictest: a single opt-in does not do", history: "1 granted active IT", want: "block confirmation_required pack DE"},
		{sentence: "a professional address of elsewhere does not do", history: "1 granted b2b audience=b2b IT", want: "block no_consent pack EU"},
		{sentence: "a double opt-in of elsewhere does, on the shortest clock", history: "1 granted double confirmed IT", want: "permit permit FR"},
		{sentence: "a soft opt-in of elsewhere needs its category", history: "1 granted soft IT", want: "block evidence_incomplete pack DE", hint: "evidence.category"},

		// opt-out
		{sentence: "an opt-out pack applies on a stream that names it", stream: "in=US", want: "permit permit US"},
		{sentence: "there a pre-ticked box does", history: "1 granted passive US", stream: "in=US", want: "permit permit US"},
		{sentence: "there a sign-up that waits does", history: "1 confirmation_requested US", stream: "in=US", want: "permit permit US"},
		{sentence: "there a withdrawal still blocks", history: "1 withdrawn US", stream: "in=US", want: "block withdrawn refusal US"},
		{sentence: "there a sync that repeats a grant brings nobody back", history: "1 granted active US; 2 withdrawn; 3 granted active US", stream: "in=US", want: "block withdrawn refusal US"},
		{sentence: "there a record of elsewhere is judged by its own", history: "1 granted passive FR", stream: "in=US", want: "block passive_unconfirmed consent FR"},
		{sentence: "no record can bring the opt-out pack along", history: "1 granted passive US", want: "block passive_unconfirmed consent EU"},
		{sentence: "not onto a stream of elsewhere", history: "1 granted passive US", stream: "in=FR", want: "block passive_unconfirmed consent EU"},
	})
}

func TestDecideFrance(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	threeYears := int(time.Date(2029, 1, 2, 12, 0, 0, 0, time.UTC).Sub(on(0)) / day)
	check(t, policy(t, "FR"), []row{
		{sentence: "consent lives three years", history: "1 granted active", now: threeYears - 1, want: "permit permit FR"},
		{sentence: "and not a day more", history: "1 granted active", now: threeYears, want: "block expired clock FR", hint: "last act was on 2026-01-02 and counted until 2029-01-02"},
		{sentence: "a click restarts the clock", history: "1 granted active; 30 activity", now: threeYears, want: "permit permit FR"},
		{sentence: "a renewal restarts the clock", history: "1 granted double confirmed; 30 renewed", now: threeYears, want: "permit permit FR"},
		{sentence: "repeating a sale does not", history: "1 granted soft sale=A; 30 granted soft sale=A", now: threeYears, want: "block expired clock FR"},
		{sentence: "a refusal does not expire", history: "1 withdrawn", now: 4 * threeYears, want: "block withdrawn refusal FR"},
		{sentence: "a professional address may be written to", history: "1 granted b2b audience=b2b", want: "permit permit FR"},
		{sentence: "the b2b method does not open a private address", history: "1 granted b2b audience=b2c", want: "block no_consent pack FR"},
		{sentence: "the audience of the stream counts where the grant names none", history: "1 granted b2b", stream: "audience=b2b", want: "permit permit FR"},
		{sentence: "a pre-ticked box is not consent in France either", history: "1 granted passive", want: "block passive_unconfirmed consent FR"},
		{sentence: "nobody unknown is written to, professional or not", stream: "audience=b2b", want: "block no_consent consent FR"},
	})
}

func TestDecideCanada(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	twoYears := int(time.Date(2028, 1, 2, 12, 0, 0, 0, time.UTC).Sub(on(0)) / day)
	sixMonths := int(time.Date(2026, 7, 2, 12, 0, 0, 0, time.UTC).Sub(on(0)) / day)
	check(t, policy(t, "CA"), []row{
		{sentence: "an inquiry counts six months", history: "1 granted implied audience=b2c from=form:offer", now: sixMonths - 1, want: "permit permit CA"},
		{sentence: "and not a day more", history: "1 granted implied audience=b2c from=form:offer", now: sixMonths, want: "block expired clock CA", hint: "given on 2026-01-02 and counted until 2026-07-02"},
		{sentence: "a purchase counts two years", history: "1 granted implied audience=b2c from=checkout:shop", now: twoYears - 1, want: "permit permit CA"},
		{sentence: "and not a day more either", history: "1 granted implied audience=b2c from=checkout:shop", now: twoYears, want: "block expired clock CA"},
		{sentence: "a click does not restart it", history: "1 granted soft sale=A; 300 activity", now: twoYears, want: "block expired clock CA"},
		{sentence: "nor does the same sale said again", history: "1 granted soft sale=A; 300 granted soft sale=A", now: twoYears, want: "block expired clock CA"},
		{sentence: "another sale does", history: "1 granted soft sale=A; 300 granted soft sale=B", now: twoYears, want: "permit permit CA"},
		{sentence: "express consent has no clock", history: "1 granted active", now: 2 * twoYears, want: "permit permit CA"},
	})
	check(t, policy(t, "CA", "FR"), []row{
		{sentence: "a place that is not enabled has the shortest clock, whatever the source", history: "1 granted soft from=checkout:shop IT", now: twoYears, want: "block expired clock CA"},
	})
	check(t, policy(t, "CA", "DE"), []row{
		{sentence: "one pack's demand does not take the clock of another away", history: "1 granted soft category=books IT", now: twoYears, want: "block expired clock CA"},
		{sentence: "nor the clock the demand", history: "1 granted soft IT", now: 2, want: "block evidence_incomplete pack DE"},
	})
}

func TestDecideGermany(t *testing.T) {
	t.Parallel()
	check(t, policy(t, "DE"), []row{
		{sentence: "a single opt-in needs its confirmation", history: "1 granted active", want: "block confirmation_required pack DE"},
		{sentence: "by phone is not from the mailbox", history: "1 granted active; 2 confirmed phone", want: "block confirmation_required pack DE"},
		{sentence: "a double opt-in has it", history: "1 granted active; 2 confirmed mailbox", want: "permit permit DE"},
		{sentence: "a passive grant confirmed from the mailbox has it", history: "1 granted passive; 2 confirmed mailbox", want: "permit permit DE"},
		{sentence: "a passive grant confirmed by account has not", history: "1 granted passive; 2 confirmed account", want: "block confirmation_required pack DE"},
		{sentence: "a sale with all four conditions will do", history: "1 granted soft sale=A offered category=books", want: "permit permit DE"},
		{sentence: "a sale without the category of goods will not", history: "1 granted soft sale=A offered", want: "block evidence_incomplete pack DE", hint: "evidence.category"},
		{sentence: "businesses are protected too", history: "1 granted b2b audience=b2b", want: "block no_consent pack DE"},
		{sentence: "no clock runs", history: "1 granted double confirmed", now: 3650, want: "permit permit DE"},
	})
}

func TestDecideEvidence(t *testing.T) {
	t.Parallel()
	check(t, policy(t, "EU"), []row{
		{sentence: "missing proof permits", history: "1 granted active", want: "permit permit EU"},
		{sentence: "a stream may require it", history: "1 granted active", stream: "evidence", want: "block evidence_incomplete evidence EU", hint: "method active needs"},
		{sentence: "then a proven grant passes", history: "1 granted active proven", stream: "evidence", want: "permit permit EU"},
		{sentence: "a double opt-in without wording does not", history: "1 confirmation_requested; 2 confirmed mailbox", stream: "evidence", want: "block evidence_incomplete evidence EU", hint: "method double needs"},
	})
}

func TestDecideTransactional(t *testing.T) {
	t.Parallel()
	var rows []row
	for _, history := range []string{"", "1 granted passive", "1 withdrawn *", "1 complained *", "1 suppressed", "1 granted active; 2 invalidated"} {
		rows = append(rows, row{sentence: "passes " + history, history: history, stream: "transactional", want: "permit transactional"})
	}
	rows = append(rows,
		row{sentence: "stops at a hard bounce", history: "20 bounced", stream: "transactional", want: "block hard_bounced suppression"},
		row{sentence: "stops at a manual entry for all", history: "1 suppressed *", stream: "transactional", want: "block suppressed suppression"},
	)
	check(t, policy(t, "EU"), rows)
}

func TestDecideService(t *testing.T) {
	t.Parallel()
	check(t, policy(t, "EU"), []row{
		{sentence: "service mail needs no consent", stream: "service", want: "permit service"},
		{sentence: "it passes a passive grant", history: "1 granted passive", stream: "service", want: "permit service"},
		{sentence: "it stops where its own purpose was withdrawn", history: "1 withdrawn", stream: "service", want: "block withdrawn refusal EU"},
		{sentence: "it stops where a grant since then only waits", history: "1 withdrawn; 2 granted active", stream: "service", want: "block withdrawn refusal EU"},
		{sentence: "it passes a withdrawal of all marketing", history: "1 withdrawn *", stream: "service", want: "permit service"},
		{sentence: "it stops where both were said", history: "1 withdrawn; 2 withdrawn *", stream: "service", want: "block withdrawn refusal EU"},
		{sentence: "it stops at a complaint", history: "1 complained *", stream: "service", want: "block complained complaint EU"},
		{sentence: "it stops at a suppression of its purpose", history: "1 suppressed", stream: "service", want: "block suppressed purpose_suppression"},
	})
}

func TestDecideConfirmation(t *testing.T) {
	t.Parallel()
	check(t, policy(t, "EU"), []row{
		{sentence: "a logged request permits its mail", history: "1 confirmation_requested", now: 2, stream: "confirmation", want: "permit confirmation"},
		{sentence: "also beside a passive grant", history: "1 granted passive; 1 confirmation_requested", now: 2, stream: "confirmation", want: "permit confirmation"},
		{sentence: "not after 48 hours", history: "1 confirmation_requested", now: 3, stream: "confirmation", want: "block confirmation_pending confirmation", hint: "the request of 2026-01-02 is older than 48 hours"},
		{sentence: "not once it was answered", history: "1 confirmation_requested; 1 confirmed mailbox", now: 2, stream: "confirmation", want: "block no_consent confirmation", hint: "no sign-up is logged"},
		{sentence: "not without a request", stream: "confirmation", want: "block no_consent confirmation"},
		{sentence: "not for a pending grant without one", history: "1 granted double", now: 2, stream: "confirmation", want: "block confirmation_pending confirmation", hint: "no confirmation_requested is recorded"},
		{sentence: "a bulk mail to passive grants is not a confirmation", history: "1 granted passive", stream: "confirmation", want: "block no_consent confirmation"},
		{sentence: "a withdrawal stops it", history: "1 confirmation_requested; 2 withdrawn", now: 2, stream: "confirmation", want: "block withdrawn refusal EU"},
		{sentence: "a request after the withdrawal permits it", history: "1 withdrawn; 2 confirmation_requested", now: 3, stream: "confirmation", want: "permit confirmation"},
		{sentence: "a complaint stops it", history: "1 confirmation_requested; 2 complained *", now: 2, stream: "confirmation", want: "block complained complaint EU"},
		{sentence: "a request after the complaint permits it", history: "1 complained *; 2 confirmation_requested", now: 3, stream: "confirmation", want: "permit confirmation"},
		{sentence: "a hard bounce stops it", history: "1 bounced; 2 confirmation_requested", now: 3, stream: "confirmation", want: "block hard_bounced suppression"},
		{sentence: "a suppression of the purpose stops it", history: "1 suppressed; 2 confirmation_requested", now: 3, stream: "confirmation", want: "block suppressed purpose_suppression"},
		{sentence: "by mail it logs its own request", stream: "confirmation by_mail", want: "permit confirmation"},
		{sentence: "by mail nobody is asked whose box was ticked for them", history: "1 granted passive", stream: "confirmation by_mail", want: "block passive_unconfirmed confirmation EU", hint: "account or preference page"},
		{sentence: "by mail nobody is asked whose consent was declared invalid", history: "1 granted active; 2 invalidated", now: 3, stream: "confirmation by_mail", want: "block invalidated confirmation EU"},
		{sentence: "by mail those are asked who asked for it since", history: "1 granted passive; 2 confirmation_requested", now: 3, stream: "confirmation by_mail", want: "permit confirmation"},
		{sentence: "by mail it stops at a refusal", history: "1 withdrawn", stream: "confirmation by_mail", want: "block withdrawn refusal EU"},
		{sentence: "by mail it stops at a refusal behind a grant", history: "1 withdrawn; 2 granted active", stream: "confirmation by_mail", want: "block withdrawn refusal EU"},
	})
}

func TestStoreTroubleIsNeitherConsentNorRefusal(t *testing.T) {
	t.Parallel()
	p := policy(t, "EU")
	l := gate.Lookup{Record: record(t, "1 granted active"), Err: fmt.Errorf("redis: %w", gate.ErrUnavailable)}
	for kind, want := range map[string]gate.Verdict{
		"marketing": gate.Defer, "service": gate.Defer, "confirmation": gate.Defer, "confirmation by_mail": gate.Defer, "transactional": gate.Permit,
	} {
		d := p.Decide(on(2), stream(t, kind), address(t, "ann@example.com"), l)
		if d.Verdict != want || (want == gate.Defer) != (d.Reason == gate.ReasonStoreUnavailable) {
			t.Errorf("%s: %s %s, want %s", kind, d.Verdict, d.Reason, want)
		}
		if d.State != "" {
			t.Errorf("%s: state %s is claimed to be known", kind, d.State)
		}
	}
}

func TestAnInvalidAddressIsBlockedOnEveryStream(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"marketing", "service", "confirmation", "transactional"} {
		d := policy(t, "EU").Decide(on(2), stream(t, kind), gate.Address{}, gate.Lookup{})
		if d.Verdict != gate.Block || d.Reason != gate.ReasonInvalidAddress {
			t.Errorf("%s: %s %s", kind, d.Verdict, d.Reason)
		}
	}
}

func TestADecisionShowsStateAndSuppression(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		history     string
		state       gate.State
		suppression gate.SuppressionKind
	}{
		{"", gate.StateNone, ""},
		{"1 granted active; 2 complained", gate.StateWithdrawn, gate.SuppressionComplained},
		{"1 granted active; 20 bounced", gate.StateActiveSingle, gate.SuppressionHardBounced},
		{"1 granted active; 20 suppressed", gate.StateActiveSingle, gate.SuppressionManual},
	} {
		d := row{history: tc.history}.decide(t, policy(t, "EU"))
		if d.State != tc.state || d.Suppression != tc.suppression {
			t.Errorf("%s: state %q suppression %q, want %q %q", tc.history, d.State, d.Suppression, tc.state, tc.suppression)
		}
	}
	if d := (row{history: "1 granted active", now: 3650}).decide(t, policy(t, "FR")); d.State != gate.StateExpired {
		t.Errorf("ten years on the state shown is %s, want expired", d.State)
	}
}

func TestRefusalsAreToldFromOtherBlocks(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		sentence, history string
		want              bool
	}{
		{"nothing recorded is no refusal", "", false},
		{"a pre-ticked box is no refusal", "1 granted passive", false},
		{"a permit is none", "1 granted active", false},
		{"a bounce is none", "1 granted active; 20 bounced", false},
		{"a withdrawal is one", "1 withdrawn", true},
		{"a complaint is one", "1 complained", true},
		{"a manual entry is one", "1 suppressed *", true},
		{"a refusal stays one behind a grant that waits", "1 withdrawn; 2 granted active", true},
		{"a refusal stays one behind a bounce", "1 withdrawn; 20 bounced", true},
		{"a refusal that was reopened is none", "1 withdrawn; 2 granted active; 3 confirmed mailbox", false},
	} {
		if got := (row{history: tc.history}).decide(t, policy(t, "EU")).Refusal(); got != tc.want {
			t.Errorf("%s: Refusal() = %v", tc.sentence, got)
		}
	}
}

func TestAZeroPolicyPermitsNoMarketing(t *testing.T) {
	t.Parallel()
	d := (&gate.Policy{}).Decide(on(2), stream(t, ""), address(t, "ann@example.com"), gate.Lookup{Record: record(t, "1 granted active")})
	if d.Verdict != gate.Block || d.Reason != gate.ReasonNoConsent {
		t.Errorf("%s %s, want block no_consent", d.Verdict, d.Reason)
	}
}

func BenchmarkDecide(b *testing.B) {
	p, s, ann := policy(b, "EU", "FR"), stream(b, ""), address(b, "ann@example.com")
	for name, lines := range map[string]string{"permit": "1 granted active proven FR", "unknown": "", "withdrawn": "1 withdrawn *"} {
		l := gate.Lookup{Record: record(b, lines)}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				p.Decide(on(40), s, ann, l)
			}
		})
	}
}

func TestAPermitAllocatesNothing(t *testing.T) { //nolint:paralleltest // counts what the whole process allocates
	p, s, ann := policy(t, "EU", "FR"), stream(t, ""), address(t, "ann@example.com")
	l := gate.Lookup{Record: record(t, "1 granted active proven FR")}
	if n := testing.AllocsPerRun(1000, func() { p.Decide(on(40), s, ann, l) }); n >= 1 {
		t.Errorf("%v allocations, want none", n)
	}
}
