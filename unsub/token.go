package unsub

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/consentgate/consentgate/gate"
)

// ErrBadToken: not one of our tokens. It says no more, to whoever asks.
var ErrBadToken = errors.New("bad token")

// TokenKind is what a token is good for. Unsubscribe never grants: mails get forwarded.
type TokenKind byte

// The token kinds.
const (
	TokenUnsubscribe  TokenKind = 1
	TokenPreferences  TokenKind = 2
	TokenConfirmation TokenKind = 3
	// TokenCanary is for Canary.
	TokenCanary TokenKind = 15
)

// A token is 37 octets: version and kind (4 bits each) | number of the token key (1) | recipient id (16) | stream
// code (4) | MAC of all that, truncated (15). It holds no personal data and does not expire: people use old mails.
const (
	tokenVersion = 1

	idAt      = 2
	streamAt  = idAt + len(gate.ID{})
	macAt     = streamAt + streamCodeSize
	tokenSize = macAt + 15

	streamCodeSize = 4

	urlLength   = 50 // base64url
	localLength = 60 // base32, within the 64 of a local part (RFC 5321 section 4.5.3.1.1)
)

// Token is what a verified token says.
type Token struct {
	Kind   TokenKind
	ID     gate.ID
	Stream string // its StreamCode
}

// Keys are the token keys: MAC is HMAC-SHA256 by the key of that number, false where there is none.
type Keys interface {
	TokenKeyID() byte
	MAC(keyID byte, data []byte) ([]byte, bool)
}

// Tokens makes and checks tokens.
type Tokens struct {
	Keys Keys
}

// StreamCode stands for a stream in a token: the first four octets of the SHA-256 of its name, in hex.
func StreamCode(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:streamCodeSize])
}

// Make returns the token for a URL: 50 characters of base64url.
func (t Tokens) Make(id gate.ID, stream string, kind TokenKind) string {
	return string(t.append(make([]byte, 0, urlLength), id, stream, kind))
}

func (t Tokens) append(b []byte, id gate.ID, stream string, kind TokenKind) []byte {
	raw := t.raw(id, stream, kind)
	return base64.RawURLEncoding.AppendEncode(b, raw[:])
}

// MakeLocalPart returns the token for the local part of a mailto: 60 characters of lower-case base32, since clients
// change the case of addresses.
func (t Tokens) MakeLocalPart(id gate.ID, stream string, kind TokenKind) string {
	raw := t.raw(id, stream, kind)
	return strings.ToLower(mailEncoding().EncodeToString(raw[:]))
}

func mailEncoding() *base32.Encoding { return base32.StdEncoding.WithPadding(base32.NoPadding) }

func (t Tokens) raw(id gate.ID, stream string, kind TokenKind) [tokenSize]byte {
	var raw [tokenSize]byte
	raw[0] = tokenVersion<<4 | byte(kind)
	raw[1] = t.Keys.TokenKeyID()
	copy(raw[idAt:], id[:])
	code := sha256.Sum256([]byte(stream))
	copy(raw[streamAt:macAt], code[:])
	mac, _ := t.Keys.MAC(raw[1], raw[:macAt]) // the key to sign with is always there
	copy(raw[macAt:], mac)
	return raw
}

// Parse verifies a token in either form, in constant time. Its only error is ErrBadToken.
func (t Tokens) Parse(s string) (Token, error) {
	raw, ok := decode(s)
	if !ok || raw[0]>>4 != tokenVersion {
		return Token{}, ErrBadToken
	}
	mac, ok := t.Keys.MAC(raw[1], raw[:macAt])
	if !ok || subtle.ConstantTimeCompare(mac[:tokenSize-macAt], raw[macAt:]) != 1 {
		return Token{}, ErrBadToken
	}
	return Token{
		Kind:   TokenKind(raw[0] & 0x0f),
		ID:     gate.ID(raw[idAt:streamAt]),
		Stream: hex.EncodeToString(raw[streamAt:macAt]),
	}, nil
}

// Ref names a token in evidence without being one. Both forms of a token have the same name, so that what came by mail
// can be taken back on the page of the link.
func Ref(token string) string {
	if raw, ok := decode(token); ok {
		token = base64.RawURLEncoding.EncodeToString(raw)
	}
	sum := sha256.Sum256([]byte(token))
	return "token " + hex.EncodeToString(sum[:8])
}

// decode accepts exactly what Make and MakeLocalPart write, the latter in any case.
func decode(s string) (raw []byte, ok bool) {
	var err error
	switch len(s) {
	case urlLength:
		raw, err = base64.RawURLEncoding.Strict().DecodeString(s)
	case localLength:
		s = strings.ToUpper(s)
		raw, err = mailEncoding().DecodeString(s)
		ok = mailEncoding().EncodeToString(raw) == s // base32 has no strict mode
		return raw, err == nil && ok
	}
	return raw, err == nil && len(raw) == tokenSize
}
