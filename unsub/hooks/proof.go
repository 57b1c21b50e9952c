package hooks

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// same compares in a time that tells nothing of either, not even the lengths.
func same(got, want string) bool {
	a, b := sha256.Sum256([]byte(got)), sha256.Sum256([]byte(want))
	return want != "" && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// checkMAC compares with the HMAC-SHA256 of the parts one after another.
func (s Source) checkMAC(got []byte, parts ...[]byte) error {
	mac := hmac.New(sha256.New, []byte(s.Secret))
	for _, p := range parts {
		mac.Write(p)
	}
	if s.Secret == "" || !hmac.Equal(got, mac.Sum(nil)) {
		return fmt.Errorf("%w: wrong or missing signature", errForged)
	}
	return nil
}

// checkURL compares the end of the URL.
func (s Source) checkURL(r *http.Request) error {
	if !same(r.PathValue("secret"), s.Secret) {
		return fmt.Errorf("%w: wrong secret in the URL", errForged)
	}
	return nil
}

// checkCredentials takes what the source has: name and password, a bearer token, or a header with a secret.
func (s Source) checkCredentials(r *http.Request) error {
	ok := false
	switch {
	case s.Username != "":
		name, password, _ := r.BasicAuth()
		// Both are compared, so that the time says nothing of the name.
		ok = same(name, s.Username)
		ok = same(password, s.Password) && ok
	case s.Header != "":
		ok = same(r.Header.Get(s.Header), s.Secret)
	default:
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		ok = same(token, s.Secret) && strings.EqualFold(scheme, "Bearer")
	}
	if !ok {
		return fmt.Errorf("%w: wrong or missing credentials", errForged)
	}
	return nil
}

// ParsePublicKey reads SendGrid's verification key: a P-256 public key, PKIX in base64.
func ParsePublicKey(s string) (*ecdsa.PublicKey, error) {
	der, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, errors.New("is no key in base64")
	}
	key, err := x509.ParsePKIXPublicKey(der)
	if err != nil {
		return nil, errors.New("is no public key")
	}
	if ec, ok := key.(*ecdsa.PublicKey); ok && ec.Curve == elliptic.P256() {
		return ec, nil
	}
	return nil, errors.New("is no key of the curve P-256")
}
