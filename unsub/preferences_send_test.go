package unsub_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/unsub"
)

const sendButton = `name="send" value="newsletter"`

// newMailingSite is a site whose messages to confirm go out by an office.
func newMailingSite(t *testing.T) (*site, *office) {
	t.Helper()
	var mail *office
	s := newSite(t, func(o *unsub.Options) {
		mail = newOffice(t, func(c *unsub.ConfirmationsOptions) {
			c.Store, c.Keys = o.Store.(*gatetest.Store), o.Tokens.Keys.(gate.Sealer)
		})
		o.Confirm = mail.Send
	})
	s.do("POST", s.preferences(), urlencoded, "stop=newsletter")
	return s, mail
}

func TestThePageClaimsNoMessageThatDidNotLeaveAndOffersItAgain(t *testing.T) {
	t.Parallel()
	s, mail := newMailingSite(t)
	mail.fail = errDown
	has(t, s.do("POST", s.preferences(), urlencoded, "ask=newsletter"), http.StatusServiceUnavailable,
		"not certain", "not confirmed yet", sendButton, "!have sent you")
	has(t, s.do("GET", s.preferences(), "", ""), http.StatusOK, "not confirmed yet", "Did no message reach you?", sendButton, "!sent to you")
	has(t, s.do("POST", s.preferences(), urlencoded, "send=newsletter"), http.StatusServiceUnavailable, "not certain", sendButton)

	mail.fail = nil
	has(t, s.do("POST", s.preferences(), urlencoded, "send=newsletter"), http.StatusOK, "We have sent you a message")
	has(t, s.do("POST", s.preferences(), urlencoded, "send=newsletter"), http.StatusConflict, "handed over already", "!have sent you")
	if n := len(mail.sent); n != 1 {
		t.Errorf("%d messages, want one", n)
	}
	if n := len(person(t, s.store, s.ann).Events); n != 4 {
		t.Errorf("%d events, want the two grants, the withdrawal and one request", n)
	}
}

func TestAMessageOfWhichTheUpstreamSaidNothingIsNotSentTwice(t *testing.T) {
	t.Parallel()
	s, mail := newMailingSite(t)
	mail.fail = fmt.Errorf("%w: silence after the dot", unsub.ErrUncertain)
	has(t, s.do("POST", s.preferences(), urlencoded, "ask=newsletter"), http.StatusServiceUnavailable, "not certain", "!could not")
	mail.fail = nil
	has(t, s.do("POST", s.preferences()+"?lang=fr", urlencoded, "send=newsletter"), http.StatusConflict, "déjà été remis")
	if n := len(mail.sent); n != 0 {
		t.Errorf("%d messages more", n)
	}
}

// Two clicks at once find the same request, and one of them its message sent.
func TestAClickWhoseMessageAnotherOneSentIsToldSo(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(o *unsub.Options) {
		mail := newOffice(t, func(c *unsub.ConfirmationsOptions) {
			c.Store, c.Keys = o.Store.(*gatetest.Store), o.Tokens.Keys.(gate.Sealer)
		})
		o.Confirm = func(ctx context.Context, r unsub.ConfirmRequest) error {
			return errors.Join(mail.Send(ctx, r), mail.Send(ctx, r))
		}
	})
	s.do("POST", s.preferences(), urlencoded, "stop=newsletter")
	has(t, s.do("POST", s.preferences(), urlencoded, "ask=newsletter"), http.StatusConflict, "handed over already", "!not certain")
}

func TestTheMessageIsOfferedAgainOnlyWhileItsRequestPermitsOne(t *testing.T) {
	t.Parallel()
	s, mail := newMailingSite(t)
	has(t, s.do("POST", s.preferences(), urlencoded, "send=newsletter"), http.StatusConflict, "!"+sendButton)
	has(t, s.do("POST", s.preferences(), urlencoded, "send=nonsense"), http.StatusBadRequest)
	mail.fail = errDown
	s.do("POST", s.preferences(), urlencoded, "ask=newsletter")
	s.later = 2 * time.Hour
	has(t, s.do("GET", s.preferences(), "", ""), http.StatusOK, `name="ask" value="newsletter"`, "!"+sendButton)
	s.later = gate.RequestTTL + time.Hour
	has(t, s.do("POST", s.preferences(), urlencoded, "send=newsletter"), http.StatusConflict, "!"+sendButton)
	if n := len(mail.sent); n != 0 {
		t.Errorf("%d messages", n)
	}
}
