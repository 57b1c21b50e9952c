package hooks

import (
	"strings"

	"github.com/consentgate/consentgate/gate"
)

// brevoEvent is of the transactional or the marketing webhook, which name some things differently.
type brevoEvent struct {
	Event     string `json:"event"`
	Email     texts  `json:"email"` // several where somebody added many to a list
	MessageID text   `json:"message-id"`
	Campaign  text   `json:"camp_id"`
	Lists     texts  `json:"list_id"`
	At        text   `json:"ts_event"`
	AtToo     text   `json:"ts"`
}

// openBrevo checks what Brevo was told to send along, since it signs nothing: a bearer token, or name and password.
func openBrevo(s Source, _ memory) (reading, error) {
	if err := s.needCredentials(); err != nil {
		return nil, err
	}
	return func(r request) (reports, error) {
		if err := s.checkCredentials(r.Request); err != nil {
			return reports{}, err
		}
		return decodeEach(r.body, brevoEvent.reports)
	}, nil
}

// reports is one for each address and list. What Brevo calls blocked may have any reason, and is not taken.
func (e brevoEvent) reports() []report {
	var what gate.EventType
	switch e.Event {
	case "hard_bounce", "invalid_email":
		what = gate.Bounced
	case "spam":
		what = gate.Complained
	case "unsubscribe", "unsubscribed":
		what = gate.Withdrawn
	case "list_addition":
		what = gate.Granted
	default:
		return nil
	}
	at := e.At
	if at == "" {
		at = e.AtToo
	}
	var list []report
	for _, address := range orNone(e.Email) {
		for _, group := range orNone(e.Lists) {
			list = append(list, report{
				ref:     []string{strings.Trim(string(e.MessageID), "<>"), string(e.Campaign), string(at), e.Event, string(group)},
				address: string(address), what: what, group: string(group), time: at.unix(),
			})
		}
	}
	return list
}

// orNone is the list, or one empty text where it is empty.
func orNone(list texts) texts {
	if len(list) == 0 {
		return texts{""}
	}
	return list
}
