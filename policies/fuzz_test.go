package policies_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/policies"
)

// FuzzPack: no text makes the reader panic, what it refuses it refuses with a file and a line, and what it takes makes
// a policy that is no looser than itself.
func FuzzPack(f *testing.F) {
	for _, name := range []string{"ca.yaml", "de.yaml", "us.yaml"} {
		f.Add(seed(f, name))
	}
	for _, s := range []string{"", "-", "states: {none: {all: }}", "clocks: [{states: [none], longer: [{}]}]", "a: &x\nb: *x", "states: [", "jurisdiction: \x00"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		pack, err := policies.Parse("own.yaml", text)
		if err != nil {
			placed(t, err)
			return
		}
		if looser := pack.LooserThan(pack); looser != nil {
			t.Errorf("looser than itself: %v", looser)
		}
		_, err = gate.NewPolicy([]gate.Pack{pack}, []string{pack.Jurisdiction}, pack.Jurisdiction)
		if (err == nil) != (pack.Model == gate.OptIn) {
			t.Errorf("policy of an %s pack: %v", pack.Model, err)
		}
	})
}

// FuzzCases: no text makes the reader panic, and a case that was read can be told and tried.
func FuzzCases(f *testing.F) {
	f.Add(seed(f, "testdata/places.yaml"))
	for _, s := range []string{"", "cases: [{}]", "enabled: [EU]\ncases: [{case: a, sent: 2026-01-01, expect: sent, happened: [2026-01-01]}]", "cases: {a: b}", "- a"} {
		f.Add([]byte(s))
	}
	packs, err := policies.Load()
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		cases, err := policies.ReadCases(fstest.MapFS{"a.yaml": {Data: text}}, "own")
		if err != nil {
			placed(t, err)
			return
		}
		for _, c := range cases {
			if c.Line < 1 || c.String() == "" {
				t.Errorf("a case without a place or words: %+v", c)
			}
			if got, err := c.Try(packs); err == nil && got.Got == "" {
				t.Errorf("nothing came of %s", c)
			}
		}
	})
}

func seed(f *testing.F, name string) []byte {
	f.Helper()
	text, err := os.ReadFile(filepath.FromSlash(name))
	if err != nil {
		f.Fatal(err)
	}
	return text
}

func placed(t *testing.T, err error) {
	t.Helper()
	wrong, ok := errors.AsType[*policies.Error](err)
	if !ok {
		t.Fatalf("not a policies.Error: %v", err)
	}
	for _, p := range wrong.Problems {
		if p.File == "" || p.Text == "" {
			t.Errorf("a problem without a place or a text: %+v", p)
		}
	}
}
