package unsub_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/unsub"
)

// counter is a public handler with one form, over an office's store and messages.
type counter struct {
	*office
	http.Handler
}

func newCounter(t *testing.T, change ...func(*unsub.Form)) *counter {
	t.Helper()
	c := &counter{office: newOffice(t)}
	f := unsub.Form{
		Name: "footer", Purpose: "newsletter", Wording: gate.Wording{ID: "nl", Version: "3", Language: "en"},
		Source: gate.Source{Kind: "form", ID: "footer"}, DefaultState: gate.DefaultUnticked, Inputs: unsub.DefaultInputs(),
		Back: "https://shop.example/", Double: true,
	}
	for _, ch := range change {
		ch(&f)
	}
	w := newWorld(t, c.store, t.TempDir())
	c.Handler = unsub.New(unsub.Options{
		Tokens: unsub.Tokens{Keys: c.keys}, Withdrawals: w.withdrawals, Store: c.store, Unseal: c.keys.Unseal,
		Now: func() time.Time { return day().Add(c.later) }, Streams: streams(t, c.store, weekly()),
		Brand: unsub.Brand{Name: "Example Shop"},
		SignUps: unsub.SignUps{
			Keys: c.keys, Ask: c.Request,
			Form: func(name string) (unsub.Form, bool) { return f, name == f.Name },
		},
	})
	return c
}

func single(f *unsub.Form) { f.Double = false }

// submit sends the form as a browser does: field=value in turn, header lines as "Name: value".
func (c *counter) submit(body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/s/footer", strings.NewReader(body))
	r.RemoteAddr = "127.0.0.1:4711"
	r.Header.Set("Content-Type", urlencoded)
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	return w
}

func (c *counter) events(t *testing.T) []gate.Event {
	t.Helper()
	return person(t, c.store, c.id()).Events
}

const yes = "email=ann%40example.com&consent=yes"

func TestATickedFormIsTheFirstHalfOfADoubleOptIn(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	has(t, c.submit(yes, "X-Forwarded-For: 198.51.100.9, 192.0.2.77", "Referer: https://shop.example/news?mail=ann", "User-Agent: Browser"),
		200, "Please look into your mailbox", "a***@example.com", "Newsletter", `href="https://shop.example/"`, "!ann@example.com", "!<nav")
	events := c.events(t)
	if len(events) != 2 || len(c.sent) != 1 {
		t.Fatalf("%d messages, events %+v", len(c.sent), events)
	}
	e := events[0]
	if e.Type != gate.Granted || e.Method != gate.MethodDouble || e.DefaultState != gate.DefaultUnticked || e.Wording.ID != "nl" ||
		e.Source != (gate.Source{Kind: "form", ID: "footer", URL: "https://shop.example/news"}) || e.IP != "192.0.2.0/24" ||
		e.Controller != "Example Shop" || e.Actor != "person" || e.UserAgent != "Browser" {
		t.Errorf("event %+v", e)
	}
	if got := state(t, c.store, c.id()); got != gate.StateActivePending {
		t.Errorf("state %s", got)
	}

	link := "/c/" + unsub.Tokens{Keys: c.keys}.Make(c.id(), "weekly", unsub.TokenConfirmation)
	if !strings.Contains(strings.ReplaceAll(string(c.sent[0]), "=\r\n", ""), link) {
		t.Fatalf("no %s in\n%s", link, c.sent[0])
	}
	c.later = time.Hour
	r := httptest.NewRequest(http.MethodPost, link, strings.NewReader("confirm=yes"))
	r.Header.Set("Content-Type", urlencoded)
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	has(t, w, 200, "Confirmed, thank you")
	p := person(t, c.store, c.id())
	if consent := p.Record.For("newsletter"); consent.State != gate.StateActiveDouble || consent.Incomplete {
		t.Errorf("consent %+v", consent)
	}
}

func TestASecondClickIsNoSecondSignUp(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	for range 3 {
		has(t, c.submit(yes), 200, "Please look into your mailbox")
	}
	if len(c.events(t)) != 2 || len(c.sent) != 1 {
		t.Errorf("%d events, %d messages", len(c.events(t)), len(c.sent))
	}
}

func TestWhatAFormSays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		body   string
		status int
		says   string
		want   gate.State
		events int
	}{
		"a ticked box":                 {yes, 200, "look into your mailbox", gate.StateActivePending, 2},
		"a box with a hidden 0 before": {"email=ann%40example.com&consent=0&consent=1", 200, "look into your mailbox", gate.StateActivePending, 2},
		"an empty box":                 {"email=ann%40example.com", 200, "You are not signed up", gate.StateNone, 0},
		"a box that sends 0":           {"email=ann%40example.com&consent=0", 200, "You are not signed up", gate.StateNone, 0},
		"an explicit no":               {"email=ann%40example.com&consent=no", 200, "You said no", gate.StateWithdrawn, 1},
		"a box ticked for them":        {yes + "&default_state=ticked", 422, "That is no consent", gate.StateNone, 0},
		"a box among other matters":    {yes + "&default_state=bundled", 422, "That is no consent", gate.StateNone, 0},
		"a word that is neither":       {"email=ann%40example.com&consent=never", 400, "neither yes nor no", gate.StateNone, 0},
		"no address":                   {"consent=yes", 422, "Please check the address", gate.StateNone, 0},
		"half an address":              {"email=ann&consent=yes", 422, "Please check the address", gate.StateNone, 0},
		"a filled trap":                {yes + "&website=http%3A%2F%2Fspam", 200, "look into your mailbox", gate.StateNone, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newCounter(t)
			has(t, s.submit(c.body), c.status, c.says)
			if got := state(t, s.store, s.id()); got != c.want || len(s.events(t)) != c.events {
				t.Errorf("state %s after %d events, want %s after %d", got, len(s.events(t)), c.want, c.events)
			}
		})
	}
}

func TestWherePackAsksForNoMoreABoxIsConsent(t *testing.T) {
	t.Parallel()
	c := newCounter(t, single)
	has(t, c.submit(yes), 200, "Thank you")
	if got := state(t, c.store, c.id()); got != gate.StateActiveSingle || len(c.sent) != 0 {
		t.Errorf("state %s, %d messages", got, len(c.sent))
	}
}

// Anybody may type anybody's address, so the answers to a stranger, a member and somebody who left are one.
func TestAFormIsNoOracle(t *testing.T) {
	t.Parallel()
	double := gate.Event{ID: "d", Type: gate.Granted, Method: gate.MethodDouble, Purpose: "newsletter", Time: day().Add(-time.Hour)}
	double.Evidence.ConfirmedAt = double.Time
	withdrawn := gate.Event{ID: "w", Type: gate.Withdrawn, Purpose: "newsletter", Time: day().Add(-time.Hour)}
	bounced := gate.Event{ID: "b", Type: gate.Bounced, Time: day().Add(-time.Hour)}
	for name, form := range map[string]func(*unsub.Form){"double": func(*unsub.Form) {}, "single": single} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stranger := newCounter(t, form).submit(yes).Body.String()
			for what, c := range map[string]struct {
				event    gate.Event
				messages int
			}{"member": {double, 0}, "left": {withdrawn, 1}, "bounced": {bounced, 0}} {
				s := newCounter(t, form)
				apply(t, s.store, s.id(), c.event)
				if got := s.submit(yes); got.Code != 200 || got.Body.String() != stranger {
					t.Errorf("%s: %d %s", what, got.Code, got.Body)
				}
				if len(s.sent) != c.messages {
					t.Errorf("%s: %d messages, want %d", what, len(s.sent), c.messages)
				}
			}
		})
	}
}

func TestAFormAfterAWithdrawalBringsNobodyBackByItself(t *testing.T) {
	t.Parallel()
	c := newCounter(t, single)
	apply(t, c.store, c.id(), gate.Event{ID: "w", Type: gate.Withdrawn, Purpose: "newsletter", Time: day().Add(-time.Hour)})
	has(t, c.submit(yes), 200, "If you had stopped this mail before")
	consent := person(t, c.store, c.id()).Record.For("newsletter")
	if consent.State != gate.StateActivePending || consent.Refused.IsZero() || len(c.sent) != 1 {
		t.Errorf("%d messages, consent %+v", len(c.sent), consent)
	}
}

func TestAFormSpeaksItsLanguage(t *testing.T) {
	t.Parallel()
	c := newCounter(t, func(f *unsub.Form) { f.Wording.Language = "fr" })
	has(t, c.submit(yes, "Accept-Language: en"), 200, "Consultez votre boîte", `lang="fr"`)
	if m := readMail(t, c.sent[0]); m.subject != "Merci de confirmer : Newsletter" {
		t.Errorf("subject %q", m.subject)
	}
}

func TestAFormWhoseMessageDidNotLeaveMayBeSentAgain(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	c.fail = errDown
	has(t, c.submit(yes), 503, "One step is missing", "!refused")
	c.fail = nil
	has(t, c.submit(yes), 200, "Please look into your mailbox")
	if len(c.sent) != 1 || len(c.events(t)) != 2 {
		t.Errorf("%d messages, %d events", len(c.sent), len(c.events(t)))
	}
}

func TestAFormWithoutTheStoreClaimsNothing(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	c.store.Fail(errDown)
	has(t, c.submit(yes), 503, "Nothing was recorded")
}

func TestAFormIsTakenByPostAlone(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	for _, method := range []string{"GET", "HEAD", "PUT"} {
		r := httptest.NewRequest(method, "/s/footer?"+yes, nil)
		w := httptest.NewRecorder()
		if c.ServeHTTP(w, r); w.Code < 400 {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/s/other", strings.NewReader(yes))
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	has(t, w, 404)
	has(t, c.submit("email="+strings.Repeat("a", 70<<10)+"&consent=yes"), http.StatusRequestEntityTooLarge)
	if n := len(c.events(t)); n != 0 {
		t.Errorf("%d events", n)
	}
}

func TestSignUpsOfOneNetworkAreBounded(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	send := func(n int, from string) int {
		body := url.Values{"email": {fmt.Sprintf("p%d@example.com", n)}, "consent": {"no"}}.Encode()
		return c.submit(body, "X-Forwarded-For: "+from).Code
	}
	for i := range 60 {
		if got := send(i, fmt.Sprintf("192.0.2.%d", i)); got != 200 {
			t.Fatalf("sign-up %d: %d", i, got)
		}
	}
	if got := send(60, "192.0.2.200"); got != http.StatusTooManyRequests {
		t.Errorf("the 61st: %d", got)
	}
	if got := send(61, "198.51.100.1"); got != 200 {
		t.Errorf("from elsewhere: %d", got)
	}
	c.later = 10 * time.Minute
	if got := send(62, "192.0.2.200"); got != 200 {
		t.Errorf("ten minutes later: %d", got)
	}
}

func TestOthersMessagesOfAFormAreCapped(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	for i := range 10 {
		c.later = time.Duration(i) * time.Hour
		has(t, c.submit(yes), 200, "Please look into your mailbox")
	}
	if len(c.sent) != 3 {
		t.Errorf("%d messages to somebody who never asked, want 3", len(c.sent))
	}
}

func TestAFormThatNobodyAnswersForIsNoPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	has(t, s.do("POST", "/s/footer", urlencoded, yes), 404)
}

func TestAnAskThatFailsOtherwiseIsNoSuccess(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	var broken unsub.SignUps
	broken.Keys = c.keys
	broken.Form = func(string) (unsub.Form, bool) {
		return unsub.Form{Purpose: "newsletter", Inputs: unsub.DefaultInputs(), Source: gate.Source{Kind: "form", ID: "x"}, Double: true}, true
	}
	broken.Ask = func(context.Context, unsub.Asking) (unsub.Asked, error) { return unsub.Asked{}, errors.New("odd") }
	s := newSite(t, func(o *unsub.Options) { o.SignUps = broken })
	has(t, s.do("POST", "/s/x", urlencoded, "email=new%40example.com&consent=yes"), 503, "!odd")
}
