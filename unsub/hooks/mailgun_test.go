package hooks_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
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
