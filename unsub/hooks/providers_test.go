package hooks_test

import (
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/url"
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// deliver posts a body as its provider would, with the proof that belongs to it.
func (w world) deliver(t testing.TB, provider, body string) int {
	t.Helper()
	switch provider {
	case "ses":
		return w.post("/hooks/ses", w.sns.sign(t, notification(body)), "Content-Type", "text/plain; charset=UTF-8")
	case "sendgrid":
		return w.post("/hooks/sendgrid", body, w.signSendGrid(t, body)...)
	case "postmark":
		return w.post("/hooks/postmark", body, "X-Gate-Key", secret)
	case "mailgun":
		return w.post("/hooks/mailgun", mailgun(body, noon().Unix()))
	case "brevo":
		return w.post("/hooks/brevo", body, "Authorization", "Bearer "+secret)
	case "mailchimp":
		return w.post("/hooks/mailchimp/"+secret, body, "Content-Type", "application/x-www-form-urlencoded")
	case "mautic":
		return w.post("/hooks/mautic", body, "Webhook-Signature", base64.StdEncoding.EncodeToString(mac(body)))
	case "listmonk":
		return w.post("/hooks/listmonk", body, "X-Listmonk-Timestamp", "1795000000",
			"X-Listmonk-Signature", "sha256="+hex.EncodeToString(mac("1795000000."+body)))
	}
	t.Fatalf("no provider %s", provider)
	return 0
}

func mac(text string) []byte {
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(text))
	return m.Sum(nil)
}

func (w world) signSendGrid(t testing.TB, body string) []string {
	t.Helper()
	sum := sha256.Sum256([]byte("1763600000" + body))
	signature, err := ecdsa.SignASN1(rand.Reader, w.sendgrid, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return []string{
		"X-Twilio-Email-Event-Webhook-Timestamp", "1763600000",
		"X-Twilio-Email-Event-Webhook-Signature", base64.StdEncoding.EncodeToString(signature),
	}
}

// mailgun signs with a token that is the event's own.
func mailgun(event string, at int64) string {
	sum := sha256.Sum256([]byte(event))
	token, stamp := hex.EncodeToString(sum[:25]), strconv.FormatInt(at, 10)
	return fmt.Sprintf(`{"signature":{"timestamp":"%s","token":"%s","signature":"%x"},"event-data":%s}`,
		stamp, token, mac(stamp+token), event)
}

const everything = "withdrawn *"

func TestEachProvidersReportsBecomeEvents(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		provider, body string
		want           []string // said of ann@example.com
	}{
		"ses: a mailbox that does not exist": {
			"ses", `{"notificationType":"Bounce","mail":{"messageId":"m1","destination":["ann@example.com"]},
			"bounce":{"bounceType":"Permanent","bounceSubType":"General","timestamp":"2026-11-18T08:59:59.123Z","feedbackId":"f1",
			"bouncedRecipients":[{"emailAddress":"ann@example.com","action":"failed","status":"5.1.1","diagnosticCode":"smtp; 550"}]}}`,
			[]string{"bounced 2026-11-18T08:59:59Z"},
		},
		"ses: an event of a configuration set": {
			"ses", `{"eventType":"Complaint","mail":{"messageId":"m1"},"complaint":{"feedbackId":"f2",
			"complainedRecipients":[{"emailAddress":"Ann <ann@example.com>"}],"timestamp":"2026-11-18T10:00:00.000Z","complaintFeedbackType":"abuse"}}`,
			[]string{"complained * 2026-11-18T10:00:00Z"},
		},
		"ses: not spam after all": {"ses", `{"notificationType":"Complaint","complaint":{"complaintFeedbackType":"not-spam",
			"complainedRecipients":[{"emailAddress":"ann@example.com"}],"timestamp":"2026-11-18T10:00:00Z"}}`, nil},
		"ses: a full mailbox": {"ses", `{"notificationType":"Bounce","bounce":{"bounceType":"Transient","bounceSubType":"MailboxFull",
			"bouncedRecipients":[{"emailAddress":"ann@example.com"}]}}`, nil},
		"ses: no bounce but an unsubscription": {
			"ses", `{"notificationType":"Bounce","bounce":{"bounceType":"Permanent",
			"bounceSubType":"UnsubscribedRecipient","timestamp":"2026-11-18T10:00:00Z","bouncedRecipients":[{"emailAddress":"ann@example.com"}]}}`,
			[]string{everything + " 2026-11-18T10:00:00Z"},
		},
		"ses: a topic on SES's page": {
			"ses", `{"eventType":"Subscription","mail":{"messageId":"m1","destination":["ann@example.com"]},
			"subscription":{"contactList":"list","timestamp":"2026-11-18T10:00:00Z","newTopicPreferences":{"unsubscribeAll":false,
			"topicSubscriptionStatus":[{"topicName":"weekly","subscriptionStatus":"OptOut"},{"topicName":"daily","subscriptionStatus":"OptIn"}]}}}`,
			[]string{"withdrawn newsletter 2026-11-18T10:00:00Z"},
		},
		"ses: everything on SES's page": {
			"ses", `{"eventType":"Subscription","mail":{"messageId":"m1","destination":["ann@example.com"]},
			"subscription":{"timestamp":"2026-11-18T10:00:00Z","newTopicPreferences":{"unsubscribeAll":true,"topicSubscriptionStatus":[]}}}`,
			[]string{everything + " 2026-11-18T10:00:00Z"},
		},
		"ses: a delivery":             {"ses", `{"notificationType":"Delivery","delivery":{"recipients":["ann@example.com"]}}`, nil},
		"ses: the topic is tried out": {"ses", `Successfully validated SNS topic for Amazon SES event publishing.`, nil},
		"sendgrid: a bounce": {
			"sendgrid", `[{"email":"ann@example.com","timestamp":1763600000,"event":"bounce","type":"bounce",
			"bounce_classification":"Invalid Address","sg_event_id":"e1","status":"5.1.1","reason":"550 unknown","some_new_field":{"x":1}}]`,
			[]string{"bounced 2025-11-20T00:53:20Z"},
		},
		"sendgrid: blocked for now": {"sendgrid", `[{"email":"ann@example.com","event":"bounce","type":"blocked","sg_event_id":"e1"}]`, nil},
		"sendgrid: our reputation":  {"sendgrid", `[{"email":"ann@example.com","event":"bounce","type":"bounce","bounce_classification":"Reputation"}]`, nil},
		"sendgrid: a spam report": {
			"sendgrid", `[{"email":"ann@example.com","timestamp":1763600000,"event":"spamreport","sg_event_id":"e1"}]`,
			[]string{"complained * 2025-11-20T00:53:20Z"},
		},
		"sendgrid: a group that is mapped": {
			"sendgrid", `[{"email":"ann@example.com","timestamp":1763600000,"event":"group_unsubscribe","asm_group_id":4711}]`,
			[]string{"withdrawn newsletter 2025-11-20T00:53:20Z"},
		},
		"sendgrid: a group that is not": {
			"sendgrid", `[{"email":"ann@example.com","timestamp":1763600000,"event":"group_unsubscribe","asm_group_id":1}]`,
			[]string{everything + " 2025-11-20T00:53:20Z"},
		},
		"sendgrid: back in a group": {
			"sendgrid", `[{"email":"ann@example.com","timestamp":1763600000,"event":"group_resubscribe","asm_group_id":4711}]`,
			[]string{"granted newsletter imported 2025-11-20T00:53:20Z"},
		},
		"sendgrid: back in a group that is not mapped": {"sendgrid", `[{"email":"ann@example.com","event":"group_resubscribe","asm_group_id":1}]`, nil},
		"sendgrid: dropped, since they unsubscribed there": {
			"sendgrid", `[{"email":"ann@example.com","timestamp":1763600000,"event":"dropped","reason":"Unsubscribed Address"}]`,
			[]string{everything + " 2025-11-20T00:53:20Z"},
		},
		"sendgrid: a clock ahead of ours means now": {
			"sendgrid", `[{"email":"ann@example.com","timestamp":1895000000,"event":"unsubscribe"}]`,
			[]string{everything + " 2026-11-20T12:00:00Z"},
		},
		"sendgrid: no time means now": {"sendgrid", `[{"email":"ann@example.com","event":"unsubscribe"}]`, []string{everything + " 2026-11-20T12:00:00Z"}},
		"postmark: a hard bounce": {"postmark", `{"RecordType":"Bounce","ID":4323372036854775807,"Type":"HardBounce","TypeCode":1,
			"Email":"ann@example.com","BouncedAt":"2026-11-19T16:33:54.9070259Z","MessageStream":"broadcast"}`, []string{"bounced 2026-11-19T16:33:54Z"}},
		"postmark: a soft bounce": {"postmark", `{"RecordType":"Bounce","Type":"SoftBounce","Email":"ann@example.com"}`, nil},
		"postmark: a complaint": {"postmark", `{"RecordType":"SpamComplaint","ID":42,"Type":"SpamComplaint","Email":"ann@example.com",
			"BouncedAt":"2026-11-19T16:33:54Z"}`, []string{"complained * 2026-11-19T16:33:54Z"}},
		"postmark: unsubscribed from a stream": {"postmark", `{"RecordType":"SubscriptionChange","MessageID":null,"MessageStream":"broadcast",
			"ChangedAt":"2026-11-19T10:53:34.416071Z","Recipient":"ann@example.com","Origin":"Recipient","SuppressSending":true,
			"SuppressionReason":"ManualSuppression","Metadata":{}}`, []string{"withdrawn newsletter 2026-11-19T10:53:34Z"}},
		"postmark: a suppression is lifted": {"postmark", `{"RecordType":"SubscriptionChange","Recipient":"ann@example.com","Origin":"Customer","SuppressSending":false}`, nil},
		"mailgun: a bounce": {"mailgun", `{"event":"failed","severity":"permanent","reason":"bounce","id":"G9Bn5sl1TC6nu79C8C0bwg",
			"timestamp":1763600000.529654,"recipient":"ann@example.com","delivery-status":{"code":550,"bounce-type":"hard"}}`, []string{"bounced 2025-11-20T00:53:20Z"}},
		"mailgun: a soft bounce that it gave up": {"mailgun", `{"event":"failed","severity":"permanent","reason":"bounce","recipient":"ann@example.com","delivery-status":{"bounce-type":"soft"}}`, nil},
		"mailgun: for now":                       {"mailgun", `{"event":"failed","severity":"temporary","reason":"bounce","recipient":"ann@example.com"}`, nil},
		"mailgun: complained":                    {"mailgun", `{"event":"complained","id":"x","timestamp":1763600000.1,"recipient":"ann@example.com"}`, []string{"complained * 2025-11-20T00:53:20Z"}},
		"mailgun: unsubscribed from a list": {"mailgun", `{"event":"unsubscribed","id":"x","timestamp":1763600000.1,"recipient":"ann@example.com",
			"mailing-list":{"address":"news@lists.example.com"}}`, []string{"withdrawn newsletter 2025-11-20T00:53:20Z"}},
		"brevo: a hard bounce": {"brevo", `{"event":"hard_bounce","email":"ann@example.com","id":26224,"date":"2026-11-19 00:00:00","ts":1763600000,
			"message-id":"<2026@relay>","ts_event":1763600001,"reason":"server is down"}`, []string{"bounced 2025-11-20T00:53:21Z"}},
		"brevo: blocked for whatever reason": {"brevo", `{"event":"blocked","email":"ann@example.com"}`, nil},
		"brevo: spam":                        {"brevo", `{"event":"spam","email":"ann@example.com","ts_event":1763600000}`, []string{"complained * 2025-11-20T00:53:20Z"}},
		"brevo: unsubscribed by a receipt":   {"brevo", `{"event":"unsubscribed","email":"ann@example.com","ts_event":1763600000}`, []string{everything + " 2025-11-20T00:53:20Z"}},
		"brevo: unsubscribed from lists": {
			"brevo", `{"event":"unsubscribe","email":"ann@example.com","list_id":[7],"camp_id":5,"ts_event":1763600000}`,
			[]string{"withdrawn newsletter 2025-11-20T00:53:20Z"},
		},
		"brevo: added to a list": {
			"brevo", `{"event":"list_addition","email":["ann@example.com","bob@example.com"],"list_id":[7],"ts":1763600000}`,
			[]string{"granted newsletter imported 2025-11-20T00:53:20Z"},
		},
		"mailchimp: unsubscribed": {"mailchimp", form("type", "unsubscribe", "fired_at", "2026-11-19 21:40:57", "data[action]", "unsub",
			"data[reason]", "manual", "data[email]", "ann@example.com", "data[list_id]", "a1b2"), []string{"withdrawn newsletter 2026-11-19T21:40:57Z"}},
		"mailchimp: left with a complaint": {"mailchimp", form("type", "unsubscribe", "fired_at", "2026-11-19 21:40:57", "data[reason]", "abuse",
			"data[email]", "ann@example.com"), []string{"complained * 2026-11-19T21:40:57Z"}},
		"mailchimp: cleaned": {
			"mailchimp", form("type", "cleaned", "fired_at", "2026-11-19 21:40:57", "data[reason]", "hard", "data[email]", "ann@example.com"),
			[]string{"bounced 2026-11-19T21:40:57Z"},
		},
		"mailchimp: subscribed": {"mailchimp", form("type", "subscribe", "fired_at", "2026-11-19 21:40:57", "data[email]", "ann@example.com",
			"data[list_id]", "a1b2", "data[ip_opt]", "192.0.2.1"), []string{"granted newsletter passive 2026-11-19T21:40:57Z"}},
		"mailchimp: another address": {"mailchimp", form("type", "upemail", "data[new_email]", "ann@example.com", "data[old_email]", "bob@example.com"), nil},
		"mautic: do not contact": {
			"mautic", `{"mautic.lead_channel_subscription_changed":[{"contact":{"id":5,"fields":{"core":{"email":{"value":"ann@example.com"}}}},
			"channel":"email","old_status":"contactable","new_status":"unsubscribed","timestamp":"2026-11-19T10:00:00+01:00"}]}`,
			[]string{"withdrawn newsletter 2026-11-19T09:00:00Z"},
		},
		"mautic: contactable again": {"mautic", `{"mautic.lead_channel_subscription_changed":{"contact":{"id":5,"fields":{"core":{"email":{"value":"ann@example.com"}}}},
			"channel":"email","new_status":"contactable","timestamp":"2026-11-19T10:00:00+00:00"}}`, []string{"granted newsletter double 2026-11-19T10:00:00Z"}},
		"mautic: by text message": {"mautic", `{"mautic.lead_channel_subscription_changed":[{"contact":{"fields":{"core":{"email":{"value":"ann@example.com"}}}},
			"channel":"sms","new_status":"unsubscribed"}]}`, nil},
		"mautic: something else": {"mautic", `{"mautic.page_on_hit":[{"hit":{}}]}`, nil},
		"listmonk: unsubscribed": {"listmonk", `{"event":"subscriber.unsubscribed","timestamp":"2026-11-19T10:00:00Z",
			"data":{"subscriber":{"id":1,"uuid":"u","email":"ann@example.com"},"list_ids":[3]}}`, []string{"withdrawn newsletter 2026-11-19T10:00:00Z"}},
		"listmonk: confirmed": {
			"listmonk", `{"event":"subscriber.optin_finish","timestamp":"2026-11-19T10:00:00Z","data":{"email":"ann@example.com","lists":[{"id":3}]}}`,
			[]string{"granted newsletter imported 2026-11-19T10:00:00Z"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if got := w.deliver(t, tt.provider, tt.body); got != 200 {
				t.Fatalf("answered %d: %s", got, w.log)
			}
			if got := w.deliver(t, tt.provider, tt.body); got != 200 {
				t.Fatalf("the second time answered %d", got)
			}
			if diff := cmp.Diff(tt.want, w.said(t, "ann@example.com")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if len(w.counts) > 0 {
				t.Errorf("counted %v", w.counts)
			}
		})
	}
}

func form(fields ...string) string {
	v := make(url.Values)
	for i := 0; i+1 < len(fields); i += 2 {
		v.Set(fields[i], fields[i+1])
	}
	return v.Encode()
}
