package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-message/mail"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
	"github.com/consentgate/consentgate/unsub"
)

// withForm is a gate in Germany, where a box alone is not enough, with a form on somebody's page.
func withForm(t *testing.T, upstream string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("", fmt.Appendf(nil, `
data_dir: %q
jurisdictions: [EU, DE]
listeners: [{address: "127.0.0.1:0"}]
upstreams: [{address: %q}]
default_stream: news
streams: {news: {kind: marketing, purpose: news}}
unsubscribe: {listen: "127.0.0.1:0", public_url: "http://127.0.0.1:8025", brand: {name: Example Shop}}
confirmation: {from: hello@example.com}
forms:
  footer: {purpose: news, wording: nl, language: en, jurisdiction: DE}
  popup: {purpose: news, wording: nl, language: en}
`, t.TempDir(), upstream), config.Options{Env: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// post sends a form to the public listener and returns status and page.
func post(t *testing.T, a *App, path string, fields url.Values) (int, string) {
	t.Helper()
	r, err := http.PostForm("http://"+a.WebAddr().String()+path, fields)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	page, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(page)
}

// linkIn is the path of the confirmation page in the only message that the upstream has.
func linkIn(t *testing.T, up *smtptest.Upstream) string {
	t.Helper()
	gatetest.Eventually(t, "the message is there", func() bool { return len(up.Messages()) > 0 })
	messages := up.Messages()
	if len(messages) != 1 || messages[0].MailArg != "<hello@example.com>" || messages[0].RcptArgs[0] != "<ann@example.com>" {
		t.Fatalf("messages %+v", messages)
	}
	r, err := mail.CreateReader(strings.NewReader(string(messages[0].Data)))
	if err != nil {
		t.Fatal(err)
	}
	part, err := r.NextPart()
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(part.Body)
	if err != nil {
		t.Fatal(err)
	}
	link := regexp.MustCompile(`http://127\.0\.0\.1:8025(/c/\S+)`).FindStringSubmatch(string(text))
	if link == nil {
		t.Fatalf("no link in\n%s", text)
	}
	return link[1]
}

// TestASignUpBecomesConsentByTheMessageThatItCauses: form, message, link, button, newsletter.
func TestASignUpBecomesConsentByTheMessageThatItCauses(t *testing.T) {
	t.Parallel()
	up := smtptest.Start(t)
	a := running(t, withForm(t, up.Addr()))
	if status, page := post(t, a, "/s/footer", url.Values{"email": {"ann@example.com"}, "consent": {"yes"}}); status != http.StatusAccepted {
		t.Fatalf("%d %s", status, page)
	}
	link := linkIn(t, up)
	send(t, a, "550 5.7.1")
	if got := get(a.web.Handler, link); got != http.StatusOK {
		t.Fatalf("GET: %d", got)
	}
	send(t, a, "550 5.7.1") // to read a page is no act
	if status, page := post(t, a, link, url.Values{"confirm": {"yes"}}); status != http.StatusOK || !strings.Contains(page, "Confirmed, thank you") {
		t.Fatalf("%d %s", status, page)
	}
	if got := a.stateOf(t, "ann@example.com"); got != gate.StateActiveDouble {
		t.Errorf("state %s", got)
	}
	send(t, a, "250")
}

// settled waits for what comes of the forms that were sent.
func (a *App) settled(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := a.desk.Drain(ctx); err != nil {
		t.Fatal(err)
	}
}

func (a *App) stateOf(t *testing.T, who string) gate.State {
	t.Helper()
	addr, err := gate.ParseAddress(who)
	if err != nil {
		t.Fatal(err)
	}
	return a.store.Records(t.Context(), []gate.ID{a.keys.ID(addr)})[0].Record.For("news").State
}

func TestAFormAsksForAConfirmationWhereThePackDoes(t *testing.T) {
	t.Parallel()
	up := smtptest.Start(t)
	a := running(t, withForm(t, up.Addr()))
	for name, want := range map[string]bool{"footer": true, "popup": false} {
		if f, ok := a.form(name); !ok || f.Double != want {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if status, _ := post(t, a, "/s/popup", url.Values{"email": {"ann@example.com"}, "consent": {"on"}}); status != http.StatusAccepted {
		t.Fatal(status)
	}
	a.settled(t)
	if got := a.stateOf(t, "ann@example.com"); got != gate.StateActiveSingle || len(up.Messages()) != 0 {
		t.Errorf("state %s, %d messages", got, len(up.Messages()))
	}
	send(t, a, "250")
}

func TestASignUpWaitsForAnUpstreamThatIsAway(t *testing.T) {
	t.Parallel()
	yes := url.Values{"email": {"ann@example.com"}, "consent": {"yes"}}
	for name, fault := range map[string]func(*smtptest.Upstream){
		"away":                  func(up *smtptest.Upstream) { up.Stop() },
		"refuses the sender":    func(up *smtptest.Upstream) { up.On(smtptest.Mail, smtptest.Reply("550 5.7.1 no").Times(1)) },
		"refuses the recipient": func(up *smtptest.Upstream) { up.OnRcpt("ann@example.com", smtptest.Reply("450 4.2.0 later").Times(1)) },
		"refuses the message":   func(up *smtptest.Upstream) { up.On(smtptest.Dot, smtptest.Reply("554 5.6.0 no").Times(1)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			up := smtptest.Start(t)
			a := running(t, withForm(t, up.Addr()))
			fault(up)
			if status, page := post(t, a, "/s/footer", yes); status != http.StatusAccepted || strings.Contains(page, "5.7.1") {
				t.Fatalf("%d %s", status, page)
			}
			gatetest.Eventually(t, "it was tried", func() bool {
				return strings.Contains(string(scraped(a)), `consentgate_confirmation_mails_total{what="failed"} 1`)
			})
			if name == "away" {
				up.Restart()
			}
			up.Forget()
			if status, page := post(t, a, "/s/footer", yes); status != http.StatusAccepted {
				t.Fatalf("again: %d %s", status, page)
			}
			linkIn(t, up)
		})
	}
}

func scraped(a *App) []byte {
	w := httptest.NewRecorder()
	a.metrics.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	return w.Body.Bytes()
}

// TestThePreferencePageSendsTheMessageToo: asking there for what was stopped.
func TestThePreferencePageSendsTheMessageToo(t *testing.T) {
	t.Parallel()
	up := smtptest.Start(t)
	a := running(t, withForm(t, up.Addr()))
	agree(t, a, "ann@example.com")
	addr, err := gate.ParseAddress("ann@example.com")
	if err != nil {
		t.Fatal(err)
	}
	page := "/p/" + unsub.Tokens{Keys: a.keys}.Make(a.keys.ID(addr), "", unsub.TokenPreferences)
	for _, act := range []string{"stop", "ask"} {
		if status, text := post(t, a, page, url.Values{act: {"news"}}); status != http.StatusOK {
			t.Fatalf("%s: %d %s", act, status, text)
		}
	}
	if status, text := post(t, a, linkIn(t, up), url.Values{"confirm": {"yes"}}); status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	if got := a.stateOf(t, "ann@example.com"); got != gate.StateActiveDouble {
		t.Errorf("state %s", got)
	}
	send(t, a, "250")
}

func TestAMessageOfOurOwnIsStuffedForDATA(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a\r\n.b\r\n..c\r\n": "a\r\n..b\r\n...c\r\n",
		".":                  "..\r\n",
		"a":                  "a\r\n",
	} {
		if got := string(stuffed([]byte(in))); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestTheFormOfTheDocumentSignsUp: its HTML has the fields that its settings read, and what a browser sends of it is taken.
func TestTheFormOfTheDocumentSignsUp(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../../docs/forms.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(doc), "## A form that posts to the gate")
	blocks := regexp.MustCompile("(?s)```(yaml|html)\n(.*?)```").FindAllStringSubmatch(section, 2)
	if len(blocks) != 2 || strings.Contains(blocks[1][2], "checked") {
		t.Fatalf("blocks %q", blocks)
	}
	up := smtptest.Start(t)
	settings := strings.Replace(blocks[0][2], "unsubscribe: {", `unsubscribe: {listen: "127.0.0.1:0", `, 1)
	a := running(t, parsed(t, fmt.Sprintf("data_dir: %q\nlisteners: [{address: \"127.0.0.1:0\"}]\nupstreams: [{address: %q}]\n"+
		"jurisdictions: [DE]\nstreams: {newsletter: {kind: marketing}}\n%s", t.TempDir(), up.Addr(), settings)))
	action := regexp.MustCompile(`action="https://u\.example\.com(/[^"]+)"`).FindStringSubmatch(blocks[1][2])
	fields := url.Values{}
	for _, m := range regexp.MustCompile(`<input(?: type="(\w+)")? name="(\w+)"(?:.*? value="(\w+)")?`).FindAllStringSubmatch(blocks[1][2], -1) {
		fields.Set(m[2], map[string]string{"email": "ann@example.com", "checkbox": m[3]}[m[1]])
	}
	if action == nil || len(fields) != 3 {
		t.Fatalf("action %q, fields %v", action, fields)
	}
	if status, page := post(t, a, action[1], fields); status != http.StatusAccepted || !strings.Contains(page, "https://shop.example/") {
		t.Fatalf("%d %s", status, page)
	}
	a.settled(t)
	addr, err := gate.ParseAddress("ann@example.com")
	if err != nil {
		t.Fatal(err)
	}
	p, err := a.store.Person(t.Context(), a.keys.ID(addr))
	if err != nil || len(p.Events) != 2 || p.Events[0].Wording != (gate.Wording{ID: "nl-2026-03", Version: "3", Language: "en"}) {
		t.Errorf("%v, events %+v", err, p.Events)
	}
	if len(up.Messages()) != 1 {
		t.Errorf("%d messages", len(up.Messages()))
	}
}

func TestWhatTheUpstreamSaysOfAnAddressIsNotLogged(t *testing.T) {
	t.Parallel()
	up := smtptest.Start(t)
	a := running(t, withForm(t, up.Addr()))
	up.OnRcpt("ann@example.com", smtptest.Reply("550 5.1.1 <ann@example.com> is nobody"))
	addr, err := gate.ParseAddress("ann@example.com")
	if err != nil {
		t.Fatal(err)
	}
	m := mailer{func() *upstream.Pool { _, pool := a.inForce(); return pool }}
	if err := m.Send(t.Context(), addr, addr, []byte("a\r\n")); !errors.Is(err, errRefused) ||
		!strings.Contains(err.Error(), "550 5.1.1") || strings.Contains(err.Error(), "ann@") {
		t.Errorf("got %v", err)
	}
}
