package sqlitestore

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
)

func TestMostRecordsAreReadWithoutEncodingJSON(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		r     gate.Record
		plain bool
	}{
		"a consent": {gate.Record{Consents: map[string]gate.Consent{
			"newsletter": {State: gate.StateActiveDouble, Source: "form:footer"},
		}}, true},
		"two consents and a jurisdiction": {gate.Record{Jurisdiction: "de", Consents: map[string]gate.Consent{
			"newsletter": {State: gate.StateActiveDouble}, "offers": {State: gate.StateWithdrawn},
		}}, true},
		"a source with a quote": {gate.Record{Consents: map[string]gate.Consent{
			"newsletter": {State: gate.StateActiveSingle, Source: `form:"footer"`},
		}}, false},
		"a source in German": {gate.Record{Consents: map[string]gate.Consent{
			"newsletter": {State: gate.StateActiveSingle, Source: "form:Fußzeile"},
		}}, false},
		"nothing": {gate.Record{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			text, err := json.Marshal(tc.r.Fields())
			if err != nil {
				t.Fatal(err)
			}
			if _, plain := plainPairs(string(text)); plain != tc.plain {
				t.Errorf("%s is plain: %v, want %v", text, plain, tc.plain)
			}
			r, err := readRecord(3, string(text))
			if err != nil || r.Version != 3 {
				t.Errorf("read version %d of %s, error %v", r.Version, text, err)
			}
			if diff := cmp.Diff(tc.r.Fields(), r.Fields()); diff != "" {
				t.Errorf("%s is read as something else (-written +read):\n%s", text, diff)
			}
		})
	}
}

func FuzzPlainPairsAreWhatEncodingJSONReads(f *testing.F) {
	for _, seed := range []string{
		`[["p:newsletter","double 1790000000 s=form:footer"]]`,
		`[["j","de"],["p:a","double 1"],["s","manual: 2"]]`,
		`[["a","b"],["c"]]`, `[["a"],["b","c"]]`, `[["a","b","c"]]`, `[["a","b"],[]]`, `[["a","b"]],["c","d"]]`,
		`[["","]]`, `[["",""]]`, `[["a","b"], ["c","d"]]`, `[["a","\u0022"]]`, `[["a","ß"]]`, "[[\"a\",\"\xff\"]]",
		"[[\"a\",\"\n\"]]", `[["a","b"]]x`, `[["]]`, `[]`, `null`, ``,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, plain := plainPairs(text)
		if !plain {
			return
		}
		var want [][2]string
		if err := json.Unmarshal([]byte(text), &want); err != nil {
			t.Fatalf("%q is read as %q, and is: %v", text, got, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q (-encoding/json +plain):\n%s", text, diff)
		}
		if written, err := json.Marshal(got); err != nil || len(written) < len(text) {
			t.Errorf("%q is written as %q, error %v: something was passed over", text, written, err)
		}
	})
}
