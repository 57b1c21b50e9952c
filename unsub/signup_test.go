package unsub_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/journal"
	"github.com/consentgate/consentgate/unsub"
)

// counter is a public handler with one form, over an office's store and messages.
type counter struct {
	*office
	t *testing.T
	http.Handler
	world       world
	withdrawals *unsub.Withdrawals
	desk        *unsub.Desk
	dir         string           // of the desk's journal
	j           *journal.Journal // the desk's
}

func newCounter(t *testing.T, change ...func(*unsub.Form)) *counter {
	t.Helper()
	return newCounterIn(t, newOffice(t), t.TempDir(), change...)
}

// newCounterIn is a counter whose desk finds in dir what was left there.
func newCounterIn(t *testing.T, o *office, dir string, change ...func(*unsub.Form)) *counter {
	t.Helper()
	c := &counter{office: o, t: t, dir: dir, world: newWorld(t, o.store, t.TempDir())}
	c.withdrawals = c.world.withdrawals
	f := unsub.Form{
		Name: "footer", Purpose: "newsletter", Wording: gate.Wording{ID: "nl", Version: "3", Language: "en"},
		Source: gate.Source{Kind: "form", ID: "footer"}, DefaultState: gate.DefaultUnticked, Inputs: unsub.DefaultInputs(),
		Back: "https://shop.example/", Double: true,
	}
	for _, ch := range change {
		ch(&f)
	}
	c.desk = c.run(t)
	c.Handler = unsub.BehindProxies(proxies(), slog.New(slog.DiscardHandler), unsub.New(unsub.Options{
		Tokens: unsub.Tokens{Keys: c.keys}, Withdrawals: c.withdrawals, Store: o.store, Unseal: c.keys.Unseal,
		Now: func() time.Time { return day().Add(c.later) }, Streams: streams(t, o.store, weekly()),
		Brand: unsub.Brand{Name: "Example Shop"},
		SignUps: unsub.SignUps{
			Desk: c.desk,
			Form: func(name string) (unsub.Form, bool) { return f, name == f.Name },
		},
	}))
	return c
}

// proxies are the servers that a counter believes: the one in front of it.
func proxies() []netip.Prefix { return []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")} }

// run begins a desk that ends with the test.
func (c *counter) run(t *testing.T) *unsub.Desk {
	t.Helper()
	options := unsub.DeskJournal()
	options.Backoff, options.MaxBackoff, options.Now = time.Millisecond, 2*time.Millisecond, day
	j, err := journal.Open(c.dir, options)
	if err != nil {
		t.Fatal(err)
	}
	c.j = j
	desk := unsub.NewDesk(unsub.DeskOptions{
		Journal: j, Store: c.store, Withdrawals: c.withdrawals, Keys: c.keys,
		Asker: func() unsub.Asker { return c.Confirmations }, Retry: slices.Repeat([]time.Duration{time.Millisecond}, 10_000),
		Now: func() time.Time { return day().Add(c.later) },
	})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- desk.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, j.Close()); err != nil {
			t.Error(err)
		}
	})
	return desk
}

func single(f *unsub.Form) { f.Double = false }

// submit sends the form and waits for what comes of it.
func (c *counter) submit(body string, header ...string) *httptest.ResponseRecorder {
	w := c.send(body, header...)
	c.drain(c.t)
	return w
}

// drain waits for what comes of the answers taken so far.
func (c *counter) drain(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := c.desk.Drain(ctx); err != nil {
		t.Fatal(err)
	}
}

// send sends the form as a browser does; header lines as "Name: value".
func (c *counter) send(body string, header ...string) *httptest.ResponseRecorder {
	return c.post("/s/footer", body, header...)
}

func (c *counter) post(path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
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

const (
	yes = "email=ann%40example.com&consent=yes"
	no  = "email=ann%40example.com&consent=no"
)

func TestATickedFormIsTheFirstHalfOfADoubleOptIn(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	has(t, c.submit(yes, "X-Forwarded-For: 198.51.100.9, 192.0.2.77", "Referer: https://shop.example/news?mail=ann", "User-Agent: Browser"),
		202, "Please look into your mailbox", "a***@example.com", "Newsletter", `href="https://shop.example/"`, "!ann@example.com", "!<nav")
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
		has(t, c.submit(yes), 202, "Please look into your mailbox")
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
		"a ticked box":                 {yes, 202, "look into your mailbox", gate.StateActivePending, 2},
		"a box with a hidden 0 before": {"email=ann%40example.com&consent=0&consent=1", 202, "look into your mailbox", gate.StateActivePending, 2},
		"an empty box":                 {"email=ann%40example.com", 200, "You are not signed up", gate.StateNone, 0},
		"a box that sends 0":           {"email=ann%40example.com&consent=0", 200, "You are not signed up", gate.StateNone, 0},
		"an explicit no":               {"email=ann%40example.com&consent=no", 202, "You said no", gate.StateWithdrawn, 1},
		"a box ticked for them":        {yes + "&default_state=ticked", 422, "That is no consent", gate.StateNone, 0},
		"a box among other matters":    {yes + "&default_state=bundled", 422, "That is no consent", gate.StateNone, 0},
		"a word that is neither":       {"email=ann%40example.com&consent=never", 400, "neither yes nor no", gate.StateNone, 0},
		"a box that the page ticked":   {yes + "&default_state=unticked&default_state=Ticked", 422, "That is no consent", gate.StateNone, 0},
		"a box of a state unknown":     {yes + "&default_state=checked", 400, "neither yes nor no", gate.StateNone, 0},
		"a yes beside a no":            {"email=ann%40example.com&consent=no&consent=yes", 400, "neither yes nor no", gate.StateNone, 0},
		"another form":                 {"a=b", 400, "neither yes nor no", gate.StateNone, 0},
		"no form at all":               {`{"email": "ann@example.com", "consent": "yes"}`, 400, "neither yes nor no", gate.StateNone, 0},
		"a header behind the address":  {"email=ann%40example.com%0d%0aBcc:x%40example.com&consent=yes", 422, "Please check the address", gate.StateNone, 0},
		"an address in Latin-1":        {"email=ann%40caf%e9.example&consent=yes", 422, "Please check the address", gate.StateNone, 0},
		"a field without an end":       {"email=" + strings.Repeat("a", 60<<10) + "%40example.com&consent=yes", 422, "Please check the address", gate.StateNone, 0},
		"no address":                   {"consent=yes", 422, "Please check the address", gate.StateNone, 0},
		"half an address":              {"email=ann&consent=yes", 422, "Please check the address", gate.StateNone, 0},
		"a filled trap":                {yes + "&website=http%3A%2F%2Fspam", 202, "look into your mailbox", gate.StateNone, 0},
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
	has(t, c.submit(yes), 202, "Thank you")
	if got := state(t, c.store, c.id()); got != gate.StateActiveSingle || len(c.sent) != 0 {
		t.Errorf("state %s, %d messages", got, len(c.sent))
	}
}

// Anybody may type anybody's address, so the answers to a stranger, a member and somebody who left are one, and come
// before anything is looked up.
func TestAFormIsNoOracle(t *testing.T) {
	t.Parallel()
	double := gate.Event{ID: "d", Type: gate.Granted, Method: gate.MethodDouble, Purpose: "newsletter", Time: day().Add(-time.Hour)}
	double.Evidence.ConfirmedAt = double.Time
	withdrawn := gate.Event{ID: "w", Type: gate.Withdrawn, Purpose: "newsletter", Time: day().Add(-time.Hour)}
	bounced := gate.Event{ID: "b", Type: gate.Bounced, Time: day().Add(-time.Hour)}
	for name, c := range map[string]struct {
		body   string
		change func(*unsub.Form)
		sent   map[string]int
	}{
		"yes, double": {yes, func(*unsub.Form) {}, map[string]int{"left": 1}},
		"yes, single": {yes, single, map[string]int{"left": 1}},
		"no":          {no, single, map[string]int{"member": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			stranger := newCounter(t, c.change).submit(c.body).Body.String()
			for what, before := range map[string]gate.Event{"member": double, "left": withdrawn, "bounced": bounced} {
				s := newCounter(t, c.change)
				apply(t, s.store, s.id(), before)
				s.store.Freeze()
				if got := s.send(c.body); got.Code != 202 || got.Body.String() != stranger {
					t.Errorf("%s: %d %s", what, got.Code, got.Body)
				}
				s.store.Thaw()
				s.drain(t)
				if len(s.sent) != c.sent[what] {
					t.Errorf("%s: %d messages, want %d", what, len(s.sent), c.sent[what])
				}
			}
		})
	}
}

func TestAFormAfterAWithdrawalBringsNobodyBackByItself(t *testing.T) {
	t.Parallel()
	c := newCounter(t, single)
	apply(t, c.store, c.id(), gate.Event{ID: "w", Type: gate.Withdrawn, Purpose: "newsletter", Time: day().Add(-time.Hour)})
	has(t, c.submit(yes), 202, "If you had stopped this mail before")
	consent := person(t, c.store, c.id()).Record.For("newsletter")
	if consent.State != gate.StateActivePending || consent.Refused.IsZero() || len(c.sent) != 1 {
		t.Errorf("%d messages, consent %+v", len(c.sent), consent)
	}
}

func TestAFormSpeaksItsLanguage(t *testing.T) {
	t.Parallel()
	c := newCounter(t, func(f *unsub.Form) { f.Wording.Language = "fr" })
	has(t, c.submit(yes, "Accept-Language: en"), 202, "Consultez votre boîte", `lang="fr"`)
	if m := readMail(t, c.sent[0]); m.subject != "Merci de confirmer : Newsletter" {
		t.Errorf("subject %q", m.subject)
	}
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
	has(t, c.submit("email="+strings.Repeat("a", 70<<10)+"&consent=yes"), http.StatusRequestEntityTooLarge, "This form cannot be read")
	if n := len(c.events(t)); n != 0 {
		t.Errorf("%d events", n)
	}
}

func TestAFormThatNobodyAnswersForIsNoPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	has(t, s.do("POST", "/s/footer", urlencoded, yes), 404)
}

// Half an answer is none: the rest could have said that the box was ticked beforehand.
func TestAFormThatWasCutShortIsNoAnswer(t *testing.T) {
	t.Parallel()
	c := newCounter(t)
	r := httptest.NewRequest(http.MethodPost, "/s/footer", io.MultiReader(strings.NewReader(yes+"&default_"), iotest.ErrReader(io.ErrUnexpectedEOF)))
	r.Header.Set("Content-Type", urlencoded)
	w := httptest.NewRecorder()
	c.ServeHTTP(w, r)
	has(t, w, http.StatusBadRequest, "This form cannot be read")
	c.drain(t)
	if n := len(c.events(t)); n != 0 {
		t.Errorf("%d events", n)
	}
}
