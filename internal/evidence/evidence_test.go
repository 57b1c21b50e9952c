package evidence_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/evidence"
)

// key signs with a seed of zeros.
type key struct{}

func (key) private() ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
}
func (k key) Public() ed25519.PublicKey  { return k.private().Public().(ed25519.PublicKey) }
func (k key) Sign(message []byte) []byte { return ed25519.Sign(k.private(), message) }

func at(day int) time.Time { return time.Date(2026, 10, day, 10, 0, 0, 0, time.UTC) }

func kept(t testing.TB, id, version, language, text string) gate.WordingText {
	t.Helper()
	w, err := gate.NewWording(gate.Wording{ID: id, Version: version, Language: language}, text, at(1))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// material is somebody whose box was ticked, who confirmed, and who later refused everything.
func material(t testing.TB) evidence.Material {
	t.Helper()
	nl := kept(t, "nl", "1", "en", "Yes & <b>every</b> week\u2028</pre>")
	events := []gate.Event{
		{
			ID: "e1", Type: gate.Granted, Method: gate.MethodPassive, Purpose: "newsletter", Time: at(1), Controller: "acme",
			Source: gate.Source{Kind: "contest", ID: "quiz"}, DefaultState: gate.DefaultTicked, Wording: nl.Wording, Actor: "api:shop",
		},
		{ID: "e3", Type: gate.Withdrawn, Purpose: gate.AllPurposes, Time: at(3), Actor: "unsub"},
		{ID: "e2", Type: gate.Confirmed, Via: gate.ViaMailbox, Purpose: "newsletter", Time: at(2)},
	}
	return evidence.Material{
		Header:     evidence.Header{RecordID: "01R", Address: "ann@example.com", Created: at(4), CreatedBy: "cli:anna@mail", Program: "consentgate test"},
		Person:     gate.Person{ID: gate.ID{1}, Sealed: "sealed", Events: events, Record: gate.Fold(events)},
		Blocks:     []gate.BlockEntry{{ID: "b1", Time: at(4), Reason: gate.ReasonWithdrawn, Address: "sealed", Stream: "newsletter"}},
		Acts:       []gate.AuditEntry{gate.AuditEntry{}.Next(gate.Act{Time: at(4), Actor: "cli:anna@mail", Name: "consent.evidence"})},
		Wordings:   []gate.WordingText{nl},
		Controller: evidence.Party{Name: "Shop SAS", Contact: "dpo@shop.example", PrivacyURL: "https://shop.example/privacy"},
		OneClick:   true,
		Decisions:  []evidence.Decision{{Stream: "newsletter", Verdict: gate.Block, Reason: gate.ReasonWithdrawn, Rule: "refusal"}},
	}
}

func TestADocumentTellsWhatWasAgreedReadAndRefused(t *testing.T) {
	t.Parallel()
	d := evidence.Build(material(t))
	var states []string
	for _, e := range d.Events {
		states = append(states, e.ID+" "+string(e.State))
	}
	if diff := cmp.Diff([]string{"e1 passive_unconfirmed", "e2 passive_confirmed", "e3 withdrawn"}, states); diff != "" {
		t.Errorf("states after each event, in the order in which they happened (-want +got):\n%s", diff)
	}
	var newsletter evidence.Processing
	for _, p := range d.Processing {
		if p.Purpose == "newsletter" {
			newsletter = p
		}
	}
	if newsletter.State != gate.StateWithdrawn || !newsletter.Withdrawn.Equal(at(3)) || newsletter.DefaultState != gate.DefaultTicked ||
		newsletter.WithdrawalMethod != evidence.WithdrawalOneClick {
		t.Errorf("got %+v", newsletter)
	}
	if len(d.Parties) != 2 || d.Parties[1].Name != "acme" {
		t.Errorf("parties %+v", d.Parties)
	}
	if len(d.Notices) != 1 || d.Notices[0].Status != evidence.NoticeProved || !strings.HasPrefix(d.Notices[0].Text, "Yes") {
		t.Errorf("notices %+v", d.Notices)
	}
	if d.Blocks[0].Address != "" {
		t.Error("a sealed address stands in the document")
	}
}

func TestTheTextOfAWordingIsFoundOrItIsSaidWhyNot(t *testing.T) {
	t.Parallel()
	en, fr, v2 := kept(t, "nl", "1", "en", "yes"), kept(t, "nl", "1", "fr", "oui"), kept(t, "nl", "2", "en", "yes, please")
	only := kept(t, "only", "1", "en", "text")
	all := []gate.WordingText{en, fr, v2, only}
	for name, tt := range map[string]struct {
		w            gate.Wording
		status, text string
	}{
		"with its hash":                     {en.Wording, evidence.NoticeProved, "yes"},
		"by its hash among several":         {gate.Wording{ID: "nl", SHA256: v2.SHA256}, evidence.NoticeProved, "yes, please"},
		"by name, version and language":     {gate.Wording{ID: "nl", Version: "1", Language: "fr"}, evidence.NoticeNamed, "oui"},
		"by an id that has one text":        {gate.Wording{ID: "only"}, evidence.NoticeNamed, "text"},
		"not by an id that has several":     {gate.Wording{ID: "nl"}, evidence.NoticeAmbiguous, ""},
		"not with the hash of another text": {gate.Wording{ID: "only", SHA256: en.SHA256}, evidence.NoticeDiffers, "text"},
		"not in another version":            {gate.Wording{ID: "only", Version: "2"}, evidence.NoticeUnknown, ""},
		"not where nothing is kept":         {gate.Wording{ID: "gone"}, evidence.NoticeUnknown, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if n := evidence.Resolve(tt.w, all); n.Status != tt.status || n.Text != tt.text || n.Wording != tt.w {
				t.Errorf("got %+v", n)
			}
		})
	}
}

func signed(t testing.TB) (evidence.Document, evidence.Signature, []byte) {
	t.Helper()
	d := evidence.Build(material(t))
	file, sig, err := evidence.Sign(d, key{})
	if err != nil {
		t.Fatal(err)
	}
	return d, sig, file
}

func TestASignatureHoldsHoweverTheFileIsIndentedAndInItsPage(t *testing.T) {
	t.Parallel()
	_, _, file := signed(t)
	var compact, tabs bytes.Buffer
	if err := errors.Join(json.Compact(&compact, file), json.Indent(&tabs, file, "", "\t")); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"as written": file, "compact": compact.Bytes(), "indented": tabs.Bytes()}
	for _, lang := range evidence.Languages() {
		page, err := evidence.Page(file, lang)
		if err != nil {
			t.Fatal(err)
		}
		files[lang] = page
	}
	for name, f := range files {
		v, err := evidence.Verify(f)
		if err != nil || v.RecordID != "01R" || v.Fingerprint != evidence.Fingerprint(key{}.Public()) {
			t.Errorf("%s: got %+v, %v", name, v, err)
		}
	}
}

func TestAnyChangeOfWhatWasSignedIsFound(t *testing.T) {
	t.Parallel()
	_, sig, file := signed(t)
	for i := bytes.Index(file, []byte(`"record"`)); i < bytes.Index(file, []byte(`"signature"`)); i += 7 {
		bad := bytes.Clone(file)
		if bad[i] == ' ' || bad[i] == '\n' {
			continue // indentation is not signed
		}
		bad[i] ^= 1
		if _, err := evidence.Verify(bad); err == nil {
			t.Fatalf("octet %d (%q) was changed and nobody noticed", i, file[max(0, i-20):i+20])
		}
	}
	for name, replace := range map[string][2]string{
		"another fingerprint": {sig.Fingerprint, "sha256:00"},
		"another algorithm":   {"Ed25519", "none"},
		"no signature":        {sig.Text(), ""},
	} {
		bad := bytes.ReplaceAll(file, []byte(replace[0]), []byte(replace[1]))
		if _, err := evidence.Verify(bad); !errors.Is(err, evidence.ErrForm) && !errors.Is(err, evidence.ErrSignature) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Who reads a page reads what is around the document: that has to be proved too.
func TestAPageThatShowsAnythingElseIsFound(t *testing.T) {
	t.Parallel()
	_, _, file := signed(t)
	page, err := evidence.Page(file, "en")
	if err != nil {
		t.Fatal(err)
	}
	shown, _, _ := strings.Cut(string(page), `<pre id="signed">`)
	for name, bad := range map[string]string{
		"a state":           strings.Replace(string(page), ">refused<", ">agreed<", 1),
		"a style":           strings.Replace(string(page), "</style>", ".no { display: none }</style>", 1),
		"something behind":  string(page) + "<p>agreed</p>",
		"something before":  "<!-- -->" + string(page),
		"another language":  strings.Replace(string(page), `lang="en"`, `lang="fr"`, 1),
		"no language":       strings.Replace(string(page), `lang="en"`, `lang="../en"`, 1),
		"a second document": strings.Replace(string(page), "</header>", `</header><pre id="signed"></pre>`, 1),
	} {
		if bad == string(page) {
			t.Fatalf("%s: nothing was changed in\n%s", name, shown)
		}
		_, err := evidence.Verify([]byte(bad))
		if want := evidence.ErrPage; !errors.Is(err, want) && !errors.Is(err, evidence.ErrForm) {
			t.Errorf("%s was changed, and the answer is %v", name, err)
		}
	}
}

func TestAFileThatHoldsAnythingBesideIsFound(t *testing.T) {
	t.Parallel()
	_, _, file := signed(t)
	for _, beside := range []string{`{"note":1,`, `{"EVIDENCE":{"schema":"x"},`} {
		bad := append([]byte(beside), file[1:]...)
		if _, err := evidence.Verify(bad); !errors.Is(err, evidence.ErrSignature) {
			t.Errorf("%s: got %v", beside, err)
		}
	}
}

func TestWhatIsNoEvidenceIsSaidToBeNone(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "{}", "null", "<html></html>", `{"evidence":{},"signature":{}}`, `{"evidence":1,"signature":{"algorithm":"Ed25519","public_key":"AAAA"}}`} {
		if _, err := evidence.Verify([]byte(text)); !errors.Is(err, evidence.ErrForm) {
			t.Errorf("%q: got %v", text, err)
		}
	}
}

// A page is opened by people who did not write what stands in it.
func TestAPageEscapesWhatPeopleWroteAndLoadsNothing(t *testing.T) {
	t.Parallel()
	_, _, file := signed(t)
	for _, lang := range evidence.Languages() {
		page, err := evidence.Page(file, lang)
		if err != nil {
			t.Fatal(err)
		}
		for _, never := range []string{"<script", "<b>every", "src=", "<link", "@import", "url("} {
			if bytes.Contains(page, []byte(never)) {
				t.Errorf("%s page holds %s", lang, never)
			}
		}
		if bytes.Contains(page, []byte("no value")) {
			t.Errorf("%s page lacks a word", lang)
		}
	}
	if _, err := evidence.Page(file, "de"); err == nil {
		t.Error("a page in a language that there is not")
	}
}

func TestBothLanguagesHaveTheSameWords(t *testing.T) {
	t.Parallel()
	words := map[string]map[string]string{}
	for _, lang := range evidence.Languages() {
		words[lang] = evidence.Words(lang)
		if len(words[lang]) < 100 {
			t.Errorf("%s has %d words", lang, len(words[lang]))
		}
	}
	for name := range words["en"] {
		if words["fr"][name] == "" {
			t.Errorf("fr.json lacks %s", name)
		}
	}
	if len(words["en"]) != len(words["fr"]) {
		t.Errorf("en.json has %d words, fr.json %d", len(words["en"]), len(words["fr"]))
	}
	page := evidence.Template()
	for _, m := range regexp.MustCompile(`(?:\$t|\.L\.T)\.([a-z_]+)`).FindAllStringSubmatch(page, -1) {
		if words["en"][m[1]] == "" {
			t.Errorf("the page asks for %s, which en.json does not have", m[1])
		}
	}
}

func FuzzVerify(f *testing.F) {
	_, _, file := signed(f)
	page, err := evidence.Page(file, "en")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file)
	f.Add(page)
	f.Add([]byte(`{"evidence":{"schema":"consentgate-evidence/1"},"signature":{"algorithm":"Ed25519"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if v, err := evidence.Verify(text); err == nil && v.Fingerprint == "" {
			t.Error("verified without a key")
		}
	})
}
