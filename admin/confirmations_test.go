package admin_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/consentgate/consentgate/admin"
	"github.com/consentgate/consentgate/gate"
)

const wish = `{"recipient":"ann@example.com","purpose":"newsletter","source":"form:footer","language":"fr"}`

func TestAConfirmationIsAskedForInTheHoldersName(t *testing.T) {
	t.Parallel()
	var got admin.Wish
	at := time.Date(2026, 11, 3, 10, 0, 0, 0, time.UTC)
	s := newSite(t, func(o *admin.Options) {
		o.Confirm = func(_ context.Context, w admin.Wish) (admin.Request, error) {
			got = w
			return admin.Request{EventID: "01J", At: at, Again: true}, nil
		}
	})
	var a struct {
		EventID     string `json:"event_id"`
		RecipientID string `json:"recipient_id"`
		Requested   time.Time
		Again       bool
	}
	s.ask(t, admin.RoleIngest, "/api/v1/confirmations", wish).into(t, &a)
	if a.EventID != "01J" || a.RecipientID == "" || !a.Requested.Equal(at) || !a.Again || len(s.acts) != 0 {
		t.Errorf("got %+v, noted %+v", a, s.acts)
	}
	want := admin.Wish{Address: got.Address, Purpose: "newsletter", Source: "form:footer", Language: "fr", Actor: "api:ingest-1"}
	if got != want || got.Address.String() != "ann@example.com" {
		t.Errorf("asked %+v, want %+v", got, want)
	}
	s.ask(t, admin.RoleOperator, "/api/v1/confirmations", wish).into(t, &a)
	if len(s.acts) != 1 || s.acts[0].Name != "consent.request" || s.acts[0].Subject.IsZero() {
		t.Errorf("noted %+v", s.acts)
	}
}

func TestAConfirmationThatIsNotAskedForSaysWhy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err    error
		status int
		says   string
	}{
		"nobody signed up":     {fmt.Errorf("%w: no sign-up is logged", gate.ErrNotAsked), http.StatusConflict, "not asked to confirm: no sign-up is logged"},
		"the upstream is away": {fmt.Errorf("%w: 10.0.0.7: refused", admin.ErrNotSent), http.StatusServiceUnavailable, "the request is recorded"},
		"the store is away":    {fmt.Errorf("%w: 10.0.0.5", gate.ErrUnavailable), http.StatusServiceUnavailable, "the consent store does not answer"},
		"something else":       {errors.New("odd"), http.StatusInternalServerError, "the log of the gate"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, func(o *admin.Options) {
				o.Confirm = func(context.Context, admin.Wish) (admin.Request, error) { return admin.Request{}, c.err }
			})
			problemOf(t, s.ask(t, admin.RoleIngest, "/api/v1/confirmations", wish), c.status, c.says)
		})
	}
	s := newSite(t, nil)
	problemOf(t, s.ask(t, admin.RoleIngest, "/api/v1/confirmations", wish), http.StatusNotImplemented, "confirmation.from")
	problemOf(t, s.ask(t, admin.RoleIngest, "/api/v1/confirmations", `{"recipient":"ann","purpose":"newsletter"}`), http.StatusUnprocessableEntity, "local@domain")
	problemOf(t, s.ask(t, admin.RoleIngest, "/api/v1/confirmations", `{"recipient":"ann@example.com"}`), http.StatusUnprocessableEntity, "")
}
