package policies_test

import (
	"os"
	"strings"
	"testing"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/policies"
)

func TestThePacksThatComeWithTheProgramMakeAPolicy(t *testing.T) {
	t.Parallel()
	packs, err := policies.Load()
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, p := range packs {
		codes = append(codes, p.Jurisdiction)
	}
	if got := strings.Join(codes, " "); got != "AU CA DE ES EU FR IT UK US" {
		t.Errorf("packs %q, want AU CA DE ES EU FR IT UK US", got)
	}
	if _, err := gate.NewPolicy(packs, codes, "EU"); err != nil {
		t.Error(err)
	}
}

func TestAProblemInAPackIsNamedWithItsLine(t *testing.T) {
	t.Parallel()
	good, err := os.ReadFile("fr.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct{ old, new, want string }{
		"unknown state":           {"  implied:", "  impled:", `fr.yaml:56: states.impled: unknown state "impled"`},
		"missing state":           {"  implied:", "  impled:", "fr.yaml:17: states.implied.b2c: missing; a pack answers for every state"},
		"unknown field":           {"answer: permit", "answr: permit", `fr.yaml:31: unknown field "answr"`},
		"unknown reason":          {"answer: permit", "answer: maybe", `fr.yaml:29: states.passive_confirmed.b2c: "maybe" is no reason a pack can give`},
		"a withdrawal that sends": {"answer: withdrawn", "answer: permit", "states.withdrawn.b2c: must be blocked with withdrawn"},
		"a box ticked for people": {"answer: passive_unconfirmed", "answer: permit", "states.passive_unconfirmed.b2b: must be blocked with passive_unconfirmed"},
		"no law":                  {"      law: CPCE art. L34-5 (prior consent of natural persons)\n", "", "without a citation"},
		"half an audience":        {"    b2b:\n      answer: permit\n", "    x2b:\n      answer: permit\n", `unknown field "x2b"`},
		"one audience":            {"    b2c:\n      answer: no_consent\n      law: CPCE art. L34-5 (prior consent of natural persons)\n", "", "states.none: answer for all, or for both b2c and b2b"},
		"bad age":                 {"expires: 3y", "expires: 3w", `fr.yaml:14: clocks.0.expires: "3w" is no span of time; write 3y, 6m or 30d`},
		"a clock for nothing":     {"[passive_confirmed,", "[passive_confirmd,", `fr.yaml:13: clocks.0.states.0: a clock for "passive_confirmd"`},
		"a clock without law":     {"    law: CNIL, reference document on commercial management (three years from the last contact by the person)\n", "", "a clock without a citation"},
		"evidence":                {"evidence: optional", "evidence: some", `fr.yaml:10: evidence: "some" is unknown; use required or optional`},
		"category":                {"      answer: permit\n", "      answer: permit\n      category: some\n", `category: "some" is unknown`},
		"model":                   {"model: opt_in", "model: opt_up", `fr.yaml:9: model: "opt_up" is neither opt_in nor opt_out`},
		"version":                 {`version: "2026-10"`, `version: ""`, "fr.yaml:8: version: missing"},
		"jurisdiction":            {"jurisdiction: FR", "jurisdiction: France", "fr.yaml:6: jurisdiction: use two upper-case letters"},
		"an anchor":               {"evidence: optional", "evidence: &e optional", "fr.yaml:10: an anchor, alias or tag"},
		"no YAML":                 {"jurisdiction: FR", "jurisdiction: [", "fr.yaml:17: ',' or ']' must be specified"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(string(good), tc.old) {
				t.Fatalf("fr.yaml holds no %q", tc.old)
			}
			_, err := policies.Parse("fr.yaml", []byte(strings.Replace(string(good), tc.old, tc.new, 1)))
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error:\n%v\nwant it to hold:\n%s", err, tc.want)
			}
		})
	}
}

func TestAnEmptyFileIsNoPack(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "# nothing\n", "- a\n"} {
		if _, err := policies.Parse("own.yaml", []byte(text)); err == nil {
			t.Errorf("%q was read as a pack", text)
		}
	}
}
