package hooks

import "github.com/consentgate/consentgate/gate"

// postmarkEvent is a Bounce, a SpamComplaint or a SubscriptionChange.
type postmarkEvent struct {
	RecordType string
	ID         text // of bounces and complaints
	MessageID  text
	Type       string // of a bounce
	Email      string
	BouncedAt  text

	Recipient         string // of a subscription change, as is all that follows
	ChangedAt         text
	SuppressSending   bool
	SuppressionReason string
	Origin            string

	MessageStream string
}

// openPostmark checks what Postmark was told to send along, since it signs nothing: name and password, or a header.
func openPostmark(s Source, _ memory) (reading, error) {
	if err := s.needCredentials(); err != nil {
		return nil, err
	}
	return func(r request) (reports, error) {
		if err := s.checkCredentials(r.Request); err != nil {
			return reports{}, err
		}
		return decodeEach(r.body, postmarkEvent.reports)
	}, nil
}

func (e postmarkEvent) reports() []report {
	switch e.RecordType {
	case "Bounce":
		return e.bounced(postmarkBounce(e.Type))
	case "SpamComplaint":
		return e.bounced(gate.Complained)
	case "SubscriptionChange":
		return e.changed()
	}
	return nil
}

// postmarkBounce is what a type of bounce means; most are of the moment and mean nothing.
func postmarkBounce(kind string) gate.EventType {
	switch kind {
	case "HardBounce", "BadEmailAddress":
		return gate.Bounced
	case "SpamComplaint":
		return gate.Complained
	case "Unsubscribe":
		return gate.Withdrawn
	}
	return ""
}

func (e postmarkEvent) bounced(what gate.EventType) []report {
	if what == "" {
		return nil
	}
	return []report{{
		ref: []string{string(e.ID), string(e.MessageID), string(e.BouncedAt)}, address: e.Email, what: what,
		group: e.MessageStream, time: e.BouncedAt.stamp(), note: e.Type,
	}}
}

// changed reads a suppression that was added. One that Postmark lifts is no consent. One that an operator added there is
// taken for a no too: whoever does that has heard one.
func (e postmarkEvent) changed() []report {
	if !e.SuppressSending {
		return nil
	}
	what := gate.Withdrawn
	switch e.SuppressionReason {
	case "HardBounce":
		what = gate.Bounced
	case "SpamComplaint":
		what = gate.Complained
	}
	return []report{{
		ref: []string{"change", string(e.MessageID), string(e.ChangedAt), e.MessageStream}, address: e.Recipient, what: what,
		group: e.MessageStream, time: e.ChangedAt.stamp(), note: "suppressed by " + e.Origin,
	}}
}
