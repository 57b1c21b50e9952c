package hooks_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/unsub/hooks"
)

// Mailgun's signature covers a token and no event, so a token is good for the event that it came with.
func TestATokenOfMailgunServesOneEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	genuine := mailgun(unsubscribed()["mailgun"], noon().Unix())
	overheard := strings.Replace(genuine, "ann@", "bob@", 1)
	for i, tt := range []struct {
		body string
		want int
	}{{genuine, 200}, {overheard, 401}, {genuine, 200}} {
		if got := w.post("/hooks/mailgun", tt.body); got != tt.want {
			t.Errorf("request %d: %d, want %d", i, got, tt.want)
		}
	}
	if len(w.said(t, "bob@example.com")) > 0 || len(w.said(t, "ann@example.com")) != 1 {
		t.Error("the overheard signature served another event")
	}
}

func TestMailgunMayRepeatForHours(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.refusals.full = true
	first := mailgun(unsubscribed()["mailgun"], noon().Add(-9*time.Hour).Unix())
	if got := w.post("/hooks/mailgun", first); got != http.StatusServiceUnavailable {
		t.Errorf("%d, want 503", got)
	}
	w.refusals.full = false
	if got := w.post("/hooks/mailgun", first); got != 200 || len(w.said(t, "ann@example.com")) != 1 {
		t.Errorf("%d, want 200: its token was not used up", got)
	}
}

// atAnotherGate is a second handler over the same store, which is also what a gate is after a restart.
func (w world) atAnotherGate(t *testing.T) world {
	t.Helper()
	var err error
	w.Handler, err = hooks.New(hooks.Options{
		Settings: settings(w.sendgrid), Refusals: w.refusals, Store: w.store, Keys: keys{}, Fetch: w.sns.fetch, Now: noon,
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestATokenOfMailgunServesOneEventAtAllGatesAndAfterARestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	genuine := mailgun(unsubscribed()["mailgun"], noon().Unix())
	if got := w.post("/hooks/mailgun", genuine); got != 200 {
		t.Fatalf("the first: %d", got)
	}
	other := w.atAnotherGate(t)
	if got := other.post("/hooks/mailgun", strings.Replace(genuine, "ann@", "bob@", 1)); got != 401 {
		t.Errorf("another event: %d, want 401", got)
	}
	if got := other.post("/hooks/mailgun", genuine); got != 200 {
		t.Errorf("the same once more: %d, want 200", got)
	}
	if len(w.said(t, "bob@example.com")) > 0 || len(w.said(t, "ann@example.com")) != 1 {
		t.Error("want one event, of the first")
	}
}

// Without the store a gate remembers what it saw itself, and a replay anywhere is the event that there is.
func TestWithoutTheStoreARepeatedReportIsStillOneEvent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	genuine := mailgun(unsubscribed()["mailgun"], noon().Unix())
	w.store.Fail(errDown)
	w.refusals.down = true
	if got := w.post("/hooks/mailgun", genuine); got != http.StatusAccepted {
		t.Fatalf("without the store: %d, want 202", got)
	}
	if got := w.post("/hooks/mailgun", strings.Replace(genuine, "ann@", "bob@", 1)); got != 401 {
		t.Errorf("another event: %d, want 401", got)
	}
	w.store.Fail(nil)
	w.refusals.down = false
	for range 2 {
		for _, gate := range []world{w, w.atAnotherGate(t)} {
			if got := gate.post("/hooks/mailgun", genuine); got != 200 {
				t.Errorf("once more: %d, want 200", got)
			}
		}
	}
	if n := len(w.said(t, "ann@example.com")); n != 1 {
		t.Errorf("%d events, want one", n)
	}
}

func TestWhatMailgunReportsOfNoConsequenceLeavesNoTrace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	delivered := mailgun(strings.Replace(unsubscribed()["mailgun"], "unsubscribed", "delivered", 1), noon().Unix())
	w.store.Fail(errDown)
	if got := w.post("/hooks/mailgun", delivered); got != 200 {
		t.Errorf("%d, want 200 without asking the store", got)
	}
}
