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
	"sync/atomic"
	"time"

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
	IDKeyFile string           // the id key where it is not in the directory; never made
	Addresses string           // AddressesEncrypted (also when empty), AddressesPlain or AddressesNone
	MayCreate bool             // make the keys that are missing
	Rand      io.Reader        // nil: crypto/rand
	Now       func() time.Time // the clock by which a key comes into use; nil: time.Now
}

func (o Options) withDefaults() Options {
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Addresses == "" {
		o.Addresses = AddressesEncrypted
	}
	return o
}

// Keys is the open keys. All methods may be called at the same time.
type Keys struct {
	dir         string
	addresses   string
	rand        io.Reader
	now         func() time.Time
	id          *macs
	fingerprint string
	set         atomic.Pointer[set]
	looked      atomic.Int64 // when a number was last missed, Unix nanoseconds
}

// set is the keys that may be added to while the program runs.
type set struct {
	text    string // tells one set from another
	tokens  ring[*macs]
	ciphers ring[cipher.AEAD]
}

// ring is numbered keys, the newest of which is used.
type ring[K any] struct {
	newest byte
	keys   map[byte]K
}

// Open reads id.key, token.keys and seal.keys in dir and makes those that are missing if it may. Gates that start at
// the same time on one directory end with the same keys.
func Open(dir string, o Options) (*Keys, error) {
	o = o.withDefaults()
	switch o.Addresses {
	case AddressesEncrypted, AddressesPlain, AddressesNone:
	default:
		return nil, fmt.Errorf("store_addresses %q: want encrypted, plain or none", o.Addresses)
	}
	f, err := readFiles(dir, o)
	if err != nil {
		return nil, err
	}
	k := &Keys{dir: dir, addresses: o.Addresses, rand: o.Rand, now: o.Now, id: newMACs(f.id)}
	k.fingerprint = fingerprint(k.id)
	s, err := newSet(f, o.Now())
	k.set.Store(s)
	return k, err
}

func newSet(f files, now time.Time) (*set, error) {
	tokens, err := open(f.tokens, now, func(key []byte) (*macs, error) { return newMACs(key), nil })
	if err != nil {
		return nil, err
	}
	ciphers, err := open(f.seals, now, newAEAD)
	text := fmt.Sprint(tokens.newest, ciphers.newest, f.tokens.text(), f.seals.text())
	return &set{text: text, tokens: tokens, ciphers: ciphers}, err
}

func open[K any](n numbered, now time.Time, ready func(key []byte) (K, error)) (ring[K], error) {
	r := ring[K]{newest: n.inUse(now), keys: make(map[byte]K, len(n))}
	for num, d := range n {
		k, err := ready(d.key)
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
func (k *Keys) TokenKeyID() byte { return k.set.Load().tokens.newest }

// MAC returns the 32 octets of HMAC-SHA256 over data by the token key of that number, false if there is none.
func (k *Keys) MAC(keyID byte, data []byte) ([]byte, bool) {
	m, ok := k.set.Load().tokens.keys[keyID]
	if !ok {
		k.missed()
		if m, ok = k.set.Load().tokens.keys[keyID]; !ok {
			return nil, false
		}
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
	return k.encrypt(k.set.Load().ciphers, a.String())
}

// encrypt returns key number (1) | nonce | ciphertext and tag, in base64url; the number is authenticated too.
func (k *Keys) encrypt(r ring[cipher.AEAD], address string) (string, error) {
	aead := r.keys[r.newest]
	head := 1 + aead.NonceSize()
	box := make([]byte, head, head+len(address)+aead.Overhead())
	box[0] = r.newest
	if _, err := io.ReadFull(k.rand, box[1:]); err != nil {
		return "", fmt.Errorf("seal an address: %w", err)
	}
	box = aead.Seal(box, box[1:head], []byte(address), box[:1])
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
	aead, ok := k.set.Load().ciphers.keys[box[0]]
	if !ok {
		k.missed()
		aead, ok = k.set.Load().ciphers.keys[box[0]]
	}
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

// sealedBy returns the number of the key that sealed an address; false where none did.
func sealedBy(sealed string) (byte, bool) {
	if len(sealed) < 2 || strings.Contains(sealed, "@") {
		return 0, false
	}
	head, err := base64.RawURLEncoding.DecodeString(sealed[:2])
	return head[0], err == nil
}
