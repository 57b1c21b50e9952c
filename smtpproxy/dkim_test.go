package smtpproxy_test

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// signer signs as example.com and has its public key in a DNS of its own.
type signer struct {
	name   string
	key    crypto.Signer
	record string
	canon  dkim.Canonicalization // of header and body
}

// signers are one for each key type and canonicalisation.
func signers(t *testing.T) []signer {
	t.Helper()
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	rsaPublic, err := x509.MarshalPKIXPublicKey(&small.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	edPublic, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var all []signer
	for _, canon := range []dkim.Canonicalization{dkim.CanonicalizationSimple, dkim.CanonicalizationRelaxed} {
		all = append(all,
			signer{"rsa " + string(canon), small, "v=DKIM1; k=rsa; p=" + base64.StdEncoding.EncodeToString(rsaPublic), canon},
			signer{"ed25519 " + string(canon), edwards, "v=DKIM1; k=ed25519; p=" + base64.StdEncoding.EncodeToString(edPublic), canon})
	}
	return all
}

// sign puts a signature over From and the fields of these names on top of a message.
func (s signer) sign(t *testing.T, message string, names ...string) string {
	t.Helper()
	var out bytes.Buffer
	err := dkim.Sign(&out, strings.NewReader(message), &dkim.SignOptions{
		Domain: "example.com", Selector: "s", Signer: s.key, HeaderKeys: append([]string{"From"}, names...),
		HeaderCanonicalization: s.canon, BodyCanonicalization: s.canon,
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// verify returns why a message's one signature does not hold, if so.
func (s signer) verify(t *testing.T, message []byte) error {
	t.Helper()
	all, err := dkim.VerifyWithOptions(bytes.NewReader(message), &dkim.VerifyOptions{
		LookupTXT: func(domain string) ([]string, error) {
			if domain != "s._domainkey.example.com" {
				return nil, fmt.Errorf("no record of %s", domain)
			}
			return []string{s.record}, nil
		},
	})
	if err != nil || len(all) != 1 {
		t.Fatalf("%d signatures, %v", len(all), err)
	}
	return all[0].Err
}

// headerOf reads the header of a message as the session does.
func headerOf(t *testing.T, message string) wire.Header {
	t.Helper()
	h, err := readHeader(message)
	if err != nil {
		t.Fatalf("%q: %v", message, err)
	}
	return h
}

func readHeader(message string) (wire.Header, error) {
	client := &script{in: strings.NewReader(message + ".\r\n")}
	return wire.ReadHeader(wire.NewConn(client, wire.Options{}).Content(), nil, wire.Limits{})
}

// script is a client that only sends.
type script struct {
	net.Conn
	in io.Reader
}

func (s *script) Read(p []byte) (int, error)       { return s.in.Read(p) }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }

// TestTheRuleAboutSignaturesIsThatOfAnIndependentVerifier tries every number of fields, of listings and of changes,
// against what go-msgauth says of the message afterwards.
func TestTheRuleAboutSignaturesIsThatOfAnIndependentVerifier(t *testing.T) {
	t.Parallel()
	const name = "List-Unsubscribe"
	for _, s := range signers(t) {
		for i := range 3 * 4 * 4 {
			present, listed, removes, adds := i%3, i/3%4, i/12%2 == 1, i/24 == 1
			var message strings.Builder
			message.WriteString("From: news@example.com\r\n")
			for n := range present {
				fmt.Fprintf(&message, "List-Unsubscribe:  <https://shop.example/%d>,\r\n  <mailto:u@shop.example>\r\nX-%d: x\r\n", n, n)
			}
			message.WriteString("Subject: hello\r\n\r\ntext\r\n")
			signed := s.sign(t, message.String(), append(slices.Repeat([]string{"LIST-unsubscribe"}, listed), "Subject")...)
			h := headerOf(t, signed)
			changed := h
			if removes {
				changed = h.Without(name)
			}
			if adds {
				changed.Raw = append([]byte("List-Unsubscribe: <https://u.example.com/u/x>\r\n"), changed.Raw...)
			}
			err := s.verify(t, append(bytes.Clone(changed.Raw), "text\r\n"...))
			if breaks := smtpproxy.BreaksSignature(h, name, removes, adds); breaks != (err != nil) {
				t.Errorf("%s: %d fields, %d times listed, removed %v, added %v: the rule says broken=%v, the verifier %v",
					s.name, present, listed, removes, adds, breaks, err)
			}
		}
	}
}

func TestNamesAreFoundInEveryFormOfTheHTag(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fields string
		breaks bool
	}{
		"plain":                          {"DKIM-Signature: v=1; h=From:List-Id; b=x\r\n", true},
		"first tag":                      {"DKIM-Signature: h=list-id\r\n", true},
		"any case, field and name":       {"dkim-signature: v=1; h=FROM:LIST-ID\r\n", true},
		"blanks around":                  {"DKIM-Signature: v=1 ; h = From : List-Id ; b=x\r\n", true},
		"folded around":                  {"DKIM-Signature: v=1;\r\n\th=From:\r\n\t List-Id\r\n\t; b=x\r\n", true},
		"folded between tag and sign":    {"DKIM-Signature: v=1; h\r\n =\r\n From:List-Id; b=x\r\n", true},
		"folded within the name":         {"DKIM-Signature: v=1; h=From:List-\r\n Id; b=x\r\n", true},
		"behind a dot":                   {".DKIM-Signature: v=1;\r\n. h=List-Id\r\n", true},
		"in the second of two":           {"DKIM-Signature: h=From\r\nDKIM-Signature: h=From:List-Id\r\n", true},
		"in the second of two tags":      {"DKIM-Signature: h=From; h=List-Id\r\n", true},
		"part of another name":           {"DKIM-Signature: h=From:List-Id2:X-List-Id\r\n", false},
		"in another tag":                 {"DKIM-Signature: h=From; z=List-Id; bh=List-Id; H=List-Id; i=h@List-Id\r\n", false},
		"in another field":               {"X-DKIM-Signature: h=List-Id\r\nDKIM-Signature-2: h=List-Id\r\n", false},
		"no tag at all":                  {"DKIM-Signature:\r\nDKIM-Signature: nonsense ; ; =\r\n", false},
		"empty list":                     {"DKIM-Signature: h=; b=x\r\nDKIM-Signature: h=:::\r\n", false},
		"a letter that only folds to it": {"DKIM-Signature: h=Li\u017ft-Id\r\n", false},
		"no signature":                   {"", false},
	} {
		if got := smtpproxy.BreaksSignature(headerOf(t, "From: a@b\r\n"+tc.fields+"\r\n"), "List-Id", false, true); got != tc.breaks {
			t.Errorf("%s: %v, want %v", name, got, tc.breaks)
		}
	}
}

func TestALongSignatureBehindNineHundredOthersCounts(t *testing.T) {
	t.Parallel()
	one := "DKIM-Signature: v=1; h=" + strings.Repeat("a:", 100) + "\r\n"
	long := "DKIM-Signature: v=1; h=" + strings.Repeat("\r\n a:", 10000) + "List-Id\r\n"
	h := headerOf(t, "From: a@b\r\n"+strings.Repeat(one, 900)+long+"\r\n")
	if !smtpproxy.BreaksSignature(h, "List-Id", false, true) {
		t.Error("the last name of the last signature was not seen")
	}
}
