package hooks_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

func TestEverySignatureOfSNSIsRead(t *testing.T) {
	t.Parallel()
	for name, m := range map[string]message{
		"version 1":      notification(unsubscribed()["ses"]).with("SignatureVersion", "1"),
		"version 2":      notification(unsubscribed()["ses"]),
		"with a subject": notification(unsubscribed()["ses"]).with("Subject", "Amazon SES Email Event Notification"),
	} {
		w := newWorld(t)
		if got := w.post("/hooks/ses", w.sns.sign(t, m)); got != 200 || len(w.said(t, "ann@example.com")) != 1 {
			t.Errorf("%s: %d: %s", name, got, w.log)
		}
	}
}

func TestACertificateIsFetchedFromSNSAloneAndOnce(t *testing.T) {
	t.Parallel()
	for _, url := range []string{
		"http://sns.eu-west-1.amazonaws.com/x.pem",
		"https://sns.eu-west-1.amazonaws.com.example.com/x.pem",
		"https://sns.eu-west-1.amazonaws.com:8443/x.pem",
		"https://gate@sns.eu-west-1.amazonaws.com/x.pem",
		"https://sns.eu-west-1.amazonaws.com@example.com/x.pem",
		"https://sns.us-east-1.amazonaws.com/x.pem", // another region than the topic's
		"https://evil.sns.eu-west-1.amazonaws.com/x.pem",
		"https://s3.eu-west-1.amazonaws.com/x.pem",
		"https://sns.eu-west-1.amazonaws.com/x.pem?y=1",
		"https://sns.eu-west-1.amazonaws.com/x",
		"https://127.0.0.1/x.pem", "file:///etc/x.pem", "",
	} {
		w := newWorld(t)
		if got := w.post("/hooks/ses", w.sns.sign(t, notification("{}").with("SigningCertURL", url))); got != http.StatusUnauthorized || w.sns.fetches() != "" {
			t.Errorf("%s: %d, fetched %q", url, got, w.sns.fetches())
		}
	}
	w := newWorld(t)
	for range 3 {
		if got := w.deliver(t, "ses", unsubscribed()["ses"]); got != 200 {
			t.Fatalf("answered %d", got)
		}
	}
	if w.sns.fetches() != certificate {
		t.Errorf("fetched %q, want the certificate once", w.sns.fetches())
	}
}

// SNS does not repeat what was answered 4xx, so trouble on the way to the certificate must not be a 401.
func TestAMessageWhoseCertificateCannotBeHadIsPutOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.sns.err = errors.New("timeout")
	if got := w.deliver(t, "ses", unsubscribed()["ses"]); got != http.StatusServiceUnavailable {
		t.Errorf("%d, want 503", got)
	}
	w.sns.err, w.sns.cert = nil, []byte("<html>")
	if got := w.deliver(t, "ses", unsubscribed()["ses"]); got != http.StatusServiceUnavailable {
		t.Errorf("%d, want 503", got)
	}
	w.sns.cert = newAmazon(t).cert
	if got := w.deliver(t, "ses", unsubscribed()["ses"]); got != http.StatusOK || len(w.counts) > 0 {
		t.Errorf("%d, want 200", got)
	}
}

func TestASubscriptionOfOurTopicIsConfirmedAtSNSAlone(t *testing.T) {
	t.Parallel()
	genuine := confirmation()
	for name, tt := range map[string]struct {
		m    message
		want int
	}{
		"of our topic":            {genuine, 200},
		"of another topic":        {genuine.with("TopicArn", topic+"2"), 401},
		"at another host":         {genuine.with("SubscribeURL", "https://example.com/?Action=ConfirmSubscription&TopicArn="+topic), 401},
		"in the clear":            {genuine.with("SubscribeURL", strings.Replace(genuine["SubscribeURL"], "https", "http", 1)), 401},
		"that does another thing": {genuine.with("SubscribeURL", "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe&TopicArn="+topic), 401},
		"for another topic":       {genuine.with("SubscribeURL", "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=x"), 401},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if got := w.post("/hooks/ses", w.sns.sign(t, tt.m)); got != tt.want {
				t.Errorf("%d, want %d", got, tt.want)
			}
			if got := strings.Contains(w.sns.fetches(), "ConfirmSubscription"); got != (tt.want == 200) {
				t.Errorf("fetched %q", w.sns.fetches())
			}
			if got := strings.Contains(w.log.String(), "was confirmed"); got != (tt.want == 200) {
				t.Errorf("log %s", w.log)
			}
		})
	}
	w := newWorld(t)
	if got := w.post("/hooks/ses", w.sns.sign(t, genuine.with("Type", "UnsubscribeConfirmation"))); got != 200 || w.sns.fetches() != certificate {
		t.Errorf("an unsubscription: %d, fetched %q, want nothing followed", got, w.sns.fetches())
	}
}
