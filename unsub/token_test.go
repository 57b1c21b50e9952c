package unsub_test

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/seal"
	"github.com/consentgate/consentgate/unsub"
)

func address(t testing.TB, s string) gate.Address {
	t.Helper()
	a, err := gate.ParseAddress(s)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func keys(t testing.TB, dir string) *seal.Keys {
	t.Helper()
	k, err := seal.Open(dir, seal.Options{MayCreate: true})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestTokenSaysWhatItWasMadeFor(t *testing.T) {
	t.Parallel()
	k := keys(t, t.TempDir())
	tokens, id := unsub.Tokens{Keys: k}, k.ID(address(t, "ann@example.com"))
	for name, kind := range map[string]unsub.TokenKind{
		"unsubscribe": unsub.TokenUnsubscribe, "preferences": unsub.TokenPreferences, "confirmation": unsub.TokenConfirmation,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want := unsub.Token{Kind: kind, ID: id, Stream: unsub.StreamCode("newsletter")}
			for form, text := range map[string]string{
				"url":                          tokens.Make(id, "newsletter", kind),
				"local part":                   tokens.MakeLocalPart(id, "newsletter", kind),
				"local part in another client": strings.ToUpper(tokens.MakeLocalPart(id, "newsletter", kind)),
			} {
				got, err := tokens.Parse(text)
				if err != nil {
					t.Fatalf("%s: %v", form, err)
				}
				if d := cmp.Diff(want, got); d != "" {
					t.Errorf("%s (-want +got):\n%s", form, d)
				}
			}
		})
	}
}

func TestTokenFormsFitTheirPlaces(t *testing.T) {
	t.Parallel()
	k := keys(t, t.TempDir())
	tokens, id := unsub.Tokens{Keys: k}, k.ID(address(t, "ann@example.com"))
	if text := tokens.Make(id, "n", unsub.TokenUnsubscribe); !regexp.MustCompile(`^[A-Za-z0-9_-]{50}$`).MatchString(text) {
		t.Errorf("url form %q", text)
	}
	text := tokens.MakeLocalPart(id, "n", unsub.TokenUnsubscribe)
	if !regexp.MustCompile(`^[a-z2-7]{60}$`).MatchString(text) {
		t.Errorf("local part form %q", text)
	}
}

func TestStreamCodeIsTheBeginningOfTheSHA256OfTheName(t *testing.T) {
	t.Parallel()
	if got := unsub.StreamCode("abc"); got != "ba7816bf" { // FIPS 180-2 appendix B.1
		t.Errorf("StreamCode(abc) = %s", got)
	}
}

func TestTokenWithOneBitChangedIsBad(t *testing.T) {
	t.Parallel()
	k := keys(t, t.TempDir())
	tokens := unsub.Tokens{Keys: k}
	raw, err := base64.RawURLEncoding.DecodeString(tokens.Make(gate.ID{1}, "newsletter", unsub.TokenUnsubscribe))
	if err != nil {
		t.Fatal(err)
	}
	for bit := range len(raw) * 8 {
		raw[bit/8] ^= 1 << (bit % 8)
		if tok, err := tokens.Parse(base64.RawURLEncoding.EncodeToString(raw)); !errors.Is(err, unsub.ErrBadToken) {
			t.Errorf("bit %d: %+v, %v", bit, tok, err)
		}
		raw[bit/8] ^= 1 << (bit % 8)
	}
}

func TestTextsThatAreNoTokenAreBad(t *testing.T) {
	t.Parallel()
	tokens := unsub.Tokens{Keys: keys(t, t.TempDir())}
	foreign := unsub.Tokens{Keys: keys(t, t.TempDir())}
	good := tokens.Make(gate.ID{1}, "newsletter", unsub.TokenUnsubscribe)
	local := tokens.MakeLocalPart(gate.ID{1}, "newsletter", unsub.TokenUnsubscribe)
	for name, text := range map[string]string{
		"nothing":              "",
		"cut short":            good[:49],
		"too long":             good + "A",
		"padded":               good[:49] + "=",
		"another alphabet":     "+" + good[1:],
		"a newline in it":      good[:25] + "\n" + good[26:],
		"of another gate":      foreign.Make(gate.ID{1}, "newsletter", unsub.TokenUnsubscribe),
		"a local part cut":     local[:59],
		"a local part changed": "7" + local[1:],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tok, err := tokens.Parse(text)
			if err != unsub.ErrBadToken || tok != (unsub.Token{}) { //nolint:errorlint // bare: no detail
				t.Errorf("Parse(%q) = %+v, %v, want the bare ErrBadToken", text, tok, err)
			}
		})
	}
}

func TestTokensOfRotatedKeysVerifyForEver(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	old := unsub.Tokens{Keys: keys(t, dir)}.Make(gate.ID{1}, "newsletter", unsub.TokenUnsubscribe)
	if _, err := seal.Rotate(dir, seal.TokenKey, rand.Reader, time.Now()); err != nil {
		t.Fatal(err)
	}
	tokens := unsub.Tokens{Keys: keys(t, dir)}
	if _, err := tokens.Parse(old); err != nil {
		t.Errorf("a token from before the rotation: %v", err)
	}
	if tokens.Make(gate.ID{1}, "newsletter", unsub.TokenUnsubscribe) == old {
		t.Error("the old key still signs")
	}
}

// fixedKeys signs with a key that does not change, so that seeds stay tokens.
type fixedKeys struct{}

func (fixedKeys) TokenKeyID() byte { return 7 }

func (fixedKeys) MAC(keyID byte, data []byte) ([]byte, bool) {
	mac := hmac.New(sha256.New, []byte("a key for tests"))
	mac.Write(data)
	return mac.Sum(nil), keyID == 7
}

// FuzzToken: whatever parses was made by us, in one of its two spellings.
func FuzzToken(f *testing.F) {
	tokens := unsub.Tokens{Keys: fixedKeys{}}
	f.Add(tokens.Make(gate.ID{1, 2, 3}, "newsletter", unsub.TokenUnsubscribe))
	f.Add(tokens.MakeLocalPart(gate.ID{1, 2, 3}, "newsletter", unsub.TokenConfirmation))
	f.Add(strings.Repeat("A", 50))
	f.Add(strings.Repeat("a", 60))
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		tok, err := tokens.Parse(s)
		if err != nil {
			return
		}
		if tok.Stream != unsub.StreamCode("newsletter") {
			t.Fatalf("%q parses as a token for a stream that none was made for: %+v", s, tok)
		}
		url, local := tokens.Make(tok.ID, "newsletter", tok.Kind), tokens.MakeLocalPart(tok.ID, "newsletter", tok.Kind)
		if s != url && !strings.EqualFold(s, local) {
			t.Errorf("%q is no spelling of the token that it parses as", s)
		}
	})
}

func BenchmarkMake(b *testing.B) {
	k := keys(b, b.TempDir())
	tokens, id := unsub.Tokens{Keys: k}, k.ID(address(b, "ann@example.com"))
	b.ReportAllocs()
	for b.Loop() {
		tokens.Make(id, "newsletter", unsub.TokenUnsubscribe)
	}
}
