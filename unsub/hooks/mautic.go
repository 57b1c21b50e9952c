package hooks

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/consentgate/consentgate/gate"
)

// mauticChanged is the only one of Mautic's events that is about permission.
const mauticChanged = "mautic.lead_channel_subscription_changed"

type mauticEvent struct {
	Contact struct {
		ID     text `json:"id"`
		Fields struct {
			Core struct {
				Email struct {
					Value string `json:"value"`
				} `json:"email"`
			} `json:"core"`
		} `json:"fields"`
	} `json:"contact"`
	Channel string `json:"channel"`
	Old     string `json:"old_status"`
	New     string `json:"new_status"`
	At      text   `json:"timestamp"`
}

// openMautic reads what is signed with HMAC-SHA256 over the body, base64 in Webhook-Signature. The body has events by
// kind; each kind has a list, or one alone.
func openMautic(s Source, _ memory) (reading, error) {
	if s.Secret == "" {
		return nil, errNoSecret
	}
	return func(r request) (reports, error) {
		signature, _ := base64.StdEncoding.DecodeString(r.Header.Get("Webhook-Signature")) // what is none is no signature
		if err := s.checkMAC(signature, r.body); err != nil {
			return reports{}, err
		}
		var kinds map[string]json.RawMessage
		if err := json.Unmarshal(r.body, &kinds); err != nil {
			return reports{}, fmt.Errorf("%w: no JSON object", errUnreadable)
		}
		if len(kinds[mauticChanged]) == 0 {
			return reports{}, nil
		}
		return decodeEach(kinds[mauticChanged], mauticEvent.reports)
	}, nil
}

// reports: bounced is not taken, since what Mautic counts as a bounce may be a refusal of this gate.
func (e mauticEvent) reports() []report {
	r := report{
		ref:     []string{string(e.Contact.ID), e.Channel, e.New, string(e.At)},
		address: e.Contact.Fields.Core.Email.Value, time: e.At.stamp(), note: e.Old + " to " + e.New,
	}
	switch {
	case e.Channel != "email":
		return nil
	case e.New == "unsubscribed", e.New == "manual":
		r.what = gate.Withdrawn
	case e.New == "contactable":
		r.what = gate.Granted
	default:
		return nil
	}
	return []report{r}
}
