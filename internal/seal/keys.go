// Package seal holds the gate's three kinds of keys: the id key that turns an address into a recipient id, the token
// keys that sign tokens, and the encryption keys that seal the addresses a store keeps.
//
// The id key stays for the life of a store and is the same on every gate of that store. Token and encryption keys are
// numbered: the newest is used, the old ones stay for reading. The package reads and makes key files and computes; it
// stores nothing else and knows no consent. Any adapter may import it; of ours it imports gate only.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/consentgate/consentgate/gate"
)

// What a store keeps of an address (store_addresses).
const (
	AddressesEncrypted = "encrypted"
	AddressesPlain     = "plain"
	AddressesNone      = "none"
)

// Sentinels, wrapped with the file and what to do.
var (
	// ErrNoKey: a key file is missing and may not be made.
	ErrNoKey = errors.New("key is missing")
	// ErrBadKey: a key file holds something else, or others may read it.
	ErrBadKey = errors.New("key cannot be used")
	// ErrUnreadable: a sealed address was altered, or its key is not among ours.
	ErrUnreadable = errors.New("sealed address cannot be read")
	// ErrNotKept: the store keeps no address.
	ErrNotKept = errors.New("address is not kept")
)

// Options of Open.
type Options struct {
	IDKeyFile string    // the id key where it is not in the directory; never made
	Addresses string    // AddressesEncrypted (also when empty), AddressesPlain or AddressesNone
	MayCreate bool      // make the keys that are missing
	Rand      io.Reader // nil: crypto/rand
}

// Keys is the open keys. All methods may be called at the same time.
type Keys struct {
	addresses   string
	rand        io.Reader
	id          *macs
	fingerprint string
	tokens      ring[*macs]
	ciphers     ring[cipher.AEAD]
}

// ring is numbered keys, the newest of which is used.
type ring[K any] struct {
	newest byte
	keys   map[byte]K
}

// Open reads id.key, token.keys and seal.keys in dir and makes those that are missing if it may. Gates that start at
// the same time on one directory end with the same keys.
func Open(dir string, o Options) (*Keys, error) {
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	switch o.Addresses {
	case "":
		o.Addresses = AddressesEncrypted
	case AddressesEncrypted, AddressesPlain, AddressesNone:
	default:
		return nil, fmt.Errorf("store_addresses %q: want encrypted, plain or none", o.Addresses)
	}
	f, err := readFiles(dir, o)
	if err != nil {
		return nil, err
	}
	k := &Keys{addresses: o.Addresses, rand: o.Rand, id: newMACs(f.id)}
	k.fingerprint = fingerprint(k.id)
	if k.tokens, err = open(f.tokens, func(key []byte) (*macs, error) { return newMACs(key), nil }); err != nil {
		return nil, err
	}
	k.ciphers, err = open(f.seals, newAEAD)
	return k, err
}

func open[K any](n numbered, ready func(key []byte) (K, error)) (ring[K], error) {
	r := ring[K]{newest: n.newest, keys: make(map[byte]K, len(n.keys))}
	for num, key := range n.keys {
		k, err := ready(key)
		if err != nil {
			return ring[K]{}, err
		}
		r.keys[num] = k
	}
	return r, nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// fingerprint is a MAC of a text that is no address, so it is no recipient id either and says nothing of the key.
func fingerprint(id *macs) string {
	sum := sum(id, "consentgate id key")
	return hex.EncodeToString(sum[:8])
}

// ID returns the recipient id of an address.
func (k *Keys) ID(a gate.Address) gate.ID {
	sum := sum(k.id, a.Canonical())
	return gate.ID(sum[:len(gate.ID{})])
}

// Fingerprint identifies the id key, in 16 hex digits, so that a store can refuse a gate with another one.
func (k *Keys) Fingerprint() string { return k.fingerprint }

// TokenKeyID returns the number of the token key to sign with.
func (k *Keys) TokenKeyID() byte { return k.tokens.newest }

// MAC returns the 32 octets of HMAC-SHA256 over data by the token key of that number, false if there is none.
func (k *Keys) MAC(keyID byte, data []byte) ([]byte, bool) {
	m, ok := k.tokens.keys[keyID]
	if !ok {
		return nil, false
	}
	sum := sum(m, data)
	return sum[:], true
}

// Seal returns the address, verbatim, as the store keeps it: AES-256-GCM in base64url, plain, or nothing.
func (k *Keys) Seal(a gate.Address) (string, error) {
	switch k.addresses {
	case AddressesPlain:
		return a.String(), nil
	case AddressesNone:
		return "", nil
	}
	// key number (1) | nonce | ciphertext and tag; the number is authenticated too.
	aead := k.ciphers.keys[k.ciphers.newest]
	head := 1 + aead.NonceSize()
	box := make([]byte, head, head+len(a.String())+aead.Overhead())
	box[0] = k.ciphers.newest
	if _, err := io.ReadFull(k.rand, box[1:]); err != nil {
		return "", fmt.Errorf("seal an address: %w", err)
	}
	box = aead.Seal(box, box[1:head], []byte(a.String()), box[:1])
	return base64.RawURLEncoding.EncodeToString(box), nil
}

// Unseal returns the address that Seal was given, whatever store_addresses said at the time. The text is what was
// sealed: it is not parsed. Errors wrap ErrNotKept or ErrUnreadable.
func (k *Keys) Unseal(sealed string) (string, error) {
	if sealed == "" {
		return "", ErrNotKept
	}
	if strings.Contains(sealed, "@") { // which base64url never has and every address does
		return sealed, nil
	}
	box, err := base64.RawURLEncoding.Strict().DecodeString(sealed)
	if err != nil {
		return "", fmt.Errorf("%w: not base64url", ErrUnreadable)
	}
	aead, ok := k.ciphers.keys[box[0]]
	if !ok {
		return "", fmt.Errorf("%w: key %d is not in seal.keys", ErrUnreadable, box[0])
	}
	head := 1 + aead.NonceSize()
	if len(box) < head {
		return "", fmt.Errorf("%w: too short", ErrUnreadable)
	}
	plain, err := aead.Open(nil, box[1:head], box[head:], box[:1])
	if err != nil {
		return "", fmt.Errorf("%w: altered, or sealed by another gate", ErrUnreadable)
	}
	return string(plain), nil
}
