package seal

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
)

// signingFile holds the seed of the key that signs evidence, as one line of base64url.
const signingFile = "signing.key"

// Signer signs evidence with Ed25519 (RFC 8032).
type Signer struct{ key ed25519.PrivateKey }

// OpenSigner reads signing.key in dir. Where it is missing it is made if mayCreate says so; nothing in a store depends
// on it, so it may come later than the others. random is nil for crypto/rand. Errors wrap ErrNoKey or ErrBadKey.
func OpenSigner(dir string, mayCreate bool, random io.Reader) (*Signer, error) {
	if random == nil {
		random = rand.Reader
	}
	name := filepath.Join(dir, signingFile)
	text, err := read(name, othersHere)
	switch {
	case errors.Is(err, fs.ErrNotExist) && mayCreate:
		text, err = create(name, random, "", "")
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("%w: %s does not exist: `consentgate consent evidence` makes it", ErrNoKey, name)
	}
	if err != nil {
		return nil, err
	}
	seed, err := parseKey(name, strings.TrimSpace(text))
	if err != nil {
		return nil, err
	}
	return &Signer{ed25519.NewKeyFromSeed(seed)}, nil
}

// Public is the key that others verify with.
func (s *Signer) Public() ed25519.PublicKey { return s.key.Public().(ed25519.PublicKey) }

// Sign returns the 64 octets of the signature.
func (s *Signer) Sign(message []byte) []byte { return ed25519.Sign(s.key, message) }
