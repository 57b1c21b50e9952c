package hooks

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/consentgate/consentgate/gate"
)

// Headers of SendGrid's signed Event Webhook.
const (
	sendgridSignature = "X-Twilio-Email-Event-Webhook-Signature"
	sendgridTimestamp = "X-Twilio-Email-Event-Webhook-Timestamp"
)

// sendgridEvent is one of the batch that the Event Webhook posts.
type sendgridEvent struct {
	ID             text   `json:"sg_event_id"`
	Event          string `json:"event"`
	Email          string `json:"email"`
	Timestamp      text   `json:"timestamp"`
	Type           string `json:"type"`                  // of a bounce: bounce or blocked
	Classification string `json:"bounce_classification"` // of a bounce
	Reason         string `json:"reason"`                // of a drop
	Group          text   `json:"asm_group_id"`
}

// openSendGrid reads what is signed with ECDSA over the timestamp and the body. The timestamp may be of any age:
// SendGrid repeats for a day what was not taken, and an event counts once.
func openSendGrid(s Source, _ memory) (reading, error) {
	if s.PublicKey == nil {
		return nil, errors.New("no public_key")
	}
	return func(r request) (reports, error) {
		signature, err := base64.StdEncoding.DecodeString(r.Header.Get(sendgridSignature))
		sum := sha256.New()
		sum.Write([]byte(r.Header.Get(sendgridTimestamp)))
		sum.Write(r.body)
		if err != nil || !ecdsa.VerifyASN1(s.PublicKey, sum.Sum(nil), signature) {
			return reports{}, fmt.Errorf("%w: wrong or missing signature", errForged)
		}
		return decodeEach(r.body, sendgridEvent.reports)
	}, nil
}

func (e sendgridEvent) reports() []report {
	r := report{
		ref: []string{string(e.ID), e.Event, string(e.Timestamp)}, address: e.Email, time: e.Timestamp.unix(),
		group: string(e.Group),
	}
	switch e.Event {
	case "bounce":
		return e.bounce(r)
	case "dropped":
		return e.dropped(r)
	case "spamreport":
		r.what = gate.Complained
	case "unsubscribe", "group_unsubscribe":
		r.what = gate.Withdrawn
	case "group_resubscribe":
		r.what = gate.Granted
	default:
		return nil
	}
	return []report{r}
}

// bounce takes bounces of mailboxes that do not exist: what was refused for its content or our reputation says nothing
// of the mailbox, and would stop receipts too.
func (e sendgridEvent) bounce(r report) []report {
	if e.Type == "blocked" {
		return nil
	}
	switch e.Classification {
	case "", "Invalid Address", "Mailbox Unavailable", "Unclassified":
		r.what, r.note = gate.Bounced, e.Classification
		return []report{r}
	}
	return nil
}

// dropped tells of SendGrid's own suppressions, by its words.
func (e sendgridEvent) dropped(r report) []report {
	r.note = e.Reason
	switch e.Reason {
	case "Bounced Address", "Invalid":
		r.what = gate.Bounced
	case "Spam Reporting Address":
		r.what = gate.Complained
	case "Unsubscribed Address":
		r.what = gate.Withdrawn
	default:
		return nil
	}
	return []report{r}
}
