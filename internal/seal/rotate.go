package seal

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// Kind names what a key is for.
type Kind string

// The kinds that are numbered and can be rotated.
const (
	TokenKey      Kind = "token"
	EncryptionKey Kind = "encryption"
)

func (k Kind) file() string {
	if k == TokenKey {
		return tokenFile
	}
	return sealFile
}

// Rotate adds a key of one kind to those in dir and returns its number. It is used from the moment given on; until
// then it only reads, so that it can be brought to other gates first. The old ones stay for reading, and the id key
// never changes.
func Rotate(dir string, kind Kind, random io.Reader, from time.Time) (byte, error) {
	unlock, err := lock(dir)
	if err != nil {
		return 0, err
	}
	defer unlock()
	name := filepath.Join(dir, kind.file())
	text, err := read(name, othersHere)
	if err != nil {
		return 0, err
	}
	n, err := parseNumbered(name, text)
	if err != nil {
		return 0, err
	}
	next := n.highest()
	if next == 255 {
		return 0, fmt.Errorf("%w: %s holds key 255, and a key number has no more", ErrBadKey, name)
	}
	next++
	key, err := newKey(random)
	if err != nil {
		return 0, err
	}
	n[next] = dated{key: key, from: from.UTC().Truncate(time.Second)}
	if err := place(name, n.text(), os.Rename); err != nil {
		return 0, fmt.Errorf("rotate keys: %w", err)
	}
	return next, nil
}

// lock keeps others who change keys out of dir until unlock: a key that is lost takes what it sealed along.
func lock(dir string) (unlock func(), err error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("lock the keys: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, fmt.Errorf("lock the keys: %w", errors.Join(err, f.Close()))
	}
	return func() { _ = f.Close() }, nil
}

func (n numbered) highest() (highest byte) {
	for num := range n {
		highest = max(highest, num)
	}
	return highest
}

// Refresh reads token and encryption keys again, so that what another process added, and what is in use from now on,
// is used. Where the files cannot be read the keys stay as they are.
func (k *Keys) Refresh() error {
	tokens, err := readNumbered(k.dir, tokenFile, Options{})
	if err != nil {
		return err
	}
	seals, err := readNumbered(k.dir, sealFile, Options{})
	if err != nil {
		return err
	}
	next, err := newSet(files{tokens: tokens, seals: seals}, k.now())
	if err == nil && next.text != k.set.Load().text {
		k.set.Store(next)
	}
	return err
}

// missed reads the keys again for a number that is not known, at most once a second: anybody may make up numbers.
func (k *Keys) missed() {
	now, last := k.now().UnixNano(), k.looked.Load()
	if now-last >= int64(time.Second) && k.looked.CompareAndSwap(last, now) {
		_ = k.Refresh() // the number stays unknown
	}
}

// EncryptionKeyID returns the number of the encryption key to seal with.
func (k *Keys) EncryptionKeyID() byte { return k.set.Load().ciphers.newest }

// Reseal seals a sealed address with the encryption key in use. What that key sealed already, and what holds no
// address, is returned as it is; errors are those of Unseal.
func (k *Keys) Reseal(sealed string) (string, error) {
	if sealed == "" {
		return "", nil
	}
	set := k.set.Load()
	if num, ok := sealedBy(sealed); ok && num == set.ciphers.newest {
		return sealed, nil
	}
	address, err := k.Unseal(sealed)
	if err != nil {
		return "", err
	}
	return k.encrypt(set.ciphers, address)
}

// Info is what may be shown of a key.
type Info struct {
	Kind        Kind      `json:"kind"`
	Number      byte      `json:"number,omitempty"` // 0 where there is one only
	From        time.Time `json:"from,omitzero"`    // in use since, or from then on; zero: unknown
	InUse       bool      `json:"in_use"`
	Fingerprint string    `json:"fingerprint"` // 16 hex digits, of the signing key "sha256:" and 64; says nothing of the key
	Exported    bool      `json:"exported"`    // an export holds it
}

// Inspect lists the keys in dir, in the order of kind and number.
func Inspect(dir string, o Options) ([]Info, error) {
	o = o.withDefaults()
	o.MayCreate = false
	f, err := readFiles(dir, o)
	if err != nil {
		return nil, err
	}
	infos := []Info{{Kind: idKind, InUse: true, Fingerprint: fingerprint(newMACs(f.id))}}
	for _, kind := range []Kind{TokenKey, EncryptionKey} {
		infos = append(infos, f.of(kind).infos(kind, o.Now())...)
	}
	signing, err := inspectSigning(dir)
	if err != nil {
		return nil, err
	}
	infos = append(infos, signing...)
	exported, err := readMark(dir)
	for i := range infos {
		infos[i].Exported = slices.Contains(exported, infos[i].Fingerprint)
	}
	return infos, err
}

// publicFingerprint names the key that signs evidence as evidence does, so that who holds a proof can compare: "sha256:"
// and the hash of the public key in hex.
func publicFingerprint(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// inspectSigning shows the key that signs evidence, which is made when it is first needed.
func inspectSigning(dir string) ([]Info, error) {
	s, err := OpenSigner(dir, false, nil)
	if errors.Is(err, ErrNoKey) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return []Info{{Kind: signingKind, InUse: true, Fingerprint: publicFingerprint(s.Public())}}, nil
}

func (f files) of(kind Kind) numbered {
	if kind == TokenKey {
		return f.tokens
	}
	return f.seals
}

func (n numbered) infos(kind Kind, now time.Time) (infos []Info) {
	used := n.inUse(now)
	for num, d := range n {
		infos = append(infos, Info{
			Kind: kind, Number: num, From: d.from, InUse: num == used, Fingerprint: fingerprint(newMACs(d.key)),
		})
	}
	slices.SortFunc(infos, func(a, b Info) int { return int(a.Number) - int(b.Number) })
	return infos
}
