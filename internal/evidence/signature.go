package evidence

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"strings"
	"time"
)

// Sentinels of Verify.
var (
	// ErrForm: the file is no evidence that this program can read.
	ErrForm = errors.New("not an evidence file")
	// ErrSignature: the content is not what was signed.
	ErrSignature = errors.New("the signature does not fit: the file was altered after it was signed")
	// ErrPage: the signed document in a page is what was signed, and what the page shows around it is not proved.
	ErrPage = errors.New("the signed document is genuine; the page around it is not proved: it was altered, or made by another version")
)

const algorithm = "Ed25519"

// Signer signs with one key; see internal/seal.
type Signer interface {
	Public() ed25519.PublicKey
	Sign(message []byte) []byte
}

// Signature is over the JSON of the member "evidence" without blanks between its parts, so that a file may be indented
// anew and stays what was signed.
type Signature struct {
	Algorithm   string `json:"algorithm"`
	PublicKey   []byte `json:"public_key"`  // base64
	Fingerprint string `json:"fingerprint"` // see Fingerprint
	Value       []byte `json:"value"`       // base64
}

// signed is the file.
type signed struct {
	Evidence  json.RawMessage `json:"evidence"`
	Signature Signature       `json:"signature"`
}

// Fingerprint names a public key: "sha256:" and the hash of its 32 octets in hex.
func Fingerprint(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Sign returns the signed JSON of a document, indented for people.
func Sign(d Document, s Signer) ([]byte, Signature, error) {
	content, err := marshal(d)
	if err != nil {
		return nil, Signature{}, err
	}
	sig := Signature{
		Algorithm: algorithm, PublicKey: s.Public(), Fingerprint: Fingerprint(s.Public()), Value: s.Sign(content),
	}
	file, err := marshal(signed{content, sig})
	if err != nil {
		return nil, sig, err
	}
	var out bytes.Buffer
	err = json.Indent(&out, file, "", "  ")
	out.WriteByte('\n')
	return out.Bytes(), sig, err
}

// marshal is JSON with < and > as they are: the text of a wording is to be read.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, fmt.Errorf("evidence: %w", err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// Verified is what a file says of itself, once its signature fits.
type Verified struct {
	RecordID    string    `json:"record_id"`
	PrincipalID string    `json:"pii_principal_id"`
	Created     time.Time `json:"created"`
	Program     string    `json:"program"`
	Fingerprint string    `json:"fingerprint"` // of the key that signed: whose key that is has to be known from elsewhere
}

// Verify checks a signed JSON file, or a page that carries one. Errors wrap ErrForm, ErrSignature or, with what the
// document says, ErrPage.
func Verify(file []byte) (Verified, error) {
	if !bytes.HasPrefix(bytes.TrimSpace(file), []byte("<")) {
		return verifyJSON(file)
	}
	text, lang := inPage(file)
	v, err := verifyJSON(text)
	if err != nil {
		return v, err
	}
	if page, err := Page(text, lang); err != nil || !bytes.Equal(page, file) {
		return v, fmt.Errorf("%w (the document says %s)", ErrPage, v.Program)
	}
	return v, nil
}

func verifyJSON(file []byte) (Verified, error) {
	var f signed
	if err := json.Unmarshal(file, &f); err != nil || len(f.Evidence) == 0 {
		return Verified{}, ErrForm
	}
	if f.Signature.Algorithm != algorithm || len(f.Signature.PublicKey) != ed25519.PublicKeySize {
		return Verified{}, fmt.Errorf("%w: signature of another kind", ErrForm)
	}
	key := ed25519.PublicKey(f.Signature.PublicKey)
	var content bytes.Buffer
	if err := json.Compact(&content, f.Evidence); err != nil {
		return Verified{}, ErrForm
	}
	if !ed25519.Verify(key, content.Bytes(), f.Signature.Value) || f.Signature.Fingerprint != Fingerprint(key) {
		return Verified{}, ErrSignature
	}
	if !f.isAll(file) {
		return Verified{}, fmt.Errorf("%w: it holds more than the signed document", ErrSignature)
	}
	var d struct {
		Schema string `json:"schema"`
		Record Header `json:"record"`
	}
	if err := json.Unmarshal(f.Evidence, &d); err != nil || d.Schema != Schema {
		return Verified{}, fmt.Errorf("%w: schema %q, this program reads %s", ErrForm, d.Schema, Schema)
	}
	return Verified{
		RecordID: d.Record.RecordID, PrincipalID: d.Record.PrincipalID.String(), Created: d.Record.Created,
		Program: d.Record.Program, Fingerprint: f.Signature.Fingerprint,
	}, nil
}

// isAll reports whether the file is the signed document and nothing beside it: a second "evidence" in other letters
// would be read by one program and not by another.
func (f signed) isAll(file []byte) bool {
	var compact bytes.Buffer
	whole, err := marshal(f)
	return err == nil && json.Compact(&compact, file) == nil && bytes.Equal(compact.Bytes(), whole)
}

// What of a page says its language, and the element that carries the signed JSON.
const (
	langBegin, langEnd     = `<html lang="`, `"`
	signedBegin, signedEnd = `<pre id="signed">`, "</pre>"
)

func inPage(page []byte) (file []byte, lang string) {
	_, rest, _ := strings.Cut(string(page), langBegin)
	lang, rest, _ = strings.Cut(rest, langEnd)
	_, rest, _ = strings.Cut(rest, signedBegin)
	text, _, _ := strings.Cut(rest, signedEnd)
	return []byte(html.UnescapeString(text)), lang
}

// Text is the signature's value as it is written.
func (s Signature) Text() string { return base64.StdEncoding.EncodeToString(s.Value) }
