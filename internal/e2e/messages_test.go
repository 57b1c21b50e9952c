package e2e_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"
)

// TestMessagesOfEveryKindReachTheMailboxAsTheyWere: by smtplib through the gate, which adds each recipient's own link on
// top, into Postfix's mailboxes.
func TestMessagesOfEveryKindReachTheMailboxAsTheyWere(t *testing.T) {
	t.Parallel()
	const head = "From: News <news@example.com>\r\nSubject: x\r\n\r\n"
	signed, lookup := dkimSigned(t, head+"..\r\nsigned  \r\n\r\n")
	both, ann := []string{"ann@example.com", "ben@example.com"}, []string{"ann@example.com"}
	messages := []struct {
		name, data string
		to         []string
	}{
		{"a header alone", strings.TrimSuffix(head, "\r\n"), both},
		{"a body of one octet", head + "x\r\n", both},
		{"8-bit and NUL", head + "Caf\xe9 \xff\x00\x00 end\r\n", both},
		{"lines of dots", head + ".\r\n..\r\n...\r\n.a\r\n\r\n.\r\n", both},
		{"lines of 100,000", head + strings.Repeat(strings.Repeat("x", 100_000)+"\r\n", 3), both},
		{"1,000 fields", strings.Repeat("X-Field: some value\r\n", 998) + head + "text\r\n", both},
		{"signed with DKIM", signed, both},
		{"25 MB", head + strings.Repeat("."+strings.Repeat("y", 997)+"\r\n", 26_214), ann},
	}
	box := startPostfix(t, "message_size_limit = 0", "mailbox_size_limit = 0", "virtual_mailbox_limit = 0")
	web := freeAddr(t)
	g := startGate(t, embedded(t), "--config", configFile(t, `
default_stream: newsletter
listeners: [{address: "127.0.0.1:0"}]
upstreams: [{address: "`+box.addr+`"}]
streams: {newsletter: {kind: marketing, purpose: marketing, unsubscribe: [https]}}
unsubscribe: {listen: "`+web+`", public_url: "http://`+web+`"}
`))
	for _, who := range both {
		g.grant(who, "active")
	}
	copies := 0
	for _, m := range messages {
		copies += len(m.to)
		o := smtplib(t, g.addr, envelope{From: sender, To: m.to, Data: []byte(m.data)})
		if o.Code != 250 || len(o.Refused) != 0 {
			t.Errorf("%s: smtplib: %+v", m.name, o)
		}
	}
	counted := map[string]int{}
	for _, d := range box.wait(copies) {
		name := ""
		for _, m := range messages {
			if bytes.HasSuffix(d.data, []byte("\r\n"+m.data)) {
				name = m.name
				unsubscribeLink(t, d.data)
			}
		}
		counted[d.to+", "+name]++
		if name == "signed with DKIM" {
			verifyDKIM(t, d.data, lookup)
		}
	}
	for _, m := range messages {
		for _, who := range m.to {
			if n := counted[who+", "+m.name]; n != 1 {
				t.Errorf("%s has %s %d times as it was sent, want once", who, m.name, n)
			}
		}
	}
}

// dkimSigned signs a message as example.com, and looks its key up.
func dkimSigned(t *testing.T, text string) (signed string, lookup func(string) ([]string, error)) {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	err = dkim.Sign(&out, strings.NewReader(text), &dkim.SignOptions{
		Domain: "example.com", Selector: "s", Signer: private, HeaderKeys: []string{"From", "Subject"},
		HeaderCanonicalization: dkim.CanonicalizationSimple, BodyCanonicalization: dkim.CanonicalizationSimple,
	})
	if err != nil {
		t.Fatal(err)
	}
	record := "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(public)
	return out.String(), func(string) ([]string, error) { return []string{record}, nil }
}

func verifyDKIM(t *testing.T, data []byte, lookup func(string) ([]string, error)) {
	t.Helper()
	all, err := dkim.VerifyWithOptions(bytes.NewReader(data), &dkim.VerifyOptions{LookupTXT: lookup})
	if err == nil && (len(all) != 1 || all[0].Err != nil) {
		err = fmt.Errorf("%d signatures, %+v", len(all), all)
	}
	if err != nil {
		t.Errorf("the signature does not hold any more: %v", err)
	}
}
