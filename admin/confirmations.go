package admin

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// ErrNotSent is what a Confirm wraps where the message did not leave and asking again would send it.
var ErrNotSent = errors.New("message to confirm not sent")

// Wish is that a person be asked to confirm a sign-up that is logged.
type Wish struct {
	Address  gate.Address
	Purpose  string
	Source   string // kind:id of the sign-up; empty: the latest
	Language string // of the message; empty: that of the text the person read
	Actor    string
}

// Request is what was recorded of a Wish, and mailed.
type Request struct {
	EventID string
	At      time.Time
	Again   bool // it was recorded before, and its message had not left
}

// Confirm asks a person to confirm. Its errors wrap gate.ErrNotAsked, with the reason, ErrNotSent or
// gate.ErrUnavailable.
type Confirm func(ctx context.Context, w Wish) (Request, error)

type confirmationInput struct {
	Body struct {
		Recipient string `json:"recipient" doc:"Full address" maxLength:"512"`
		Purpose   string `json:"purpose" doc:"What the person signed up for" maxLength:"63"`
		Source    string `json:"source,omitempty" doc:"Of the sign-up that is meant, as kind:id; absent: the latest" maxLength:"160"`
		Language  string `json:"language,omitempty" doc:"Of the message; absent: that of the text the person read" maxLength:"35"`
	}
}

type confirmationOutput struct {
	Body struct {
		RecipientID string    `json:"recipient_id"`
		EventID     string    `json:"event_id" doc:"Of the confirmation_requested whose message was sent"`
		Requested   time.Time `json:"requested"`
		Again       bool      `json:"again" doc:"It was recorded before, and its message had not left"`
	}
}

// confirmation asks one person to confirm. A person who may not be asked is no fault of the store or the upstream: the
// reason is told, since who asks has the address already.
func (s *Server) confirmation(ctx context.Context, in *confirmationInput) (*confirmationOutput, error) {
	addr, err := address(in.Body.Recipient)
	if err != nil {
		return nil, err
	}
	if s.opt.Confirm == nil {
		return nil, newProblem(http.StatusNotImplemented, "nobody asks people to confirm: set confirmation.from in the config file")
	}
	id := s.opt.Keys.ID(addr)
	if t := holder(ctx); t.Role != RoleIngest {
		if err := s.audit(ctx, "consent.request", id, "purpose "+in.Body.Purpose); err != nil {
			return nil, err
		}
	}
	r, err := s.opt.Confirm(ctx, Wish{
		Address: addr, Purpose: in.Body.Purpose, Source: in.Body.Source, Language: in.Body.Language, Actor: "api:" + holder(ctx).Name,
	})
	switch {
	case errors.Is(err, gate.ErrNotAsked):
		return nil, newProblem(http.StatusConflict, notAsked(err))
	case errors.Is(err, ErrNotSent):
		s.log.Error("message to confirm not sent", "err", err)
		return nil, unavailable("the request is recorded and its message was not sent: ask again to send it")
	case err != nil:
		return nil, s.failed(err)
	}
	out := new(confirmationOutput)
	out.Body.RecipientID, out.Body.EventID, out.Body.Requested, out.Body.Again = id.String(), r.EventID, r.At, r.Again
	return out, nil
}

// notAsked is the reason alone.
func notAsked(err error) string {
	_, why, found := strings.Cut(err.Error(), gate.ErrNotAsked.Error())
	if !found {
		return gate.ErrNotAsked.Error()
	}
	return gate.ErrNotAsked.Error() + why
}
