package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Role is what the holder of a token may do.
type Role string

// The roles. Each of viewer, operator and dpo may do what those before it may; ingest stands apart: an application that
// writes events has no business reading them.
const (
	RoleIngest   Role = "ingest"
	RoleViewer   Role = "viewer"
	RoleOperator Role = "operator"
	RoleDPO      Role = "dpo"
)

// Roles lists the set.
func Roles() []Role { return []Role{RoleIngest, RoleViewer, RoleOperator, RoleDPO} }

// ParseRole reads the name of a role.
func ParseRole(s string) (Role, error) {
	if !slices.Contains(Roles(), Role(s)) {
		return "", errors.New("is no role: use ingest, viewer, operator or dpo")
	}
	return Role(s), nil
}

// covers reports whether a holder of r may do what asks for need.
func (r Role) covers(need Role) bool {
	if r == RoleIngest || need == RoleIngest {
		return r == need
	}
	ranks := []Role{RoleViewer, RoleOperator, RoleDPO}
	return slices.Index(ranks, r) >= slices.Index(ranks, need)
}

// Token is a token as the config names it: by its hash. The token itself is known to its holder only.
type Token struct {
	Name string // of the holder, for logs and histories
	Hash Hash
	Role Role
}

// Hash is the SHA-256 of a token. A password needs a slow hash, since people choose passwords that can be guessed; a
// token is 256 random bits, which nobody guesses at any speed, and a slow hash would only make each request slow.
type Hash [sha256.Size]byte

// hashPrefix says in the config what the digits are.
const hashPrefix = "sha256:"

// String is "sha256:" and 64 hexadecimal digits.
func (h Hash) String() string { return hashPrefix + hex.EncodeToString(h[:]) }

// ParseHash reads what String wrote.
func ParseHash(s string) (Hash, error) {
	digits, ok := strings.CutPrefix(s, hashPrefix)
	raw, err := hex.DecodeString(digits)
	if !ok || err != nil || len(raw) != sha256.Size {
		return Hash{}, errors.New("is no hash of a token: make one with consentgate token new")
	}
	return Hash(raw), nil
}

// tokenPrefix lets people and scanners of leaked secrets recognise a token.
const tokenPrefix = "cgt_"

// NewToken makes a token of 32 octets of random, 47 characters.
func NewToken(random io.Reader) (token string, hash Hash, err error) {
	var secret [32]byte
	if _, err := io.ReadFull(random, secret[:]); err != nil {
		return "", Hash{}, fmt.Errorf("random octets for a token: %w", err)
	}
	token = tokenPrefix + base64.RawURLEncoding.EncodeToString(secret[:])
	return token, sha256.Sum256([]byte(token)), nil
}

// find returns the token of this text. Every hash is compared, each in constant time.
func find(tokens []Token, text string) (found Token, ok bool) {
	sum := sha256.Sum256([]byte(text))
	for _, t := range tokens {
		if subtle.ConstantTimeCompare(t.Hash[:], sum[:]) == 1 {
			found, ok = t, true
		}
	}
	return found, ok
}
