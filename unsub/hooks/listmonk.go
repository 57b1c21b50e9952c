package hooks

import (
	"encoding/hex"
	"strings"

	"github.com/consentgate/consentgate/gate"
)

// Headers of listmonk's signature, as proposed in knadh/listmonk pull request 2839.
const (
	listmonkSignature = "X-Listmonk-Signature"
	listmonkTimestamp = "X-Listmonk-Timestamp"
)

type listmonkEvent struct {
	Event string `json:"event"`
	At    text   `json:"timestamp"`
	Data  struct {
		Email      string `json:"email"`
		Subscriber struct {
			Email string `json:"email"`
			UUID  text   `json:"uuid"`
		} `json:"subscriber"`
		ListIDs texts `json:"list_ids"`
		Lists   []struct {
			ID text `json:"id"`
		} `json:"lists"`
	} `json:"data"`
}

// openListmonk reads what is signed with HMAC-SHA256 over timestamp, dot and body, or comes with name and password.
func openListmonk(s Source, _ memory) (reading, error) {
	if err := s.needCredentials(); err != nil {
		return nil, err
	}
	return func(r request) (reports, error) {
		if err := s.checkListmonk(r); err != nil {
			return reports{}, err
		}
		return decodeEach(r.body, listmonkEvent.reports)
	}, nil
}

func (s Source) checkListmonk(r request) error {
	if s.Username != "" {
		return s.checkCredentials(r.Request)
	}
	got, _ := strings.CutPrefix(r.Header.Get(listmonkSignature), "sha256=")
	signature, _ := hex.DecodeString(got) // what is none is no signature either
	return s.checkMAC(signature, []byte(r.Header.Get(listmonkTimestamp)+"."), r.body)
}

// reports is one for each list. Bounces are not taken, as those of Mautic are not.
func (e listmonkEvent) reports() []report {
	var what gate.EventType
	switch e.Event {
	case "subscriber.unsubscribed":
		what = gate.Withdrawn
	case "subscriber.optin_finish", "subscriber.confirmed":
		what = gate.Granted
	default:
		return nil
	}
	address := e.Data.Subscriber.Email
	if address == "" {
		address = e.Data.Email
	}
	groups := e.Data.ListIDs
	for _, l := range e.Data.Lists {
		groups = append(groups, l.ID)
	}
	var list []report
	for _, group := range orNone(groups) {
		list = append(list, report{
			ref:     []string{e.Event, string(e.At), string(e.Data.Subscriber.UUID), string(group)},
			address: address, what: what, group: string(group), time: e.At.stamp(),
		})
	}
	return list
}
