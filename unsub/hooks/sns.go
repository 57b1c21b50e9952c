package hooks

import (
	"context"
	"crypto"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // signature version 1 of SNS, which is its default
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// The types of an SNS message.
const (
	snsNotification = "Notification"
	snsSubscribe    = "SubscriptionConfirmation"
	snsUnsubscribe  = "UnsubscribeConfirmation"
)

// snsMessage is what SNS posts, whatever it is about.
type snsMessage struct {
	Type             string
	MessageID        string `json:"MessageId"`
	Token            string
	TopicARN         string `json:"TopicArn"`
	Subject          *string
	Message          string
	Timestamp        string
	SubscribeURL     string
	SignatureVersion string
	Signature        string
	SigningCertURL   string
}

// parseSNS reads a message of one of the topics.
func parseSNS(body []byte, topics []string) (snsMessage, error) {
	var m snsMessage
	if err := json.Unmarshal(body, &m); err != nil {
		return m, fmt.Errorf("%w: no JSON object (raw message delivery has to be off)", errUnreadable)
	}
	if !slices.Contains(topics, m.TopicARN) {
		return m, fmt.Errorf("%w: the topic is not in the configuration", errForged)
	}
	return m, nil
}

// snsHosts is where SNS keeps its certificates and confirms subscriptions: sns.REGION.amazonaws.com.
var snsHosts = regexp.MustCompile(`^sns\.([a-z0-9-]{3,32})\.amazonaws\.com(\.cn)?$`)

// snsURL reads a URL that is SNS's own, of the region that the topic is in.
func (m snsMessage) snsURL(s string) (*url.URL, bool) {
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" || u.User != nil || u.Fragment != "" {
		return nil, false
	}
	host := snsHosts.FindStringSubmatch(u.Host)
	arn := strings.Split(m.TopicARN, ":")
	return u, host != nil && len(arn) == 6 && host[1] == arn[3]
}

// verify checks the signature with the certificate that the message names.
func (m snsMessage) verify(ctx context.Context, c *certificates) error {
	u, ok := m.snsURL(m.SigningCertURL)
	if !ok || !strings.HasSuffix(u.Path, ".pem") || u.RawQuery != "" {
		return fmt.Errorf("%w: the certificate is not at SNS", errForged)
	}
	signature, err := base64.StdEncoding.DecodeString(m.Signature)
	text := m.signed()
	if err != nil || text == "" {
		return fmt.Errorf("%w: no signature, or a message of no known type", errForged)
	}
	key, err := c.key(ctx, u.String())
	if err != nil {
		return err
	}
	if !m.signedBy(key, text, signature) {
		return fmt.Errorf("%w: wrong signature", errForged)
	}
	return nil
}

func (m snsMessage) signedBy(key *rsa.PublicKey, text string, signature []byte) bool {
	switch m.SignatureVersion {
	case "1":
		sum := sha1.Sum([]byte(text)) //nolint:gosec // see the import
		return rsa.VerifyPKCS1v15(key, crypto.SHA1, sum[:], signature) == nil
	case "2":
		sum := sha256.Sum256([]byte(text))
		return rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
	}
	return false
}

// signed is the text that SNS signs: certain fields by name, a line each, in the order of the alphabet.
func (m snsMessage) signed() string {
	var b strings.Builder
	line := func(name, value string) { b.WriteString(name + "\n" + value + "\n") }
	line("Message", m.Message)
	line("MessageId", m.MessageID)
	switch m.Type {
	case snsNotification:
		if m.Subject != nil {
			line("Subject", *m.Subject)
		}
		line("Timestamp", m.Timestamp)
	case snsSubscribe, snsUnsubscribe:
		line("SubscribeURL", m.SubscribeURL)
		line("Timestamp", m.Timestamp)
		line("Token", m.Token)
	default:
		return ""
	}
	line("TopicArn", m.TopicARN)
	line("Type", m.Type)
	return b.String()
}

// subscribe follows the URL that confirms a subscription, which must be SNS's, and about this topic.
func (m snsMessage) subscribe(ctx context.Context, c *certificates) error {
	u, ok := m.snsURL(m.SubscribeURL)
	if !ok {
		return fmt.Errorf("%w: the subscription is not at SNS", errForged)
	}
	if q := u.Query(); q.Get("Action") != "ConfirmSubscription" || q.Get("TopicArn") != m.TopicARN {
		return fmt.Errorf("%w: the URL confirms something else", errForged)
	}
	_, err := c.get(ctx, u.String())
	return err
}
