package unsub_test

import (
	"context"
	"testing"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/unsub"
)

const boxText = "Yes, send me the newsletter.\nI can stop it at any time."

// wording is what an event says of the text that stood beside the box.
func wording(t *testing.T, version, language, text string) gate.WordingText {
	t.Helper()
	w, err := gate.NewWording(gate.Wording{ID: "nl", Version: version, Language: language}, text, day())
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestPagesShowTheTextThatThePersonRead(t *testing.T) {
	t.Parallel()
	kept := []gate.WordingText{
		wording(t, "3", "en", boxText), wording(t, "3", "fr", "Oui, je veux la lettre."), wording(t, "2", "en", "Earlier."),
	}
	proved := kept[0].Wording
	altered := proved
	altered.SHA256 = kept[2].SHA256
	for name, c := range map[string]struct {
		wording gate.Wording
		fail    error
		want    []string
	}{
		"named":                     {gate.Wording{ID: "nl", Version: "3", Language: "en"}, nil, []string{`<blockquote lang="en">` + boxText + "</blockquote>", "!nl, 3, en"}},
		"in another language":       {gate.Wording{ID: "nl", Version: "3", Language: "fr"}, nil, []string{`<blockquote lang="fr">Oui, je veux la lettre.`}},
		"proved by its hash":        {proved, nil, []string{boxText}},
		"by its hash alone":         {gate.Wording{ID: "nl", SHA256: proved.SHA256}, nil, []string{boxText}},
		"with another hash":         {altered, nil, []string{"nl, 3, en", "!" + boxText, "!Earlier."}},
		"one of several":            {gate.Wording{ID: "nl", Language: "en"}, nil, []string{"nl, en", "!<blockquote"}},
		"not kept":                  {gate.Wording{ID: "other", Version: "1", Language: "en"}, nil, []string{"other, 1, en", "!<blockquote"}},
		"while it cannot be looked": {proved, errDown, []string{"nl, 3, en", "!<blockquote"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, func(o *unsub.Options) { o.Texts = texts{kept, c.fail} })
			apply(t, s.store, s.ann, gate.Event{
				ID: "g", Type: gate.Granted, Method: gate.MethodActive, Purpose: "newsletter", Time: day(), DefaultState: gate.DefaultUnticked,
				Source: gate.Source{Kind: "form", ID: "footer"}, Wording: c.wording,
			})
			for _, path := range []string{s.preferences(), s.path("weekly")} {
				has(t, s.do("GET", path, "", ""), 200, append(c.want, "a form (footer)", "2026")...)
			}
		})
	}
}

// What the preference page itself asked is known by its hash, and shown while the page still says that.
func TestPagesShowWhatTheyAskedThemselves(t *testing.T) {
	t.Parallel()
	s := newSite(t, confirming(nil), func(o *unsub.Options) {
		o.Streams = streams(t, o.Store.(*gatetest.Store), &gate.Stream{Name: "extra", Purpose: "extra"})
	})
	s.do("POST", s.preferences()+"?lang=fr", urlencoded, "ask=extra")
	confirm := "/c/" + s.tokens.Make(s.ann, "extra", unsub.TokenConfirmation)
	for _, path := range []string{s.preferences(), confirm} {
		has(t, s.do("GET", path, "", ""), 200, `<blockquote lang="fr">Extra`+"\nOui, je veux le recevoir", "!preference-page")
	}
}

// texts implements unsub.Texts.
type texts struct {
	kept []gate.WordingText
	fail error
}

func (x texts) WordingTexts(_ context.Context, id string) ([]gate.WordingText, error) {
	var list []gate.WordingText
	for _, w := range x.kept {
		if w.ID == id {
			list = append(list, w)
		}
	}
	return list, x.fail
}
