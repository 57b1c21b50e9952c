package policies_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/policies"
)

// folder holds own packs: embedded ones with changes, "old text→new text" in turn.
func folder(t *testing.T, packs map[string][]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, changes := range packs {
		from, to, _ := strings.Cut(name, ">")
		text := readPack(t, from)
		for i := 0; i+1 < len(changes); i += 2 {
			if !strings.Contains(text, changes[i]) {
				t.Fatalf("%s holds no %q", from, changes[i])
			}
			text = strings.Replace(text, changes[i], changes[i+1], 1)
		}
		if err := os.WriteFile(filepath.Join(dir, to), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func readPack(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

const embeddedFRClock = "    expires: 3y # from the person's last act; a click counts, a mere open does not\n"

func TestAnOwnPackThatTightensIsTaken(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string][]string{
		"fr.yaml>house.yaml": {"expires: 3y", "expires: 18m", "evidence: optional", "evidence: required"},
		"eu.yaml>ch.yml":     {"jurisdiction: EU", "jurisdiction: CH", "name: European Union", "name: Switzerland"},
		"eu.yaml>notes.txt":  nil,
	})
	entries, err := policies.InForce(dir, false)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		line := e.Jurisdiction
		if e.File != "" {
			line += " " + filepath.Base(e.File) + " " + e.B2C[gate.StateSoft].Expires.String()
		}
		if len(e.Looser) > 0 {
			t.Errorf("%s is looser: %v", e.Jurisdiction, e.Looser)
		}
		got = append(got, line)
	}
	want := []string{"AU", "CA", "CH ch.yml ", "DE", "ES", "EU", "FR house.yaml 18m", "IT", "UK", "US"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("packs in force (-want +got):\n%s", diff)
	}
	if _, err := gate.NewPolicy(policies.Packs(entries), []string{"CH", "FR"}, "CH"); err != nil {
		t.Error(err)
	}
}

func TestAnOwnPackThatLoosensIsRefusedWithEveryCell(t *testing.T) {
	t.Parallel()
	dir := folder(t, map[string][]string{
		"fr.yaml>fr.yaml": {
			embeddedFRClock, "    expires: 4y\n",
			"  implied:\n    all:\n      answer: no_consent", "  implied:\n    all:\n      answer: permit",
		},
		"us.yaml>mx.yaml": {"\njurisdiction: US", "\njurisdiction: MX"},
	})
	_, err := policies.InForce(dir, false)
	wrong, ok := errors.AsType[*policies.Error](err)
	if !ok {
		t.Fatalf("error %v", err)
	}
	for _, want := range []string{
		"fr.yaml:29: states.passive_confirmed.b2c: a clock of 4y; in FR it is 3y",
		"fr.yaml: looser than the pack that comes with the program; an own pack may tighten, and loosen only with policies.allow_looser: true",
		"fr.yaml:53: states.b2b.b2b: a clock of 4y; in FR it is 3y",
		"fr.yaml:56: states.implied.b2c: permits; FR blocks with no_consent",
		"mx.yaml:11: model: opt_out; EU asks for permission first",
		"states.none.b2b: permits; EU blocks with no_consent",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error:\n%v\nholds no %q", err, want)
		}
	}
	for _, p := range wrong.Problems {
		if p.File == "" || p.Field != "" && p.Line < 2 {
			t.Errorf("without a place: %s", p)
		}
	}
	entries, err := policies.InForce(dir, true)
	if err != nil {
		t.Fatal(err)
	}
	looser := 0
	for _, e := range entries {
		looser += len(e.Looser)
	}
	if looser != len(wrong.Problems)-2 { // without the advice, once a pack
		t.Errorf("allowed with %d cells noted, refused for %d", looser, len(wrong.Problems))
	}
}

func TestAFolderThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	twice := folder(t, map[string][]string{"fr.yaml>a.yaml": nil, "fr.yaml>b.yaml": nil})
	broken := folder(t, map[string][]string{
		"fr.yaml>a.yaml": {"answer: permit", "answer: maybe"},
		"de.yaml>b.yaml": {"answer: withdrawn", "answer: permit"},
	})
	for name, tc := range map[string]struct {
		dir  string
		want []string
	}{
		"it is not there":                 {filepath.Join(twice, "none"), []string{"none: cannot be read: no such file"}},
		"it is empty":                     {t.TempDir(), []string{": holds no pack"}},
		"two packs of one jurisdiction":   {twice, []string{"b.yaml:6: jurisdiction: FR has a pack in " + filepath.Join(twice, "a.yaml") + " already"}},
		"every broken pack is named":      {broken, []string{`a.yaml:29: states.passive_confirmed.b2c: "maybe"`, "b.yaml:51: states.withdrawn.b2c: must be blocked"}},
		"a file where a folder should be": {"fr.yaml", []string{"fr.yaml: cannot be read: not a directory"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, allow := range []bool{false, true} {
				_, err := policies.InForce(tc.dir, allow)
				for _, want := range tc.want {
					if err == nil || !strings.Contains(err.Error(), want) {
						t.Errorf("error:\n%v\nholds no %q", err, want)
					}
				}
			}
		})
	}
}

func TestWithoutAFolderThePacksOfTheProgramCount(t *testing.T) {
	t.Parallel()
	entries, err := policies.InForce("", false)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(load(t), policies.Packs(entries)); diff != "" {
		t.Error(diff)
	}
}
