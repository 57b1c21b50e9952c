package hooks_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/unsub/hooks"
)

// unsubscribed is a report of each provider that somebody says no.
func unsubscribed() map[string]string {
	return map[string]string{
		"ses": `{"eventType":"Subscription","mail":{"destination":["ann@example.com"]},
			"subscription":{"timestamp":"2026-11-18T10:00:00Z","newTopicPreferences":{"unsubscribeAll":true}}}`,
		"sendgrid":  `[{"email":"ann@example.com","timestamp":1763600000,"event":"unsubscribe","sg_event_id":"e1"}]`,
		"postmark":  `{"RecordType":"SpamComplaint","ID":42,"Email":"ann@example.com","BouncedAt":"2026-11-19T16:33:54Z"}`,
		"mailgun":   `{"event":"unsubscribed","id":"x","timestamp":1763600000.1,"recipient":"ann@example.com"}`,
		"brevo":     `{"event":"unsubscribed","email":"ann@example.com","ts_event":1763600000}`,
		"mailchimp": form("type", "unsubscribe", "fired_at", "2026-11-19 21:40:57", "data[email]", "ann@example.com"),
		"mautic": `{"mautic.lead_channel_subscription_changed":[{"contact":{"id":5,"fields":{"core":{"email":{"value":"ann@example.com"}}}},
			"channel":"email","new_status":"unsubscribed","timestamp":"2026-11-19T10:00:00+01:00"}]}`,
		"listmonk": `{"event":"subscriber.unsubscribed","timestamp":"2026-11-19T10:00:00Z","data":{"email":"ann@example.com"}}`,
	}
}

func TestWhatTheProviderDidNotMakeIsRefusedAndCounted(t *testing.T) {
	t.Parallel()
	wrong := base64.StdEncoding.EncodeToString([]byte("a signature, but not theirs"))
	said := unsubscribed()
	for name, send := range map[string]func(w world) int{
		"sendgrid without a signature": func(w world) int { return w.post("/hooks/sendgrid", said["sendgrid"]) },
		"sendgrid with another's": func(w world) int {
			return w.post("/hooks/sendgrid", said["sendgrid"], "X-Twilio-Email-Event-Webhook-Timestamp", "1", "X-Twilio-Email-Event-Webhook-Signature", wrong)
		},
		"sendgrid with one for another body": func(w world) int { return w.post("/hooks/sendgrid", said["sendgrid"], w.signSendGrid(t, "[]")...) },
		"postmark without the header":        func(w world) int { return w.post("/hooks/postmark", said["postmark"]) },
		"postmark with a wrong one":          func(w world) int { return w.post("/hooks/postmark", said["postmark"], "X-Gate-Key", secret+"x") },
		"mailgun with another's signature": func(w world) int {
			return w.post("/hooks/mailgun", strings.Replace(mailgun(said["mailgun"], noon().Unix()), `"token":"`, `"token":"0`, 1))
		},
		"mailgun without one": func(w world) int { return w.post("/hooks/mailgun", `{"event-data":`+said["mailgun"]+`}`) },
		"mailgun of last week": func(w world) int {
			return w.post("/hooks/mailgun", mailgun(said["mailgun"], noon().Add(-8*24*time.Hour).Unix()))
		},
		"brevo without a token":              func(w world) int { return w.post("/hooks/brevo", said["brevo"]) },
		"brevo with the token as a password": func(w world) int { return w.post("/hooks/brevo", said["brevo"], "Authorization", "Basic "+secret) },
		"mailchimp with a wrong URL":         func(w world) int { return w.post("/hooks/mailchimp/"+secret+"x", said["mailchimp"]) },
		"mautic without a signature":         func(w world) int { return w.post("/hooks/mautic", said["mautic"]) },
		"mautic with another's":              func(w world) int { return w.post("/hooks/mautic", said["mautic"], "Webhook-Signature", wrong) },
		"listmonk without a signature":       func(w world) int { return w.post("/hooks/listmonk", said["listmonk"]) },
		"ses without a signature": func(w world) int {
			return w.post("/hooks/ses", `{"Type":"Notification","TopicArn":"`+topic+`","Message":"{}","SigningCertURL":"`+certificate+`"}`)
		},
		"ses of a topic that is not ours": func(w world) int {
			return w.post("/hooks/ses", w.sns.sign(t, notification(said["ses"]).with("TopicArn", topic+"2")))
		},
		"ses with a changed message": func(w world) int {
			return w.post("/hooks/ses", strings.Replace(w.sns.sign(t, notification(said["ses"])), "ann@", "bob@", 1))
		},
		"ses of a type that nobody knows": func(w world) int {
			return w.post("/hooks/ses", w.sns.sign(t, notification(said["ses"]).with("Type", "Other")))
		},
		"ses with a signature version unknown": func(w world) int {
			return w.post("/hooks/ses", w.sns.sign(t, notification(said["ses"]).with("SignatureVersion", "3")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			if got := send(w); got != http.StatusUnauthorized {
				t.Errorf("answered %d, want 401", got)
			}
			if w.counts[gate.CountForged] != 1 || len(w.said(t, "ann@example.com"))+len(w.said(t, "bob@example.com")) > 0 {
				t.Errorf("counted %v", w.counts)
			}
		})
	}
}

func TestWhoIsNotConfiguredOrAsksOtherwise(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for target, want := range map[string]int{
		"POST /hooks/sparkpost":               404,
		"POST /hooks/mailchimp":               404, // the URL is all that it proves itself by
		"POST /hooks/ses/" + secret:           404,
		"POST /hooks/":                        404,
		"GET /hooks/ses":                      405,
		"PUT /hooks/mautic":                   405,
		"GET /hooks/mailchimp/" + secret:      200, // Mailchimp looks whether it is there
		"HEAD /hooks/mailchimp/" + secret:     200,
		"GET /hooks/mailchimp/" + secret[1:]:  401,
		"DELETE /hooks/mailchimp/" + secret:   405,
		"POST /hooks/mailchimp/" + secret[1:]: 401,
	} {
		method, path, _ := strings.Cut(target, " ")
		if got := w.do(httptest.NewRequest(method, path, nil)); got != want {
			t.Errorf("%s: %d, want %d", target, got, want)
		}
	}
	for path, want := range map[string]string{"/hooks/mautic": "POST", "/hooks/mailchimp/" + secret: "GET, HEAD, POST"} {
		rec := httptest.NewRecorder()
		if w.ServeHTTP(rec, httptest.NewRequest(http.MethodPut, path, nil)); rec.Header().Get("Allow") != want {
			t.Errorf("%s allows %q, want %q", path, rec.Header().Get("Allow"), want)
		}
	}
	none, err := hooks.New(hooks.Options{})
	if err != nil {
		t.Fatal(err)
	}
	rec := httptest.NewRecorder()
	if none.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/hooks/ses", nil)); rec.Code != 404 {
		t.Errorf("without any provider: %d, want 404", rec.Code)
	}
}

func TestBasicAuthenticationIsAProofToo(t *testing.T) {
	t.Parallel()
	basic := hooks.Source{Username: "gate", Password: secret}
	w := newWorld(t)
	if err := w.Reload(hooks.Settings{"postmark": basic, "brevo": basic, "listmonk": basic}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"postmark", "brevo", "listmonk"} {
		for _, tt := range []struct {
			user, password string
			want           int
		}{{"gate", secret, 200}, {"gate", "x", 401}, {"x", secret, 401}, {"", "", 401}} {
			r := httptest.NewRequest(http.MethodPost, "/hooks/"+name, strings.NewReader(unsubscribed()[name]))
			r.SetBasicAuth(tt.user, tt.password)
			if got := w.do(r); got != tt.want {
				t.Errorf("%s as %q: %d, want %d", name, tt.user, got, tt.want)
			}
		}
	}
}

func TestARefusalIsAnsweredOnceNothingCanLoseIt(t *testing.T) {
	t.Parallel()
	for name, body := range unsubscribed() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.refusals.full = true
			if got := w.deliver(t, name, body); got != http.StatusServiceUnavailable {
				t.Errorf("with a full journal: %d, want 503", got)
			}
			w.refusals.full, w.refusals.down = false, true
			if got := w.deliver(t, name, body); got != http.StatusAccepted {
				t.Errorf("journaled, with the store down: %d, want 202", got)
			}
			w.refusals.down = false
			if got := w.deliver(t, name, body); got != http.StatusOK {
				t.Errorf("stored: %d, want 200", got)
			}
			if got := w.said(t, "ann@example.com"); len(got) != 1 {
				t.Errorf("events %q, want one", got)
			}
		})
	}
}

func TestWhatIsNoRefusalWaitsForTheStore(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.refusals.down = true
	batch := `[{"email":"ann@example.com","event":"unsubscribe","sg_event_id":"1"},{"email":"bob@example.com","event":"bounce","sg_event_id":"2"}]`
	w.store.Fail(errDown)
	if got := w.deliver(t, "sendgrid", batch); got != http.StatusServiceUnavailable {
		t.Errorf("%d, want 503: the provider has to send it again", got)
	}
	w.store.Fail(nil)
	w.refusals.down = false
	if got := w.deliver(t, "sendgrid", batch); got != http.StatusOK {
		t.Errorf("%d, want 200", got)
	}
	if got := [2]int{len(w.said(t, "ann@example.com")), len(w.said(t, "bob@example.com"))}; got != [2]int{1, 1} {
		t.Errorf("events %v, want one each", got)
	}
}

func TestOneBadReportDoesNotLoseTheOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	got := w.deliver(t, "sendgrid", `[{"email":"not an address","event":"unsubscribe"},{"email":["x"],"event":"unsubscribe"},"?",
		{"event":"spamreport"},{"email":"ann@example.com","event":"unsubscribe"},null]`)
	if got != 200 || len(w.said(t, "ann@example.com")) != 1 || w.counts[gate.CountUnreadable] != 4 {
		t.Errorf("answered %d, counted %v", got, w.counts)
	}
	if text := w.log.String(); strings.Contains(text, "not an address") || !strings.Contains(text, "reports=2") {
		t.Errorf("log %s", text)
	}
}

func TestWhatIsSignedButNoReportIsRefusedAndCounted(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"sendgrid", "postmark", "brevo", "mautic", "listmonk"} {
		w := newWorld(t)
		if got := w.deliver(t, name, `"nonsense`); got != http.StatusBadRequest || w.counts[gate.CountUnreadable] != 1 {
			t.Errorf("%s: %d, counted %v, want 400", name, got, w.counts)
		}
	}
	w := newWorld(t)
	if got := w.post("/hooks/ses", "Successfully validated"); got != http.StatusBadRequest {
		t.Errorf("raw message delivery: %d, want 400", got)
	}
}

func TestNobodysAddressIsLogged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.refusals.full = true
	for name, body := range unsubscribed() {
		w.deliver(t, name, body)
		w.post("/hooks/"+name, body)
	}
	if text := w.log.String(); strings.Contains(text, "ann") || strings.Contains(text, secret) {
		t.Errorf("log %s", text)
	}
}

// What a provider quotes of a mail server often holds the address, and an event's note is not sealed.
func TestNoNoteHoldsAnAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, body := range map[string]string{
		"sendgrid": `[{"email":"ann@example.com","event":"bounce","reason":"550 5.1.1 <ann@example.com>: unknown","sg_event_id":"1"}]`,
		"brevo":    `{"event":"hard_bounce","email":"ann@example.com","reason":"550 5.1.1 <ann@example.com>: unknown"}`,
		"mailgun":  `{"event":"failed","severity":"permanent","reason":"bounce","id":"ann@example.com","recipient":"ann@example.com"}`,
		"postmark": `{"RecordType":"SubscriptionChange","Recipient":"ann@example.com","Origin":"ann@example.com","SuppressSending":true}`,
	} {
		if got := w.deliver(t, name, body); got != 200 {
			t.Errorf("%s: %d", name, got)
		}
	}
	if got := len(w.said(t, "ann@example.com")); got != 4 {
		t.Errorf("%d events, want 4", got)
	}
	for p, err := range w.store.Persons(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if text := fmt.Sprintf("%+v", p.Events); strings.Contains(text, "ann@") {
			t.Errorf("in clear: %s", text)
		}
	}
}

func TestAFloodOfForgedRequestsDoesNotFillTheLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 100 {
		w.post("/hooks/sendgrid", "[]")
	}
	if got := strings.Count(w.log.String(), "\n"); got != 1 || w.counts[gate.CountForged] != 100 {
		t.Errorf("%d lines, counted %v, want one line for 100 requests", got, w.counts)
	}
}

// A subscription that a list manager reports is worth no more than it can show, and never reopens a refusal: only the
// person does, by confirming.
func TestASubscriptionNeverReopensARefusal(t *testing.T) {
	t.Parallel()
	for provider, subscribed := range map[string]string{
		"mailchimp": form("type", "subscribe", "fired_at", "2026-11-20 11:00:00", "data[email]", "ann@example.com", "data[list_id]", "a1b2"),
		"mautic": `{"mautic.lead_channel_subscription_changed":[{"contact":{"id":5,"fields":{"core":{"email":{"value":"ann@example.com"}}}},
			"channel":"email","new_status":"contactable","timestamp":"2026-11-20T11:00:00+00:00"}]}`,
		"sendgrid": `[{"email":"ann@example.com","timestamp":1795172400,"event":"group_resubscribe","asm_group_id":4711}]`,
	} {
		w := newWorld(t)
		for _, body := range []string{unsubscribed()[provider], subscribed, subscribed} {
			if got := w.deliver(t, provider, body); got != 200 {
				t.Fatalf("%s: %d", provider, got)
			}
		}
		addr, err := gate.ParseAddress("ann@example.com")
		if err != nil {
			t.Fatal(err)
		}
		c := w.store.Records(t.Context(), []gate.ID{keys{}.ID(addr)})[0].Record.For("newsletter")
		if c.Refused.IsZero() || (c.State != gate.StateWithdrawn && c.State != gate.StateActivePending) {
			t.Errorf("%s: %+v, want the refusal to stand", provider, c)
		}
	}
}

func TestSettingsThatProveNothingAreRefused(t *testing.T) {
	t.Parallel()
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for want, s := range map[string]hooks.Settings{
		"hooks.ses: no topics":                                     {"ses": {}},
		"hooks.ses: a topic that":                                  {"ses": {Topics: []string{"feedback"}}},
		"hooks.sendgrid: no public_key":                            {"sendgrid": {}},
		"hooks.postmark: no secret":                                {"postmark": {}},
		"hooks.mailgun: no secret":                                 {"mailgun": {}},
		"hooks.brevo: no secret":                                   {"brevo": {Username: "gate"}},
		"hooks.mailchimp: the secret":                              {"mailchimp": {Secret: "short"}},
		"hooks.mautic: no secret":                                  {"mautic": {}},
		"hooks.listmonk: no secret":                                {"listmonk": {}},
		"hooks.mailgun: the secret has 15 characters and needs 16": {"mailgun": {Secret: secret[:15]}},
		"hooks.brevo: the password has 5 characters and needs 16":  {"brevo": {Username: "gate", Password: "short"}},
		"hooks.sparkpost: no such":                                 {"sparkpost": {Secret: secret}},
		"hooks.mautic: method active":                              {"mautic": {Secret: secret, Method: gate.MethodActive}},
		"hooks.mailgun: method double":                             {"mailgun": {Secret: secret, Method: gate.MethodDouble}},
	} {
		if err := s.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	w := newWorld(t)
	if err := w.Reload(hooks.Settings{"ses": {}}); err == nil {
		t.Error("reloaded with a source that proves nothing")
	}
	if got := w.deliver(t, "sendgrid", "[]"); got != 200 {
		t.Errorf("after a refused reload: %d, want the old settings", got)
	}
	if err := w.Reload(hooks.Settings{"sendgrid": {PublicKey: &other.PublicKey}}); err != nil {
		t.Fatal(err)
	}
	if got := [2]int{w.deliver(t, "sendgrid", "[]"), w.deliver(t, "mautic", "{}")}; got != [2]int{401, 404} {
		t.Errorf("after a reload: %v, want the new settings", got)
	}
}

func TestAPublicKeyIsReadAsSendGridShowsIt(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		text string
		good bool
	}{
		"P-256":            {publicKey(t, elliptic.P256()), true},
		"of another curve": {publicKey(t, elliptic.P384()), false},
		"none":             {"", false},
		"PEM":              {"-----BEGIN PUBLIC KEY-----", false},
		"no key":           {base64.StdEncoding.EncodeToString([]byte("key")), false},
	} {
		if _, err := hooks.ParsePublicKey(tt.text); (err == nil) != tt.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// publicKey is one in the form that SendGrid shows.
func publicKey(t *testing.T, curve elliptic.Curve) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(der)
}

func TestTheLogSaysWhereAForgedReportCameFrom(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	r := httptest.NewRequest(http.MethodPost, "/hooks/postmark", strings.NewReader("{}"))
	r.RemoteAddr = "192.0.2.7:4711"
	if got := w.do(r); got != http.StatusUnauthorized || !strings.Contains(w.log.String(), "from=192.0.2.7 ") {
		t.Errorf("answered %d, logged %s", got, w.log)
	}
}

// However near a guess is, the answer is the same one; secrets are compared whole and hashed, so its time is too.
func TestAWrongSecretHearsNothingOfHowWrongItIs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var first *httptest.ResponseRecorder
	for _, guess := range []string{"", "x", secret[:1], secret[:len(secret)-1], secret + "x", strings.ToUpper(secret), strings.Repeat("x", 8<<10)} {
		r := httptest.NewRequest(http.MethodPost, "/hooks/postmark", strings.NewReader(unsubscribed()["postmark"]))
		r.Header.Set("X-Gate-Key", guess)
		got := httptest.NewRecorder()
		w.ServeHTTP(got, r)
		if first == nil {
			first = got
		}
		if got.Code != http.StatusUnauthorized || got.Body.Len() > 0 || !reflect.DeepEqual(got.Header(), first.Header()) {
			t.Errorf("%.10q: answered %d %v %q", guess, got.Code, got.Header(), got.Body)
		}
	}
}
