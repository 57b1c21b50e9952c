package inbound_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/unsub"
	"github.com/consentgate/consentgate/unsub/inbound"
)

// fixedKeys make the same tokens in every run, so that seeds stay genuine.
type fixedKeys struct{}

func (fixedKeys) TokenKeyID() byte { return 1 }

func (fixedKeys) MAC(keyID byte, data []byte) ([]byte, bool) {
	mac := hmac.New(sha256.New, []byte("fixed"))
	_, _ = mac.Write(data)
	return mac.Sum(nil), keyID == 1
}

// FuzzReport: whatever is sent to the address of the feedback loops, nobody is refused mail but for a genuine token, and
// nothing that a stranger wrote gets further than a host's name and a kind of a closed set.
func FuzzReport(f *testing.F) {
	tokens, ann := unsub.Tokens{Keys: fixedKeys{}}, gate.ID{1}
	links, err := unsub.NewLinks(tokens, "https://u.example.com", "u.example.com")
	if err != nil {
		f.Fatal(err)
	}
	fill := strings.NewReplacer("{https}", links.URL(ann, "weekly"), "{mailto}", links.Mailto(ann, "weekly"))
	files, err := filepath.Glob("testdata/reports/*.eml")
	if err != nil || len(files) == 0 {
		f.Fatalf("no samples: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(fill.Replace(string(text))))
	}
	f.Add([]byte("Content-Type: multipart/report; report-type=feedback-report; boundary=\"\"\r\n\r\n--\r\n\r\n----\r\n"))
	f.Add([]byte("Content-Type: message/rfc822\r\n\r\nList-Unsubscribe: <<" + links.URL(ann, "weekly") + ">"))
	f.Add([]byte("Content-Type: message/rfc822\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nList-Unsubscribe:\r\n\t<" + links.URL(ann, "weekly") + ">\r\n"))
	kinds := []string{"abuse", "fraud", "virus", "other", "not-spam", "opt-out", "auth-failure", "returned message"}
	f.Fuzz(func(t *testing.T, message []byte) {
		got := inbound.Judge(message, links)
		if got.Refusal && (got.Token.ID != ann || got.Token.Kind != unsub.TokenUnsubscribe) {
			t.Errorf("a refusal by the token %+v", got.Token)
		}
		if !slices.Contains(kinds, got.Kind) {
			t.Errorf("kind %q", got.Kind)
		}
		if strings.Trim(got.Reporter, ".-0123456789abcdefghijklmnopqrstuvwxyz") != "" {
			t.Errorf("reporter %q", got.Reporter)
		}
	})
}
