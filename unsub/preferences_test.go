package unsub_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/unsub"
)

// has reports what a page lacks of what it must show, and what it shows and must not.
func has(t *testing.T, w *httptest.ResponseRecorder, status int, want ...string) {
	t.Helper()
	if w.Code != status {
		t.Errorf("answer %d, want %d", w.Code, status)
	}
	for _, s := range want {
		no, forbidden := strings.CutPrefix(s, "!")
		if strings.Contains(w.Body.String(), no) == forbidden {
			t.Errorf("the page: want %q:\n%s", s, w.Body)
		}
	}
}

func (s *site) state(t *testing.T, purpose string) gate.State {
	t.Helper()
	return person(t, s.store, s.ann).Record.For(purpose).State
}

func TestPreferencesShowEveryPurposeWithWhatWasSaidAndWhen(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	apply(t, s.store, s.ann, gate.Event{
		ID: "quiz", Type: gate.Granted, Method: gate.MethodPassive, Purpose: "partners", Time: day().AddDate(0, -2, 0),
		DefaultState: gate.DefaultTicked, Source: gate.Source{Kind: "contest", ID: "summer-quiz"},
		Wording: gate.Wording{ID: "nl-2026-03", Version: "3", Language: "fr"},
	})
	for _, path := range []string{s.preferences(), strings.Replace(s.path("weekly"), "/u/", "/p/", 1)} {
		has(t, s.do("GET", path, "", ""), 200,
			"a***@example.com", "Newsletter", "Offers", "Partners", "You agreed", "You never agreed", "1 September 2026",
			"a contest (summer-quiz)", "nl-2026-03, 3, fr", "A box that was already ticked",
			`name="stop" value="newsletter"`, `name="stop" value="*"`, "!ann@example.com", "!<script", "!style=", "!"+undoButton)
		has(t, s.do("GET", path, "", "", "Accept-Language", "fr"), 200,
			"Vous avez accepté", "1er septembre 2026", "un jeu-concours (summer-quiz)", `lang="fr"`)
		has(t, s.do("GET", path+"?lang=fr", "", ""), 200, "Vous avez accepté")
	}
}

func TestPreferencesStopOnePurposeOrAllAndTakeItBack(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		stop, undo   string
		stops, stays string
	}{
		{"stop=offers", "undo=offers", "offers", "newsletter"},
		{"stop=*", "undo=*", "offers", "terms"},
	} {
		t.Run(c.stop, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			before := person(t, s.store, s.ann).Record.Consents
			for range 2 {
				has(t, s.do("POST", s.preferences(), urlencoded, c.stop), 200, `role="status"`, "You stopped this", undoButton)
			}
			if got := s.state(t, c.stops); got != gate.StateWithdrawn {
				t.Errorf("%s is %s, want withdrawn", c.stops, got)
			}
			if c := person(t, s.store, s.ann).Record.For(c.stays); c.State == gate.StateWithdrawn && !c.ByAll {
				t.Errorf("another was touched: %+v", c)
			}
			if n := len(person(t, s.store, s.ann).Events); n != 3 {
				t.Errorf("%d events, want the two grants and one withdrawal", n)
			}
			has(t, s.do("POST", s.preferences(), urlencoded, c.undo), 200, `role="status"`, "as it was before")
			if diff := cmp.Diff(before, person(t, s.store, s.ann).Record.Consents); diff != "" {
				t.Errorf("consents before and after:\n%s", diff)
			}
		})
	}
}

func TestPreferencesChangeNothingWithoutAnActOfThePerson(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method, query, body string
		header              []string
		want                int
	}{
		"GET":                      {"GET", "", "", nil, 200},
		"GET with an act":          {"GET", "?stop=newsletter", "", nil, 200},
		"HEAD":                     {"HEAD", "", "", nil, 200},
		"a prefetch":               {"GET", "", "", []string{"Sec-Purpose", "prefetch;prerender"}, 200},
		"OPTIONS":                  {"OPTIONS", "", "", nil, 204},
		"PUT":                      {"PUT", "", "stop=newsletter", nil, 405},
		"POST of nothing":          {"POST", "?stop=newsletter", "", nil, 400},
		"POST of two acts":         {"POST", "", "stop=newsletter&undo=newsletter", nil, 400},
		"POST of an empty purpose": {"POST", "", "stop=", nil, 400},
		"POST of no purpose there": {"POST", "", "stop=nonsense", nil, 400},
		"POST asking for all":      {"POST", "", "ask=*", nil, 400},
		"POST of a one-click":      {"POST", "", oneClick, nil, 400},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, confirming(nil))
			if w := s.do(c.method, s.preferences()+c.query, urlencoded, c.body, c.header...); w.Code != c.want {
				t.Errorf("answer %d, want %d", w.Code, c.want)
			}
			if n := len(person(t, s.store, s.ann).Events); n != 2 {
				t.Errorf("%d events, want the two grants", n)
			}
		})
	}
}

func TestPreferencesWithoutTheStoreStopMailAllTheSame(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.store.Fail(errDown)
	has(t, s.do("GET", s.preferences(), "", ""), 200, "cannot be shown", "Newsletter", `name="stop" value="newsletter"`, "!You agreed")
	has(t, s.do("POST", s.preferences(), urlencoded, "stop=newsletter"), 202, "Recorded and in force", "You stopped this")
	if !s.withdrawals.Pending(s.ann, "newsletter") {
		t.Error("not in force on this gate")
	}
	s.run(t)
	s.store.Fail(nil)
	gatetest.Eventually(t, "the store has it", func() bool { return !s.withdrawals.Pending(s.ann, "newsletter") })
	s.wantWithdrawn(t, true)
}

func TestPreferencesClaimNothingThatTheJournalRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	if err := s.journal.Close(); err != nil {
		t.Fatal(err)
	}
	has(t, s.do("POST", s.preferences(), urlencoded, "stop=newsletter"), 503, "Nothing was recorded")
	s.wantWithdrawn(t, false)
}

// confirming wires a Confirm that notes its requests and fails with err.
func confirming(err error, requests ...*[]unsub.ConfirmRequest) func(*unsub.Options) {
	return func(o *unsub.Options) {
		o.Confirm = func(_ context.Context, r unsub.ConfirmRequest) error {
			for _, list := range requests {
				*list = append(*list, r)
			}
			return err
		}
	}
}

func TestOptingInRecordsARequestAndGrantsNothing(t *testing.T) {
	t.Parallel()
	var sent []unsub.ConfirmRequest
	s := newSite(t, confirming(nil, &sent))
	s.do("POST", s.preferences(), urlencoded, "stop=newsletter")
	has(t, s.do("GET", s.preferences(), "", ""), 200, `name="ask" value="newsletter"`, `!name="ask" value="offers"`)
	has(t, s.do("POST", s.preferences()+"?lang=fr", urlencoded, "ask=newsletter"), 200, "Nous vous avons envoyé", `!name="ask" value="newsletter"`)
	s.wantWithdrawn(t, true)
	want := unsub.ConfirmRequest{
		ID: s.ann, Address: address(t, "ann@example.com"), Purpose: "newsletter", Stream: "weekly", Language: "fr",
	}
	if len(sent) != 1 || sent[0] != want {
		t.Fatalf("sent %+v, want %+v once", sent, want)
	}
	e := person(t, s.store, s.ann).Events[3]
	if e.Type != gate.ConfirmationRequested || e.Wording.SHA256 == "" || e.Wording.Language != "fr" || e.Source.Kind != "preference" {
		t.Errorf("event %+v", e)
	}
	if err := e.Validate(day().Add(time.Hour)); err != nil {
		t.Error(err)
	}

	has(t, s.do("POST", s.preferences(), urlencoded, "ask=newsletter"), 409) // at once again
	s.later = 2 * time.Hour
	has(t, s.do("POST", s.preferences(), urlencoded, "ask=newsletter"), 200)
	if len(sent) != 2 {
		t.Errorf("%d messages, want one an hour", len(sent))
	}
}

func TestOptingInIsOfferedOnlyWhereItCanSucceed(t *testing.T) {
	t.Parallel()
	withdrawn := gate.Event{ID: "w", Type: gate.Withdrawn, Purpose: "newsletter", Time: day().Add(-time.Minute)}
	for name, c := range map[string]struct {
		with  func(*unsub.Options)
		event gate.Event
		says  string
	}{
		"nobody sends the message": {func(*unsub.Options) {}, gate.Event{}, "please ask the sender"},
		"no address is kept": {
			func(o *unsub.Options) {
				confirming(nil)(o)
				o.Unseal = func(string) (string, error) { return "", errors.New("none") }
			},
			gate.Event{},
			"please ask the sender",
		},
		"the address is suppressed": {
			confirming(nil), gate.Event{ID: "s", Type: gate.Suppressed, Purpose: "*", Time: day()}, "No mail is sent to your address",
		},
		"the purpose is suppressed": {
			confirming(nil), gate.Event{ID: "s", Type: gate.Suppressed, Purpose: "newsletter", Time: day()}, "please ask the sender",
		},
		"the mailbox refuses mail": {
			confirming(nil), gate.Event{ID: "b", Type: gate.Bounced, Time: day()}, "Your mailbox refused our mail",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, c.with)
			apply(t, s.store, s.ann, withdrawn)
			if c.event.ID != "" {
				apply(t, s.store, s.ann, c.event)
			}
			has(t, s.do("GET", s.preferences(), "", ""), 200, c.says, `!name="ask"`)
			events := len(person(t, s.store, s.ann).Events)
			has(t, s.do("POST", s.preferences(), urlencoded, "ask=newsletter"), 409)
			if n := len(person(t, s.store, s.ann).Events); n != events {
				t.Errorf("%d events, want %d", n, events)
			}
		})
	}
}

func TestRequestWhoseMessageCannotBeSentIsNoSuccess(t *testing.T) {
	t.Parallel()
	s := newSite(t, confirming(errDown))
	s.do("POST", s.preferences(), urlencoded, "stop=newsletter")
	has(t, s.do("POST", s.preferences(), urlencoded, "ask=newsletter"), http.StatusServiceUnavailable, "not certain", sendButton, "!refused")
	s.store.Fail(errDown)
	has(t, s.do("POST", s.preferences(), urlencoded, "ask=newsletter"), http.StatusServiceUnavailable, "Nothing was recorded")
}

func TestTokensOpenOnlyTheirOwnPages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for kind, pages := range map[unsub.TokenKind]string{
		unsub.TokenUnsubscribe: "u p", unsub.TokenPreferences: "p", unsub.TokenConfirmation: "c",
	} {
		for _, page := range []string{"u", "p", "c"} {
			path := "/" + page + "/" + s.tokens.Make(s.ann, "weekly", kind)
			w := s.do("GET", path, "", "")
			if open := w.Code != http.StatusNotFound; open != strings.Contains(pages, page) {
				t.Errorf("kind %d opens %s: %v", kind, page, open)
			}
		}
	}
}
