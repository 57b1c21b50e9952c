package unsub_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/unsub"
)

const undoButton = `name="undo"`

func TestUndoBringsBackWhatStoodBeforeAndTwiceIsOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ stop, undo string }{
		"the page's button":     {button, "undo=newsletter"},
		"a mail client's click": {oneClick, "undo=newsletter"},
		"everything":            {"unsubscribe=all", "undo=*"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			before := person(t, s.store, s.ann).Record.Consents
			s.do("POST", s.path("weekly"), urlencoded, c.stop)
			s.later = 9 * time.Minute
			if page := s.do("GET", s.path("weekly"), "", "").Body.String(); !strings.Contains(page, undoButton) {
				t.Fatalf("the page offers no undo:\n%s", page)
			}
			for range 2 {
				w := s.do("POST", s.path("weekly"), urlencoded, c.undo)
				if w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "Everything is as it was") {
					t.Errorf("answer %d:\n%s", w.Code, w.Body)
				}
			}
			p := person(t, s.store, s.ann)
			if diff := cmp.Diff(before, p.Record.Consents); diff != "" {
				t.Errorf("consents before and after:\n%s", diff)
			}
			if len(p.Events) != 4 {
				t.Errorf("%d events, want the two grants, the withdrawal and one undo", len(p.Events))
			}
			if e := p.Events[3]; e.Actor != "person" || e.Evidence.Ref != p.Events[2].ID {
				t.Errorf("event %+v", e)
			}
		})
	}
}

func TestUndoThatComesTooLateOrFromElsewhereChangesNothing(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		later  time.Duration
		stream string
		undo   string
		spam   bool
	}{
		"eleven minutes later":        {11 * time.Minute, "weekly", "undo=newsletter", false},
		"by the token of another":     {time.Minute, "deals", "undo=newsletter", false},
		"of another purpose":          {time.Minute, "weekly", "undo=offers", false},
		"of everything":               {time.Minute, "weekly", "undo=*", false},
		"after a complaint":           {time.Minute, "weekly", "undo=newsletter", true},
		"after what anybody may send": {time.Minute, "weekly", "undo=nonsense", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.do("POST", s.path("weekly"), urlencoded, button)
			if c.spam {
				apply(t, s.store, s.ann, gate.Event{ID: "spam", Type: gate.Complained, Purpose: "newsletter", Time: day()})
			}
			s.later = c.later
			events := len(person(t, s.store, s.ann).Events)
			if w := s.do("POST", s.path(c.stream), urlencoded, c.undo); w.Code != http.StatusConflict {
				t.Errorf("answer %d, want 409", w.Code)
			}
			s.wantWithdrawn(t, true)
			if n := len(person(t, s.store, s.ann).Events); n != events {
				t.Errorf("%d events, want %d", n, events)
			}
		})
	}
}

func TestUndoneCanBeWithdrawnAgainAndUndoneAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for i := range 2 {
		s.later = time.Duration(i) * time.Minute
		s.do("POST", s.path("weekly"), urlencoded, oneClick)
		s.wantWithdrawn(t, true)
		s.do("POST", s.path("weekly"), urlencoded, "undo=newsletter")
		s.wantWithdrawn(t, false)
	}
}

func TestUndoWithoutTheStoreIsNeverClaimed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.do("POST", s.path("weekly"), urlencoded, button)
	s.store.Fail(errDown)
	for _, path := range []string{s.path("weekly"), s.preferences()} {
		if w := s.do("POST", path, urlencoded, "undo=newsletter"); w.Code != http.StatusServiceUnavailable {
			t.Errorf("answer %d, want 503", w.Code)
		}
	}
	s.store.Fail(nil)
	s.wantWithdrawn(t, true)
}

func (s *site) preferences() string {
	return "/p/" + s.tokens.Make(s.ann, "", unsub.TokenPreferences)
}

func TestWhatWasSaidByMailIsTakenBackOnThePageOfTheLink(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	local := s.tokens.MakeLocalPart(s.ann, "weekly", unsub.TokenUnsubscribe)
	for _, text := range []string{local, strings.ToUpper(local)} {
		if unsub.Ref(text) != unsub.Ref(strings.TrimPrefix(s.path("weekly"), "/u/")) {
			t.Errorf("%s has another name than the link's token", text)
		}
	}
	if _, err := s.withdrawals.Withdraw(t.Context(), unsub.Withdrawal{
		ID: s.ann, Purpose: "newsletter", Stream: "weekly", Ref: unsub.Ref(local),
	}); err != nil {
		t.Fatal(err)
	}
	s.wantWithdrawn(t, true)
	if w := s.do("POST", s.path("weekly"), urlencoded, "undo=newsletter"); w.Code != http.StatusOK {
		t.Errorf("undo: %d", w.Code)
	}
	s.wantWithdrawn(t, false)
}
