package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/goccy/go-yaml"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/seal"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
	"github.com/consentgate/consentgate/unsub"
)

// site is a gate whose public pages people open in a browser.
type site struct {
	*gateway
	up     *smtptest.Upstream // where the messages that ask to confirm go
	config string
	origin string
	links  *unsub.Links
	keys   *seal.Keys
}

func startSite(t *testing.T) *site {
	t.Helper()
	up, web := smtptest.Start(t), freeAddr(t)
	conf := configFile(t, `
default_stream: news
listeners: [{address: "127.0.0.1:0"}]
upstreams: [{address: "`+up.Addr()+`"}]
confirmation: {from: news@example.com}
streams:
  news:   {kind: marketing, purpose: newsletter, unsubscribe: [https]}
  offers: {kind: marketing, purpose: partner_offers}
  events: {kind: marketing, purpose: event_news}
  orders: {kind: service, purpose: order_news}
unsubscribe:
  listen: "`+web+`"
  public_url: "http://`+web+`"
  brand: {name: Example Shop, address: "1 Main Street, 75001 Paris", contact: privacy@example.com, colour: "#0b7a75",
    privacy_url: "https://www.example.com/privacy"}
  purposes:
    newsletter:     {en: Our weekly news, fr: Nos nouvelles de la semaine}
    partner_offers: {en: Offers of our partners, fr: Les offres de nos partenaires}
    event_news:     {en: Invitations to events, fr: Invitations à des événements}
    order_news:     {en: News about your orders, fr: Le suivi de vos commandes}
`)
	s := &site{gateway: startGate(t, embedded(t), "--config", conf), up: up, config: conf, origin: "http://" + web}
	s.keeps("nl-2026-03", boxText)
	var err error
	if s.keys, err = seal.Open(s.dir, seal.Options{}); err != nil {
		t.Fatal(err)
	}
	if s.links, err = unsub.NewLinks(unsub.Tokens{Keys: s.keys}, s.origin, ""); err != nil {
		t.Fatal(err)
	}
	return s
}

// boxText stood beside the box of the newsletter.
const boxText = "Yes, send me Example Shop's weekly news by e-mail. I can stop it at any time with one click."

// keeps a wording, version 3 in English.
func (s *site) keeps(id, text string) {
	s.t.Helper()
	file := filepath.Join(s.t.TempDir(), id+".txt")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.must("wording", "add", id, "--version", "3", "--language", "en", file)
}

// person records somebody who ticked a box for the newsletter, found the one for offers ticked, and has yet to confirm
// the latter.
func (s *site) person(address string) gate.ID {
	s.t.Helper()
	a, err := gate.ParseAddress(address)
	if err != nil {
		s.t.Fatal(err)
	}
	now := time.Now().UTC()
	var lines []string
	for _, e := range []map[string]any{
		{
			"type": "granted", "method": "active", "purpose": "newsletter", "default_state": "unticked", "time": now.Add(-90 * 24 * time.Hour),
			"source": map[string]any{"kind": "form", "id": "footer"}, "wording": map[string]any{"id": "nl-2026-03", "version": "3", "language": "en"},
		},
		{
			"type": "granted", "method": "passive", "purpose": "partner_offers", "default_state": "ticked", "time": now.Add(-30 * 24 * time.Hour),
			"source": map[string]any{"kind": "contest", "id": "summer-quiz"},
		},
		{"type": "confirmation_requested", "purpose": "partner_offers", "time": now.Add(-time.Hour), "source": map[string]any{"kind": "preference"}},
	} {
		e["id"], e["recipient"] = address+e["type"].(string)+e["purpose"].(string), address
		line, err := json.Marshal(e)
		if err != nil {
			s.t.Fatal(err)
		}
		lines = append(lines, string(line))
	}
	file := filepath.Join(s.t.TempDir(), "events.jsonl")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		s.t.Fatal(err)
	}
	s.must("consent", "apply", file)
	return s.keys.ID(a)
}

// passes says whether mail of the stream would reach the person now.
func (s *site) passes(t *testing.T, address, stream string, want bool) {
	t.Helper()
	out, code := s.run("check", address, "--stream", stream, "--config", s.config)
	if (code == 0) != want || code != 0 && code != 3 {
		t.Errorf("mail of %s for %s: exit %d, want it to pass: %v\n%s", stream, address, code, want, out)
	}
}

// words are those of the pages in one language.
type words struct {
	Everything string
	Buttons    map[string]string
	Pages      map[string]struct{ Title string }
}

func wordsOf(t *testing.T, language string) (w words) {
	t.Helper()
	text, err := os.ReadFile("../../unsub/locales/" + language + ".yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &w); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w words) title(page string) string { return w.Pages[page].Title }

func TestPeopleFindTheirWayOutAndInWithABrowser(t *testing.T) {
	t.Parallel()
	s, browser := startSite(t), startBrowser(t)
	for _, l := range []looks{
		{language: "en", width: 360},
		{language: "fr", width: 360},
		{language: "en", width: 1440},
		{language: "fr", width: 1440},
		{language: "en", width: 1440, scripts: true},
	} {
		t.Run(fmt.Sprintf("%s, scripts %v", l, l.scripts), func(t *testing.T) {
			address := fmt.Sprintf("ann-%s-%v@example.com", l, l.scripts)
			v := &visitor{tab: openTab(browser, t, l, s.origin), site: s, words: wordsOf(t, l.language), address: address, id: s.person(address)}
			v.unsubscribes()
			v.chooses()
			v.confirms()
			v.asks()
			v.errs()
			v.wantOwnOrigin()
		})
	}
	t.Run("by keyboard alone", func(t *testing.T) {
		l := looks{language: "en", width: 1440}
		v := &visitor{tab: openTab(browser, t, l, s.origin), site: s, words: wordsOf(t, l.language), address: "keys@example.com", id: s.person("keys@example.com")}
		v.types()
	})
}

// visitor is a person at a tab.
type visitor struct {
	*tab
	site    *site
	words   words
	address string
	id      gate.ID
}

// purpose is what the page calls it.
func (v *visitor) purpose(en, fr string) string {
	if v.looks.language == "fr" {
		return fr
	}
	return en
}

func (v *visitor) unsubscribes() {
	w := v.words
	v.visit(v.site.links.URL(v.id, "news"))
	v.sound("unsubscribe", w.title("ask"))
	v.site.passes(v.t, v.address, "news", true)
	v.press(w.Buttons["unsubscribe"], "")
	v.sound("unsubscribed", w.title("done"))
	v.site.passes(v.t, v.address, "news", false)
	v.press(w.Buttons["undo"], "")
	v.sound("undone", w.title("undone"))
	v.site.passes(v.t, v.address, "news", true)
}

// chooses goes on to the preference page, against one purpose and against all, and back.
func (v *visitor) chooses() {
	w, news := v.words, v.purpose("Our weekly news", "Nos nouvelles de la semaine")
	v.press(w.Buttons["preferences"], "")
	v.sound("preferences", w.title("preferences"))
	v.reads(boxText)
	v.press(w.Buttons["stop"], news)
	v.sound("stopped", w.title("preferences"))
	v.site.passes(v.t, v.address, "news", false)
	v.press(w.Buttons["undo"], news)
	v.site.passes(v.t, v.address, "news", true)
	v.press(w.Buttons["stop_all"], "")
	v.sound("stopped-all", w.title("preferences"))
	v.site.passes(v.t, v.address, "news", false)
	v.press(w.Buttons["undo"], v.words.Everything)
	v.site.passes(v.t, v.address, "news", true)
}

// confirms says yes to what was only ever ticked for them.
func (v *visitor) confirms() {
	w := v.words
	v.site.passes(v.t, v.address, "offers", false)
	v.visit(v.site.links.Confirmation(v.id, "offers"))
	v.sound("confirm", w.title("confirm"))
	v.press(w.Buttons["confirm"], "")
	v.sound("confirmed", w.title("confirmed"))
	v.site.passes(v.t, v.address, "offers", true)
}

// asks for mail that nothing was ever said about, and confirms by the link in the message that comes.
func (v *visitor) asks() {
	w, news := v.words, v.purpose("Invitations to events", "Invitations à des événements")
	v.visit(v.site.links.Preferences(v.id))
	v.press(w.Buttons["ask"], news)
	v.sound("asked", w.title("preferences"))
	v.answers(http.StatusConflict, w.Buttons["send"], news)
	v.sound("mailed", w.title("preferences"))
	v.site.passes(v.t, v.address, "events", false)
	v.visit(v.site.asked(v.t, v.address))
	v.press(w.Buttons["confirm"], "")
	v.site.passes(v.t, v.address, "events", true)
}

// errs opens what is no link, which looks like every other page however deep it is.
func (v *visitor) errs() {
	for _, path := range []string{"/u/nonsense", "/not/here/at/all"} {
		if status := v.loads(path, chromedp.Navigate(v.site.origin+path)); status != http.StatusNotFound {
			v.t.Errorf("%s answers %d", path, status)
		}
		v.sound("not-found", v.words.title("not_found"))
	}
}

// asked waits for the message that asks the person to confirm, and returns its link.
func (s *site) asked(t *testing.T, address string) (link string) {
	t.Helper()
	waitFor(t, 10*time.Second, "the message to "+address, func() bool {
		for _, m := range s.up.Messages() {
			if strings.Contains(strings.Join(m.RcptArgs, " "), "<"+address+">") {
				text := strings.ReplaceAll(string(m.Data), "=\r\n", "") // of quoted-printable
				link = regexp.MustCompile(regexp.QuoteMeta(s.origin) + `/c/[\w-]{50}`).FindString(text)
			}
		}
		return link != ""
	})
	return link
}

// types unsubscribes and takes it back without a mouse.
func (v *visitor) types() {
	v.visit(v.site.links.URL(v.id, "news"))
	for _, button := range []string{"unsubscribe", "undo"} {
		v.tabTo(v.words.Buttons[button])
		if status := v.loads(button, chromedp.KeyEvent(kb.Enter)); status != http.StatusOK {
			v.t.Fatalf("%s answers %d", button, status)
		}
		v.site.passes(v.t, v.address, "news", button == "undo")
	}
	v.tabTo(v.words.Buttons["preferences"])
	v.loads("the link", chromedp.KeyEvent(kb.Enter))
	if got := v.look().Heading; got != v.words.title("preferences") {
		v.t.Errorf("Enter on the link leads to %q", got)
	}
}

// tabTo presses Tab until the focus is on the control that reads so, and to be seen there.
func (v *visitor) tabTo(text string) {
	v.t.Helper()
	for range 20 {
		v.do("Tab", chromedp.KeyEvent(kb.Tab))
		focus, err := chromedp.Run(v.ctx, chromedp.Evaluate[struct {
			Text, Outline string
			Width         float64
		}](`(() => { const e = document.activeElement, s = getComputedStyle(e);
			return {text: e.innerText, outline: s.outlineStyle, width: parseFloat(s.outlineWidth)}; })()`))
		if err != nil {
			v.t.Fatal(err)
		}
		if focus.Outline == "none" || focus.Width < 2 {
			v.t.Errorf("the focus on %q is not to be seen: outline %s of %v pixels", focus.Text, focus.Outline, focus.Width)
		}
		if focus.Text == text {
			return
		}
	}
	v.t.Fatalf("Tab never reaches %q", text)
}
