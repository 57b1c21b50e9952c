package hooks

import (
	"errors"
	"regexp"
	"strings"

	"github.com/consentgate/consentgate/gate"
)

// sesEvent is a feedback notification (notificationType) or a published event (eventType) of SES.
type sesEvent struct {
	NotificationType string `json:"notificationType"`
	EventType        string `json:"eventType"`
	Mail             struct {
		MessageID   text  `json:"messageId"`
		Destination texts `json:"destination"`
	} `json:"mail"`
	Bounce       sesBounce       `json:"bounce"`
	Complaint    sesComplaint    `json:"complaint"`
	Subscription sesSubscription `json:"subscription"`
}

type sesRecipient struct {
	Address string `json:"emailAddress"`
	Status  string `json:"status"`
}

type sesBounce struct {
	Type       string         `json:"bounceType"`
	SubType    string         `json:"bounceSubType"`
	Recipients []sesRecipient `json:"bouncedRecipients"`
	FeedbackID string         `json:"feedbackId"`
	At         text           `json:"timestamp"`
}

type sesComplaint struct {
	Type       string         `json:"complaintFeedbackType"`
	Recipients []sesRecipient `json:"complainedRecipients"`
	FeedbackID string         `json:"feedbackId"`
	At         text           `json:"timestamp"`
}

// sesSubscription is what somebody chose on SES's own page.
type sesSubscription struct {
	At  text `json:"timestamp"`
	New struct {
		All    bool `json:"unsubscribeAll"`
		Topics []struct {
			Name   string `json:"topicName"`
			Status string `json:"subscriptionStatus"`
		} `json:"topicSubscriptionStatus"`
	} `json:"newTopicPreferences"`
}

var snsTopic = regexp.MustCompile(`^arn:aws[a-z-]*:sns:[a-z0-9-]+:[0-9]{12}:([A-Za-z0-9_-]+)$`)

// topicName is how long the name of an SNS topic may be. A {1,256} in the expression would take 200 KB of every gate.
const topicName = 256

// IsTopic reports whether s is the ARN of an SNS topic.
func IsTopic(s string) bool {
	m := snsTopic.FindStringSubmatch(s)
	return m != nil && len(m[1]) <= topicName
}

// openSES reads what SES publishes through SNS, and confirms the subscription of a topic that is configured. A message
// may be of any age: SNS repeats for weeks where it is told to, and an event counts once.
func openSES(s Source, m memory) (reading, error) {
	if len(s.Topics) == 0 {
		return nil, errors.New("no topics")
	}
	for _, t := range s.Topics {
		if !IsTopic(t) {
			return nil, errors.New("a topic that is no ARN of SNS")
		}
	}
	return func(r request) (reports, error) {
		msg, err := parseSNS(r.body, s.Topics)
		if err == nil {
			err = msg.verify(r.Context(), m.certificates)
		}
		switch {
		case err != nil:
			return reports{}, err
		case msg.Type == snsSubscribe:
			return reports{news: "the subscription of an SNS topic was confirmed"}, msg.subscribe(r.Context(), m.certificates)
		case msg.Type == snsUnsubscribe:
			return reports{news: "somebody ended the subscription of an SNS topic, which reports no more"}, nil
		}
		return sesNotification(msg.Message)
	}, nil
}

// sesNotification reads the message. SES tells a new topic in plain words that it works: that is no event.
func sesNotification(message string) (reports, error) {
	if !strings.HasPrefix(strings.TrimSpace(message), "{") {
		return reports{}, nil
	}
	return decodeEach([]byte(message), sesEvent.reports)
}

func (e sesEvent) reports() []report {
	kind := e.NotificationType
	if kind == "" {
		kind = e.EventType
	}
	switch kind {
	case "Bounce":
		return e.bounced()
	case "Complaint":
		return e.complained()
	case "Subscription":
		return e.unsubscribed()
	}
	return nil
}

// bounced takes permanent bounces. One that SES makes since the person unsubscribed there is no bounce.
func (e sesEvent) bounced() []report {
	what := gate.Bounced
	switch {
	case e.Bounce.Type != "Permanent":
		return nil
	case e.Bounce.SubType == "UnsubscribedRecipient":
		what = gate.Withdrawn
	}
	return e.each(e.Bounce.Recipients, what, e.Bounce.FeedbackID, e.Bounce.At, e.Bounce.SubType)
}

// complained leaves out who said the opposite: not-spam.
func (e sesEvent) complained() []report {
	if e.Complaint.Type == "not-spam" {
		return nil
	}
	return e.each(e.Complaint.Recipients, gate.Complained, e.Complaint.FeedbackID, e.Complaint.At, e.Complaint.Type)
}

func (e sesEvent) each(recipients []sesRecipient, what gate.EventType, id string, at text, note string) []report {
	list := make([]report, 0, len(recipients))
	for _, r := range recipients {
		list = append(list, report{
			ref: []string{id, string(e.Mail.MessageID)}, address: addressOf(r.Address), what: what, time: at.stamp(),
			note: strings.TrimSpace(note + " " + r.Status),
		})
	}
	return list
}

// unsubscribed reads the page's answer: from everything, or from some topics. A topic that was chosen is not taken for
// consent.
func (e sesEvent) unsubscribed() []report {
	groups := []string{}
	if e.Subscription.New.All {
		groups = append(groups, "")
	}
	for _, t := range e.Subscription.New.Topics {
		if !e.Subscription.New.All && strings.EqualFold(t.Status, "OptOut") {
			groups = append(groups, t.Name)
		}
	}
	var list []report
	for _, address := range e.Mail.Destination {
		for _, group := range groups {
			list = append(list, report{
				ref: []string{"subscription", string(e.Mail.MessageID), string(e.Subscription.At), group}, address: addressOf(string(address)),
				what: gate.Withdrawn, group: group, time: e.Subscription.At.stamp(),
			})
		}
	}
	return list
}

// addressOf takes the address out of "Name <address>", which SES repeats from the message at times.
func addressOf(s string) string {
	if i := strings.LastIndexByte(s, '<'); i >= 0 && strings.HasSuffix(s, ">") {
		return s[i+1 : len(s)-1]
	}
	return s
}
