package unsub_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/unsub"
)

const confirmButton = `name="confirm" value="yes"`

func (s *site) confirmation(stream string) string {
	return "/c/" + s.tokens.Make(s.ann, stream, unsub.TokenConfirmation)
}

// request is a sign-up for the newsletter by Ann, so long after day.
func (s *site) request(t *testing.T, after time.Duration) {
	t.Helper()
	apply(t, s.store, s.ann, gate.Event{
		ID: "request", Type: gate.ConfirmationRequested, Purpose: "newsletter", Time: day().Add(after),
		Source: gate.Source{Kind: "form", ID: "footer"},
	})
}

func TestConfirmationTakesAPageAndAButton(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.request(t, 0)
	s.later = time.Hour
	path := s.confirmation("weekly")
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT"} {
		s.do(method, path+"?confirm=yes", urlencoded, "confirm=yes")
	}
	has(t, s.do("POST", path, urlencoded, ""), 400)
	has(t, s.do("GET", path, "", ""), 200, confirmButton, "Newsletter", "a***@example.com", "!ann@example.com")
	if got := s.state(t, "newsletter"); got != gate.StateActiveSingle {
		t.Fatalf("state %s before anybody confirmed", got)
	}
	for range 2 {
		has(t, s.do("POST", path, urlencoded, "confirm=yes"), 200, "Confirmed, thank you", "!"+confirmButton)
	}
	has(t, s.do("GET", path, "", ""), 200, "Confirmed, thank you")
	p := person(t, s.store, s.ann)
	if got := p.Record.For("newsletter").State; got != gate.StateActiveDouble || len(p.Events) != 4 {
		t.Errorf("state %s after %d events, want active_double after 4", got, len(p.Events))
	}
	if e := p.Events[3]; e.Via != gate.ViaMailbox || e.Wording.SHA256 == "" || e.Actor != "person" || e.Validate(day().Add(2*time.Hour)) != nil {
		t.Errorf("event %+v", e)
	}
	if p.Record.For("offers").State != gate.StateActiveSingle {
		t.Error("another purpose was touched")
	}
}

func TestConfirmationReopensAWithdrawalOnlyForARequestMadeSince(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		requested, withdrawn, clicked time.Duration
		status                        int
		want                          gate.State
	}{
		"a request since":            {time.Minute, 0, time.Hour, http.StatusOK, gate.StateActiveDouble},
		"a request before":           {-time.Minute, 0, time.Hour, http.StatusGone, gate.StateWithdrawn},
		"a request of a month ago":   {time.Minute, 0, 31 * 24 * time.Hour, http.StatusGone, gate.StateWithdrawn},
		"a request of six days ago":  {time.Minute, 0, 6 * 24 * time.Hour, http.StatusOK, gate.StateActiveDouble},
		"a withdrawal in the moment": {0, 0, time.Hour, http.StatusGone, gate.StateWithdrawn},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.request(t, c.requested)
			apply(t, s.store, s.ann, gate.Event{ID: "w", Type: gate.Withdrawn, Purpose: "newsletter", Time: day().Add(c.withdrawn)})
			s.later = c.clicked
			has(t, s.do("POST", s.confirmation("weekly"), urlencoded, "confirm=yes"), c.status)
			if got := s.state(t, "newsletter"); got != c.want {
				t.Errorf("state %s, want %s", got, c.want)
			}
		})
	}
}

func TestConfirmationOfAStreamNobodyRemembersIsNoPage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.request(t, 0)
	has(t, s.do("POST", s.confirmation("forgotten"), urlencoded, "confirm=yes"), 404)
}

func TestConfirmationWithoutTheStoreIsNeverClaimed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.request(t, 0)
	s.store.Fail(errDown)
	has(t, s.do("POST", s.confirmation("weekly"), urlencoded, "confirm=yes"), 503, "Nothing was recorded")
	s.store.Fail(nil)
	if got := s.state(t, "newsletter"); got != gate.StateActiveSingle {
		t.Errorf("state %s", got)
	}
}
