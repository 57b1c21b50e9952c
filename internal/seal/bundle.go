package seal

import (
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/scrypt"
)

// A bundle is all keys of a gate as one text under a passphrase:
//
//	consentgate keys 1
//	id-key 0123456789abcdef
//	made 2026-11-23T22:00:00Z
//	scrypt 17 8 1 SALT
//
//	NONCE AND CIPHERTEXT, base64, in lines of 64
//
// The lines above the empty one are authenticated with the rest, which is AES-256-GCM over a JSON object: the text of
// each key file by its name.
const (
	bundleTitle = "consentgate keys 1"
	bundleWidth = 64
	saltSize    = 16
)

// scrypt's cost, RFC 7914: 2^17 × 8 × 128 octets are 128 MiB. A bundle may ask for no more than twice that: it comes
// from elsewhere.
const (
	bundleCost    = 17
	bundleMaxCost = 18
	bundleBlocks  = 8
	bundleThreads = 1
)

// MinPassphrase is the length that a passphrase must have, in octets.
const MinPassphrase = 12

// Sentinels of bundles, wrapped with what to do.
var (
	// ErrNoBundle: the text is no bundle, was altered, or the passphrase is another.
	ErrNoBundle = errors.New("key file cannot be read")
	// ErrOtherKeys: the keys that stand, or those of the store, are others.
	ErrOtherKeys = errors.New("other keys stand")
	// ErrPassphrase: the passphrase is too short.
	ErrPassphrase = fmt.Errorf("the passphrase is shorter than %d characters", MinPassphrase)
)

// bundle is what the parts of the text say.
type bundle struct {
	fingerprint, made string
	cost              int
	salt, box         []byte
}

func (b bundle) head() string {
	return fmt.Sprintf("%s\nid-key %s\nmade %s\nscrypt %d %d %d %s\n", bundleTitle, b.fingerprint, b.made,
		b.cost, bundleBlocks, bundleThreads, base64.RawStdEncoding.EncodeToString(b.salt))
}

func (b bundle) text() string {
	var t strings.Builder
	t.WriteString(b.head() + "\n")
	for line := range slices.Chunk([]byte(base64.StdEncoding.EncodeToString(b.box)), bundleWidth) {
		t.Write(append(line, '\n'))
	}
	return t.String()
}

// parseBundle reads what text wrote; line ends may be those of another system.
func parseBundle(text string) (b bundle, err error) {
	head, body, ok := strings.Cut(strings.ReplaceAll(text, "\r\n", "\n"), "\n\n")
	lines := strings.Split(head, "\n")
	if !ok || len(lines) != 4 || lines[0] != bundleTitle {
		return b, fmt.Errorf("%w: it does not begin with %q: use the file that consentgate key export wrote", ErrNoBundle, bundleTitle)
	}
	b.fingerprint, b.made = strings.TrimPrefix(lines[1], "id-key "), strings.TrimPrefix(lines[2], "made ")
	words := strings.Fields(lines[3])
	if len(words) == 5 {
		b.cost, _ = strconv.Atoi(words[1])
		b.salt, err = base64.RawStdEncoding.DecodeString(words[4])
	}
	if err == nil {
		b.box, err = base64.StdEncoding.DecodeString(strings.Join(strings.Fields(body), ""))
	}
	if err != nil || b.cost < 1 || b.cost > bundleMaxCost || b.head() != head+"\n" {
		return b, fmt.Errorf("%w: it was altered or cut short", ErrNoBundle)
	}
	return b, nil
}

func (b bundle) aead(passphrase string) (cipher.AEAD, error) {
	key, err := scrypt.Key([]byte(passphrase), b.salt, 1<<b.cost, bundleBlocks, bundleThreads, keySize)
	if err != nil {
		return nil, err
	}
	return newAEAD(key)
}

// seal writes the files into the bundle.
func (b bundle) seal(files map[string]string, passphrase string, random io.Reader) (bundle, error) {
	aead, err := b.aead(passphrase)
	if err != nil {
		return b, err
	}
	plain, err := json.Marshal(files)
	if err != nil {
		return b, err
	}
	nonce := make([]byte, aead.NonceSize())
	if _, err := io.ReadFull(random, nonce); err != nil {
		return b, err
	}
	b.box = aead.Seal(nonce, nonce, plain, []byte(b.head()))
	return b, nil
}

func (b bundle) open(passphrase string) (files map[string]string, err error) {
	aead, err := b.aead(passphrase)
	if err != nil {
		return nil, err
	}
	if len(b.box) < aead.NonceSize() {
		return nil, fmt.Errorf("%w: it was cut short", ErrNoBundle)
	}
	plain, err := aead.Open(nil, b.box[:aead.NonceSize()], b.box[aead.NonceSize():], []byte(b.head()))
	if err != nil {
		return nil, fmt.Errorf("%w: the passphrase is another, or the file was altered", ErrNoBundle)
	}
	return files, json.Unmarshal(plain, &files)
}

// Export returns all keys in dir as one text that the passphrase opens. Once the text is kept, MarkExported says so.
func Export(dir string, o Options, passphrase string) (string, error) {
	return export(dir, o, passphrase, bundleCost)
}

func export(dir string, o Options, passphrase string, cost int) (string, error) {
	if len(passphrase) < MinPassphrase {
		return "", ErrPassphrase
	}
	o = o.withDefaults()
	o.MayCreate = false
	f, err := readFiles(dir, o)
	if err != nil {
		return "", err
	}
	files, err := f.texts(dir)
	if err != nil {
		return "", err
	}
	b := bundle{
		fingerprint: fingerprint(newMACs(f.id)), made: o.Now().UTC().Format(time.RFC3339),
		cost: cost, salt: make([]byte, saltSize),
	}
	if _, err := io.ReadFull(o.Rand, b.salt); err != nil {
		return "", fmt.Errorf("export keys: %w", err)
	}
	if b, err = b.seal(files, passphrase, o.Rand); err != nil {
		return "", fmt.Errorf("export keys: %w", err)
	}
	return b.text(), nil
}
