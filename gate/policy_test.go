package gate_test

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/policies"
)

func packs(t testing.TB) []gate.Pack {
	t.Helper()
	list, err := policies.Load()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// pack is one of those that come with the program, with cells of its own to change.
func pack(t testing.TB, code string) gate.Pack {
	t.Helper()
	list := packs(t)
	i := slices.IndexFunc(list, func(p gate.Pack) bool { return p.Jurisdiction == code })
	if i < 0 {
		t.Fatalf("no pack %s", code)
	}
	list[i].B2C, list[i].B2B = maps.Clone(list[i].B2C), maps.Clone(list[i].B2B)
	return list[i]
}

// policy enables the jurisdictions; the first is the default.
func policy(t testing.TB, enabled ...string) *gate.Policy {
	t.Helper()
	p, err := gate.NewPolicy(packs(t), enabled, enabled[0])
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestNewPolicyRefuses(t *testing.T) {
	t.Parallel()
	broken := pack(t, "US")
	broken.Model, broken.Version, broken.Jurisdiction = "maybe", "", "usa"
	broken.B2C[gate.StateWithdrawn] = gate.Cell{Permit: true, Citation: "none"}
	broken.B2C[gate.StateSoft] = gate.Cell{}
	delete(broken.B2C, gate.StateB2B)
	for sentence, tc := range map[string]struct {
		packs    []gate.Pack
		enabled  []string
		fallback string
		want     []string
	}{
		"a jurisdiction without a pack": {packs(t), []string{"EU", "XX"}, "EU", []string{`jurisdiction "XX" has no pack; there are AU, CA, DE, ES, EU, FR, IT, UK, US`}},
		"a default that is not enabled": {packs(t), []string{"EU"}, "FR", []string{`default_jurisdiction "FR" is not enabled`}},
		"nothing enabled":               {packs(t), nil, "EU", []string{`default_jurisdiction "EU" is not enabled`}},
		"an opt-out default":            {packs(t), []string{"EU", "US"}, "US", []string{`default_jurisdiction "US" is an opt-out pack`}},
		"two packs of one jurisdiction": {append(packs(t), pack(t, "US")), []string{"EU"}, "EU", []string{"pack US: there are two"}},
		"a broken pack, each of its faults": {append(packs(t), broken), []string{"EU"}, "EU", []string{
			"pack usa: jurisdiction:", "pack usa: version: missing", `pack usa: model: "maybe"`,
			"pack usa: states.withdrawn.b2c: must be blocked with withdrawn", "pack usa: states.soft.b2c: without a citation",
			"pack usa: states.b2b.b2c: missing",
		}},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			_, err := gate.NewPolicy(tc.packs, tc.enabled, tc.fallback)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("error:\n%v\nholds no %q", err, want)
				}
			}
		})
	}
}

func TestACellThatAPackCannotHave(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		sentence string
		state    gate.State
		cell     gate.Cell
		want     string
	}{
		{"one that rests on nothing", gate.StateSoft, gate.Cell{Permit: true}, "without a citation"},
		{"a clock that rests on nothing", gate.StateSoft, gate.Cell{Permit: true, Citation: "x", Expires: gate.Age{Years: 1}}, "a clock without a citation"},
		{"a source's clock that shortens", gate.StateSoft, gate.Cell{
			Permit: true, Citation: "x", Expires: gate.Age{Years: 1}, Clock: "x",
			Longer: []gate.SourceClock{{Source: "checkout", Expires: gate.Age{Months: 6}, Citation: "x"}},
		}, "not longer than the state's own"},
		{"a source's clock that rests on nothing", gate.StateSoft, gate.Cell{
			Permit: true, Citation: "x", Expires: gate.Age{Years: 1}, Clock: "x",
			Longer: []gate.SourceClock{{Source: "checkout", Expires: gate.Age{Years: 2}}},
		}, "a source's clock without a citation"},
		{"one that permits for a reason", gate.StateSoft, gate.Cell{Permit: true, Citation: "x", Reason: gate.ReasonNoConsent}, "either permits or names a reason"},
		{"one that blocks without a reason", gate.StateSoft, gate.Cell{Citation: "x"}, "either permits or names a reason"},
		{"one that blocks for a reason that is not the law's", gate.StateSoft, gate.Cell{Citation: "x", Reason: gate.ReasonHardBounced}, `"hard_bounced" is no reason a pack can give`},
		{"one that permits the unknown", gate.StateNone, gate.Cell{Permit: true, Citation: "x"}, "must be blocked with no_consent"},
		{"one that permits a pre-ticked box", gate.StatePassiveUnconfirmed, gate.Cell{Permit: true, Citation: "x"}, "must be blocked with passive_unconfirmed"},
		{"one that permits a sign-up that waits", gate.StateActivePending, gate.Cell{Permit: true, Citation: "x"}, "must be blocked with confirmation_pending"},
		{"one that permits the invalidated", gate.StateInvalidated, gate.Cell{Permit: true, Citation: "x"}, "must be blocked with invalidated"},
		{"one that permits a refusal", gate.StateWithdrawn, gate.Cell{Permit: true, Citation: "x"}, "must be blocked with withdrawn"},
		{"one that permits the expired", gate.StateExpired, gate.Cell{Permit: true, Citation: "x"}, "must be blocked with expired"},
	} {
		p := pack(t, "EU")
		p.B2B[tc.state] = tc.cell
		field := "states." + string(tc.state) + ".b2b"
		if !slices.ContainsFunc(p.Problems(), func(p gate.Problem) bool { return p.Field == field && strings.Contains(p.Text, tc.want) }) {
			t.Errorf("%s: problems %v, want %s: %s", tc.sentence, p.Problems(), field, tc.want)
		}
	}
}

func TestAPackMayAskForEvidence(t *testing.T) {
	t.Parallel()
	list := packs(t)
	for i := range list {
		list[i].Evidence = list[i].Jurisdiction == "FR"
	}
	p, err := gate.NewPolicy(list, []string{"EU", "FR"}, "EU")
	if err != nil {
		t.Fatal(err)
	}
	check(t, p, []row{
		{sentence: "its own records need it", history: "1 granted active FR", want: "block evidence_incomplete evidence FR"},
		{sentence: "others do not", history: "1 granted active EU", want: "permit permit EU"},
		{sentence: "those of places not enabled do", history: "1 granted active IT", want: "block evidence_incomplete evidence FR"},
	})
}

func TestAPackMayTighten(t *testing.T) {
	t.Parallel()
	list := packs(t)
	for i := range list {
		if list[i].Jurisdiction == "EU" {
			soft := gate.Cell{Reason: gate.ReasonEvidenceIncomplete, Citation: "house rule 7"}
			list[i].B2C[gate.StateSoft] = soft
			list[i].B2C[gate.StatePassiveConfirmed] = gate.Cell{Reason: gate.ReasonNoConsent, Citation: "house rule 8"}
		}
	}
	p, err := gate.NewPolicy(list, []string{"EU"}, "EU")
	if err != nil {
		t.Fatal(err)
	}
	check(t, p, []row{
		{sentence: "with a reason of its own", history: "1 granted soft", want: "block evidence_incomplete pack EU", hint: "method soft"},
		{sentence: "also where the mailbox confirmed", history: "1 granted passive; 2 confirmed mailbox", want: "block no_consent pack EU"},
	})
}

func TestPolicyVersionNamesPacksAndHowTheyAreEnabled(t *testing.T) {
	t.Parallel()
	one := policy(t, "EU", "FR").Version()
	if len(one) != 12 || policy(t, "EU", "FR").Version() != one {
		t.Errorf("version %q is not stable", one)
	}
	if reordered, err := gate.NewPolicy(packs(t), []string{"FR", "EU"}, "EU"); err != nil || reordered.Version() != one {
		t.Errorf("the order of jurisdictions changes the version (%v)", err)
	}
	for name, other := range map[string]*gate.Policy{"another default": policy(t, "FR", "EU"), "another set": policy(t, "EU")} {
		if other.Version() == one {
			t.Errorf("%s has the same version", name)
		}
	}
}

func TestCheckStream(t *testing.T) {
	t.Parallel()
	p := policy(t, "EU", "FR")
	good := gate.Stream{Name: "news", Kind: gate.KindMarketing, Purpose: "newsletter", Jurisdiction: "FR", Match: []string{"*@example.com"}, OnBlock: gate.OnBlockDiscard}
	if err := p.CheckStream(&good); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*gate.Stream){
		`kind "bulk" is unknown`:              func(s *gate.Stream) { s.Kind = "bulk" },
		`purpose "" is no name`:               func(s *gate.Stream) { s.Purpose = "" },
		`jurisdiction "DE" is not enabled`:    func(s *gate.Stream) { s.Jurisdiction = "DE" },
		"on_block: discard is for marketing":  func(s *gate.Stream) { s.Kind = gate.KindService },
		`stream news: sender pattern "a b@x"`: func(s *gate.Stream) { s.Match = []string{"a b@x"} },
	} {
		s := good
		change(&s)
		if err := p.CheckStream(&s); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want it to hold %q", err, want)
		}
	}
	if err := p.CheckStream(&gate.Stream{Name: "receipts", Kind: gate.KindTransactional}); err != nil {
		t.Errorf("a transactional stream needs no purpose: %v", err)
	}
}

func TestParseAge(t *testing.T) {
	t.Parallel()
	start := time.Date(2024, 2, 29, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{"3y": "2027-03-01", "6m": "2024-08-29", "30d": "2024-03-30"} {
		age, err := gate.ParseAge(text)
		if got := age.After(start).Format(time.DateOnly); err != nil || got != want {
			t.Errorf("%s after %s is %s, %v; want %s", text, start, got, err, want)
		}
	}
	for _, text := range []string{"", "y", "3", "3w", "-1y", "0d", "1000y", "3 y"} {
		if _, err := gate.ParseAge(text); err == nil {
			t.Errorf("%q was taken for a span of time", text)
		}
	}
}

func TestUntilIsTheEndOfTheClockOfAPermit(t *testing.T) {
	t.Parallel()
	p := policy(t, "EU", "FR", "CA", "DE")
	day := func(n int) time.Time { return on(n) }
	for sentence, tc := range map[string]struct {
		history, stream string
		want            time.Time
		law             string
	}{
		"three years in France":                  {"1 granted active FR", "", day(1).AddDate(3, 0, 0), "CNIL"},
		"from the person's last act":             {"1 granted active FR; 9 activity", "", day(9).AddDate(3, 0, 0), "CNIL"},
		"of a customer in Canada, from the sale": {"1 granted soft CA; 9 activity", "", day(1).AddDate(2, 0, 0), "CASL"},
		"no clock in the EU":                     {"1 granted active EU", "", time.Time{}, ""},
		"no permit to run out":                   {"1 granted passive FR", "", time.Time{}, ""},
		"a stream that needs no consent":         {"1 granted active FR", "transactional", time.Time{}, ""},
		"the shorter clock where none applies":   {"1 granted soft IT", "", day(1).AddDate(2, 0, 0), "CASL"},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			end, law := p.Until(stream(t, tc.stream), address(t, "ann@example.com"), gate.Lookup{Record: record(t, tc.history)})
			if !end.Equal(tc.want) || !strings.Contains(law, tc.law) || (law == "") != end.IsZero() {
				t.Errorf("until %v by %q, want %v by %q", end, law, tc.want, tc.law)
			}
		})
	}
}
