package policies_test

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/policies"
)

func load(t *testing.T) []gate.Pack {
	t.Helper()
	packs, err := policies.Load()
	if err != nil {
		t.Fatal(err)
	}
	return packs
}

func cases(t *testing.T) []policies.Case {
	t.Helper()
	all, err := policies.Cases()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestEveryCaseComesOutAsItSays(t *testing.T) {
	t.Parallel()
	packs := load(t)
	for _, c := range cases(t) {
		t.Run(fmt.Sprintf("%s:%d", c.File, c.Line), func(t *testing.T) {
			t.Parallel()
			got, err := c.Try(packs)
			if err != nil {
				t.Fatal(err)
			}
			if !got.OK {
				t.Errorf("%s\n%s\nwant %s (%s)\ngot  %s (%s)", c.Title, c, c.Expect, c.Law, got.Got, got.Citation)
			}
		})
	}
}

func TestTheCasesReachEveryCellOfEveryPack(t *testing.T) {
	t.Parallel()
	all := cases(t)
	if len(all) < 150 {
		t.Errorf("%d cases, want 150 and more", len(all))
	}
	titles := make(map[string]bool)
	for _, c := range all {
		key := c.File + c.Title
		if titles[key] {
			t.Errorf("%s:%d: stands twice: %s", c.File, c.Line, c.Title)
		}
		titles[key] = true
	}
	packs := load(t)
	for _, pack := range packs {
		laws := cited(t, packs, all, pack.Jurisdiction)
		for _, s := range gate.States() {
			cells := pack.B2C
			switch s {
			case gate.StateExpired: // a clock says its own law
				continue
			case gate.StateB2B:
				cells = pack.B2B
			}
			for _, law := range []string{cells[s].Clock, cells[s].Citation} {
				if law != "" && !laws[law] {
					t.Errorf("%s: no case rests on %s: %s", pack.Jurisdiction, s, law)
				}
			}
		}
	}
}

// cited is the laws that the cases of a place rest on.
func cited(t *testing.T, packs []gate.Pack, all []policies.Case, place string) map[string]bool {
	t.Helper()
	laws := make(map[string]bool)
	for _, c := range all {
		if c.Place != place {
			continue
		}
		got, err := c.Try(packs)
		if err != nil {
			t.Fatal(err)
		}
		laws[got.Citation] = true
	}
	return laws
}

// A pack without its clock has to fail a case, or the cases prove nothing about clocks.
func TestEveryClockThatIsGoneFailsACase(t *testing.T) {
	t.Parallel()
	packs, all := load(t), cases(t)
	for i, pack := range packs {
		for _, s := range gate.States() {
			if pack.B2B[s].Expires.IsZero() {
				continue
			}
			t.Run(pack.Jurisdiction+" "+string(s), func(t *testing.T) {
				t.Parallel()
				changed := slices.Clone(packs)
				changed[i].B2C, changed[i].B2B = withoutClock(pack.B2C, s), withoutClock(pack.B2B, s)
				if !slices.ContainsFunc(all, func(c policies.Case) bool {
					got, err := c.Try(changed)
					return c.Place == pack.Jurisdiction && (err != nil || !got.OK)
				}) {
					t.Error("no case notices that the clock is gone")
				}
			})
		}
	}
}

func withoutClock(cells map[gate.State]gate.Cell, s gate.State) map[gate.State]gate.Cell {
	out := maps.Clone(cells)
	c := out[s]
	c.Expires, c.Longer = gate.Age{}, nil
	out[s] = c
	return out
}

func TestAProblemInACaseIsNamedWithItsLine(t *testing.T) {
	t.Parallel()
	const good = `place: FR
enabled: [FR]
cases:
  - case: three years
    who: private person
    happened:
      - 2023-03-01 ticked an empty box
    mail: newsletter
    sent: 2026-03-01
    expect: blocked as expired
`
	for name, tc := range map[string]struct{ old, new, want string }{
		"a deed":        {"ticked an empty box", "sneezed", `own/a.yaml:7: cases.0.happened.0: "sneezed" is not understood`},
		"a day":         {"- 2023-03-01", "- yesterday", `a.yaml:7: cases.0.happened.0: "yesterday" is no day`},
		"a late deed":   {"- 2023-03-01", "- 2026-03-02", "a.yaml:7: cases.0.happened.0: happens after the mail is sent (2026-03-01)"},
		"a mail":        {"mail: newsletter", "mail: letter", `a.yaml:8: cases.0.mail: "letter" is unknown; use one of newsletter, partner offers, receipt`},
		"a sending day": {"sent: 2026-03-01", "sent: soon", `a.yaml:9: cases.0.sent: "soon" is no day`},
		"a person":      {"who: private person", "who: robot", `a.yaml:5: cases.0.who: "robot" is unknown`},
		"an outcome":    {"expect: blocked as expired", "expect: maybe", `a.yaml:10: cases.0.expect: "maybe" is unknown`},
		"a title":       {"case: three years", `case: ""`, "a.yaml:4: cases.0.case: missing"},
		"no packs":      {"enabled: [FR]\n", "", "cases.0.enabled: missing"},
		"a key":         {"sent:", "send:", `unknown field "send"`},
		"an event":      {"ticked an empty box", "gave a professional address, informed", "a.yaml:7: cases.0.happened.0: invalid event: audience"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text := strings.Replace(good, tc.old, tc.new, 1)
			_, err := policies.ReadCases(fstest.MapFS{"a.yaml": {Data: []byte(text)}}, "own")
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error:\n%v\nwant it to hold:\n%s", err, tc.want)
			}
		})
	}
	if _, err := policies.ReadCases(fstest.MapFS{}, "own"); err == nil {
		t.Error("an empty folder was taken for cases")
	}
}

func TestACaseThatPacksCannotDecideSaysWhere(t *testing.T) {
	t.Parallel()
	text := "place: XX\nenabled: [XX]\ncases:\n  - {case: a, sent: 2026-01-01, expect: sent}\n"
	read, err := policies.ReadCases(fstest.MapFS{"a.yaml": {Data: []byte(text)}}, "own")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := read[0].Try(load(t)); err == nil || !strings.Contains(err.Error(), `own/a.yaml:4: jurisdiction "XX" has no pack`) {
		t.Errorf("error %v", err)
	}
}

func TestACaseIsToldInWords(t *testing.T) {
	t.Parallel()
	c := policies.Case{Who: "professional", Place: "UK", Happened: []string{"2026-01-10 objected"}, Mail: "newsletter", Sent: "2026-03-01"}
	if diff := cmp.Diff("professional in UK: 2026-01-10 objected; then newsletter on 2026-03-01", c.String()); diff != "" {
		t.Error(diff)
	}
	c.Place, c.Happened = "unknown", nil
	if diff := cmp.Diff("professional of unknown place: nothing on record; then newsletter on 2026-03-01", c.String()); diff != "" {
		t.Error(diff)
	}
}

func TestTheDocsListEveryWordOfACase(t *testing.T) {
	t.Parallel()
	docs, err := os.ReadFile("../docs/policies.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range policies.Deeds() {
		if !strings.Contains(string(docs), "`"+words+"`") {
			t.Errorf("docs/policies.md does not explain %q", words)
		}
	}
}
