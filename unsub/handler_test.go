package unsub_test

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/internal/seal"
	"github.com/consentgate/consentgate/unsub"
)

// site is the public handler over a store in which ann@example.com has consented to two purposes.
type site struct {
	world
	http.Handler
	keys   *seal.Keys
	tokens unsub.Tokens
	ann    gate.ID
	later  time.Duration // how much after day the pages' clock stands
}

func newSite(t *testing.T, with ...func(*unsub.Options)) *site {
	t.Helper()
	k := keys(t, t.TempDir())
	ann := address(t, "ann@example.com")
	s := &site{
		world: newWorld(t, gatetest.NewStore(), t.TempDir()), keys: k, tokens: unsub.Tokens{Keys: k}, ann: k.ID(ann),
	}
	sealed, err := k.Seal(ann)
	if err != nil {
		t.Fatal(err)
	}
	for _, purpose := range []string{"newsletter", "offers"} {
		s.store.Apply(t.Context(), []gate.Change{{ID: s.ann, Sealed: sealed, Event: gate.Event{
			ID: "g-" + purpose, Type: gate.Granted, Method: gate.MethodActive, Purpose: purpose,
			Time: day().Add(-time.Hour), DefaultState: gate.DefaultUnticked, Source: gate.Source{Kind: "form"},
		}}})
	}
	o := unsub.Options{
		Tokens: s.tokens, Withdrawals: s.withdrawals, Store: s.store, Unseal: k.Unseal,
		Now: func() time.Time { return day().Add(s.later) },
		Streams: streams(t, s.store, weekly(), &gate.Stream{Name: "deals", Purpose: "offers"},
			&gate.Stream{Name: "terms", Purpose: "terms", Kind: gate.KindService}),
	}
	for _, f := range with {
		f(&o)
	}
	s.Handler = unsub.New(o)
	return s
}

func (s *site) path(stream string) string {
	return "/u/" + s.tokens.Make(s.ann, stream, unsub.TokenUnsubscribe)
}

func (s *site) do(method, path, contentType, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

const (
	urlencoded = "application/x-www-form-urlencoded"
	oneClick   = "List-Unsubscribe=One-Click"
	button     = "unsubscribe=yes"
	askButton  = `name="unsubscribe" value="yes"`
)

func (s *site) wantWithdrawn(t *testing.T, want bool) {
	t.Helper()
	if got := state(t, s.store, s.ann) == gate.StateWithdrawn; got != want {
		t.Errorf("withdrawn: %v, want %v", got, want)
	}
	if p := person(t, s.store, s.ann); p.Record.For("offers").State != gate.StateActiveSingle {
		t.Errorf("another purpose was touched: %s", p.Record.For("offers").State)
	}
}

func TestPostThatSaysNoWithdrawsAtOnceFromThePurposeOfTheStream(t *testing.T) {
	t.Parallel()
	part, partType := form(t, "List-Unsubscribe", "One-Click")
	for name, c := range map[string]struct{ contentType, body string }{
		"one-click, urlencoded":           {urlencoded, oneClick},
		"one-click, with a charset":       {urlencoded + "; charset=utf-8", oneClick},
		"one-click, multipart":            {partType, part},
		"one-click, without a type":       {"", oneClick},
		"one-click, other fields beside":  {urlencoded, "a=b&" + oneClick + "&c"},
		"one-click, in another case":      {urlencoded, "List-Unsubscribe=one-click"},
		"one-click, broken fields beside": {urlencoded, "%zz=1;&" + oneClick},
		"the page's button":               {urlencoded, button},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			for range 2 { // idempotent
				w := s.do("POST", s.path("weekly"), c.contentType, c.body)
				if w.Code != http.StatusOK || w.Header().Get("Location") != "" || w.Header().Get("Set-Cookie") != "" {
					t.Errorf("answer %d %v, want 200 without redirect and cookie", w.Code, w.Header())
				}
			}
			s.wantWithdrawn(t, true)
			if n := len(person(t, s.store, s.ann).Events); n != 3 {
				t.Errorf("%d events, want the two grants and one withdrawal", n)
			}
		})
	}
}

func form(t *testing.T, name, value string) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	if err := m.WriteField(name, value); err != nil {
		t.Fatal(err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String(), m.FormDataContentType()
}

func TestRequestThatIsNoActChangesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method, query, contentType, body string
		want                             int
	}{
		"GET":                                {"GET", "", "", "", 200},
		"GET with the field in the query":    {"GET", "?" + oneClick, "", "", 200},
		"HEAD":                               {"HEAD", "", "", "", 200},
		"OPTIONS":                            {"OPTIONS", "", "", "", 204},
		"PUT":                                {"PUT", "", urlencoded, oneClick, 405},
		"DELETE":                             {"DELETE", "", "", "", 405},
		"POST without a body":                {"POST", "", urlencoded, "", 400},
		"POST with the field in the query":   {"POST", "?" + oneClick, urlencoded, "", 400},
		"POST of another value":              {"POST", "", urlencoded, "List-Unsubscribe=Two-Clicks", 400},
		"POST of a multipart that is none":   {"POST", "", "multipart/form-data; boundary=x", "One-Click", 400},
		"POST of the field's name in a part": {"POST", "", "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=a\r\n\r\nList-Unsubscribe=One-Click\r\n--x--\r\n", 400},
		"POST of a part without its value":   {"POST", "", "multipart/form-data; boundary=x", "--x\r\nContent-Disposition: form-data; name=List-Unsubscribe\r\n", 400},
		"POST of more than a form can hold":  {"POST", "", urlencoded, strings.Repeat("x", 1<<20) + "&" + oneClick, 413},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			w := s.do(c.method, s.path("weekly")+c.query, c.contentType, c.body)
			if w.Code != c.want {
				t.Errorf("answer %d, want %d", w.Code, c.want)
			}
			if c.want >= 400 && len(strings.Fields(w.Body.String())) < 3 {
				t.Errorf("body %q, want a sentence", w.Body)
			}
			s.wantWithdrawn(t, false)
			if n := len(person(t, s.store, s.ann).Events); n != 2 {
				t.Errorf("%d events, want the two grants", n)
			}
		})
	}
}

func TestEveryBadTokenGetsTheSameAnswer(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	good := s.path("weekly")
	nowhere := s.do("GET", "/no/where", "", "")
	for name, path := range map[string]string{
		"cut short":       good[:len(good)-1],
		"altered":         good[:len(good)-1] + "_",
		"nonsense":        "/u/hello",
		"empty":           "/u/",
		"of another gate": "/u/" + unsub.Tokens{Keys: fixedKeys{}}.Make(s.ann, "weekly", unsub.TokenUnsubscribe),
		"of another kind": "/u/" + s.tokens.Make(s.ann, "weekly", unsub.TokenConfirmation),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, w := range []*httptest.ResponseRecorder{
				s.do("GET", path, "", ""), s.do("POST", path, urlencoded, oneClick), s.do("POST", path, urlencoded, ""),
			} {
				if w.Code != http.StatusNotFound || w.Body.String() != nowhere.Body.String() {
					t.Errorf("answer %d:\n%s\nwant 404 and the body of a path that never was", w.Code, w.Body)
				}
			}
		})
	}
}

func TestPageShowsWhatStopsAndForWhom(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	w := s.do("GET", s.path("weekly"), "", "")
	page := w.Body.String()
	for _, want := range []string{"a***@example.com", "Weekly", `<form method="post">`, `name="unsubscribe"`, `lang="en"`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q:\n%s", want, page)
		}
	}
	for _, no := range []string{"ann@example.com", "<script", "http://", "https://", "style="} {
		if strings.Contains(page, no) {
			t.Errorf("the page holds %q", no)
		}
	}
}

func TestPageOfSomebodyWithdrawnAsksNoMore(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.do("POST", s.path("weekly"), urlencoded, oneClick)
	page := s.do("GET", s.path("weekly"), "", "").Body.String()
	if strings.Contains(page, askButton) || !strings.Contains(page, "You are unsubscribed") {
		t.Errorf("the page still asks:\n%s", page)
	}
}

func TestPageAsksSomebodyWhoWithdrewFromEverythingOnlyAboutServiceMail(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	apply(t, s.store, s.ann, gate.Event{ID: "all", Type: gate.Withdrawn, Purpose: gate.AllPurposes, Time: day()})
	for stream, want := range map[string]bool{"terms": true, "weekly": false} {
		page := s.do("GET", s.path(stream), "", "").Body.String()
		if strings.Contains(page, askButton) != want || strings.Contains(page, "Stopped on") == want {
			t.Errorf("%s: the page asks: %v, want %v, or says of the other that it stopped:\n%s", stream, !want, want, page)
		}
	}
}

func TestPageSpeaksTheLanguageOfTheBrowser(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for accept, want := range map[string]string{
		"":                        "en",
		"fr-CA,fr;q=0.9,en;q=0.5": "fr",
		"de-DE, fr;q=0.3":         "fr",
		"en-GB, fr;q=0.9":         "en",
		"ja":                      "en",
		"!!":                      "en",
	} {
		t.Run(accept, func(t *testing.T) {
			t.Parallel()
			w := s.do("GET", s.path("weekly"), "", "", "Accept-Language", accept)
			got := w.Header().Get("Content-Language")
			if got != want || !strings.Contains(w.Body.String(), `lang="`+want+`"`) {
				t.Errorf("language %q, want %q", got, want)
			}
		})
	}
}

func TestPageOfAStreamRemovedSinceStillWithdraws(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if err := streams(t, s.store, &gate.Stream{Name: "monthly", Purpose: "newsletter"}).Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	if page := s.do("GET", s.path("monthly"), "", "").Body.String(); !strings.Contains(page, "Newsletter") {
		t.Errorf("the page does not say what stops:\n%s", page)
	}
	if w := s.do("POST", s.path("monthly"), urlencoded, oneClick); w.Code != http.StatusOK {
		t.Errorf("answer %d, want 200", w.Code)
	}
	s.wantWithdrawn(t, true)
}

func TestStoreThatIsDownMeans202AndThePageStillAsks(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{"one-click": oneClick, "the page's button": button} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.store.Fail(errDown)
			w := s.do("GET", s.path("weekly"), "", "")
			if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), askButton) {
				t.Errorf("page: %d\n%s", w.Code, w.Body)
			}
			if w := s.do("POST", s.path("weekly"), urlencoded, body); w.Code != http.StatusAccepted {
				t.Errorf("answer %d, want 202", w.Code)
			}
			if !s.withdrawals.Pending(s.ann, "newsletter") {
				t.Error("not in force on this gate")
			}
			if page := s.do("GET", s.path("weekly"), "", "").Body.String(); strings.Contains(page, askButton) {
				t.Errorf("the page asks for what was said:\n%s", page)
			}
			s.run(t)
			s.store.Fail(nil)
			gatetest.Eventually(t, "the store has it", func() bool { return !s.withdrawals.Pending(s.ann, "newsletter") })
			s.wantWithdrawn(t, true)
		})
	}
}

func TestJournalThatCannotBeWrittenMeans503AndNothingIsClaimed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if err := s.journal.Close(); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{oneClick, button} {
		w := s.do("POST", s.path("weekly"), urlencoded, body)
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
			t.Errorf("answer %d %v, want 503 with Retry-After", w.Code, w.Header())
		}
		if strings.Contains(w.Body.String(), "journal") {
			t.Errorf("the body tells of the inside: %s", w.Body)
		}
	}
	s.wantWithdrawn(t, false)
}

func TestStreamThatCannotBeLookedUpMeans503(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.store.Fail(errDown)
	if w := s.do("POST", s.path("forgotten"), urlencoded, oneClick); w.Code != http.StatusServiceUnavailable {
		t.Errorf("answer %d, want 503", w.Code)
	}
}

func TestEveryAnswerKeepsTheTokenToItself(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for _, c := range []struct{ method, path, body string }{
		{"GET", s.path("weekly"), ""},
		{"GET", "/u/bad", ""},
		{"POST", s.path("weekly"), oneClick},
		{"POST", s.path("weekly"), ""},
	} {
		w := s.do(c.method, c.path, urlencoded, c.body)
		for name, want := range map[string]string{
			"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s %s: %s %q, want %q", c.method, c.path, name, got, want)
			}
		}
		csp := w.Header().Get("Content-Security-Policy")
		if !strings.Contains(csp, "default-src 'none'; style-src 'self'; img-src 'self';") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s %s: policy %q", c.method, c.path, csp)
		}
	}
}

func TestStyleIsServedAsItsOwnFile(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	w := s.do("GET", "/style.css", "", "")
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/css; charset=utf-8" || w.Body.Len() == 0 {
		t.Errorf("answer %d %v", w.Code, w.Header())
	}
}

func TestOneClickWorksOverARealConnection(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	server := httptest.NewServer(s)
	defer server.Close()
	resp, err := server.Client().Post(server.URL+s.path("weekly"), urlencoded, strings.NewReader(oneClick))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK || string(body) != "unsubscribed\n" {
		t.Errorf("answer %d %q, %v", resp.StatusCode, body, err)
	}
	s.wantWithdrawn(t, true)
}
