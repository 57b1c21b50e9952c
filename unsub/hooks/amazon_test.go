package hooks_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // signature version 1 of SNS
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	topic       = "arn:aws:sns:eu-west-1:123456789012:feedback"
	certificate = "https://sns.eu-west-1.amazonaws.com/SimpleNotificationService-0123456789abcdef.pem"
)

// amazon is an SNS of our own: it signs, and serves its certificate.
type amazon struct {
	key  *rsa.PrivateKey
	cert []byte // PEM

	mu      sync.Mutex
	fetched []string
	err     error
}

// amazonKey is one for all tests: making it takes a while.
var amazonKey = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func newAmazon(t testing.TB) *amazon {
	t.Helper()
	key, err := amazonKey()
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sns.amazonaws.com"},
		NotBefore: noon().Add(-time.Hour), NotAfter: noon().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &amazon{key: key, cert: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

func (a *amazon) fetch(_ context.Context, url string) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.fetched = append(a.fetched, url)
	if strings.HasSuffix(url, ".pem") {
		return a.cert, a.err
	}
	return []byte("<ConfirmSubscriptionResponse/>"), a.err
}

func (a *amazon) fetches() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return strings.Join(a.fetched, " ")
}

// message is the fields of a message of SNS.
type message map[string]string

// notification wraps what SES says.
func notification(text string) message {
	return message{
		"Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": topic, "Message": text,
		"Timestamp": "2026-11-18T09:00:00.000Z", "SignatureVersion": "2", "SigningCertURL": certificate,
		"UnsubscribeURL": "https://sns.eu-west-1.amazonaws.com/?Action=Unsubscribe",
	}
}

func confirmation() message {
	m := notification("You have chosen to subscribe to the topic.")
	m["Type"], m["Token"] = "SubscriptionConfirmation", "2336412f37"
	m["SubscribeURL"] = "https://sns.eu-west-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=" + topic + "&Token=2336412f37"
	return m
}

// with is the message with other fields, in turn.
func (m message) with(fields ...string) message {
	out := maps.Clone(m)
	for i := 0; i+1 < len(fields); i += 2 {
		out[fields[i]] = fields[i+1]
	}
	return out
}

// sign is the body that SNS would post.
func (a *amazon) sign(t testing.TB, m message) string {
	t.Helper()
	fields := []string{"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"}
	if m["Type"] != "Notification" {
		fields = []string{"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"}
	}
	var text strings.Builder
	for _, f := range fields {
		if v, ok := m[f]; ok {
			fmt.Fprintf(&text, "%s\n%s\n", f, v)
		}
	}
	m = m.with("Signature", a.signature(t, m["SignatureVersion"], text.String()))
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func (a *amazon) signature(t testing.TB, version, text string) string {
	t.Helper()
	hash, sum := crypto.SHA256, sha256.Sum256([]byte(text))
	digest := sum[:]
	if version == "1" {
		old := sha1.Sum([]byte(text)) //nolint:gosec // as above
		hash, digest = crypto.SHA1, old[:]
	}
	signature, err := rsa.SignPKCS1v15(rand.Reader, a.key, hash, digest)
	if err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(signature)
}
