package gate

import (
	"encoding/base64"
	"fmt"
)

// ID is the recipient id: the first 16 bytes of HMAC-SHA256(id key, canonical address). It is the store's key and,
// without the id key, says nothing about the address.
type ID [16]byte

// String returns the 22 characters of unpadded base64url that stores use as the key.
func (id ID) String() string { return base64.RawURLEncoding.EncodeToString(id[:]) }

// IsZero reports whether the id was never computed.
func (id ID) IsZero() bool { return id == ID{} }

// ParseID reads what String wrote.
func ParseID(s string) (ID, error) {
	var id ID
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(raw) != len(id) {
		return ID{}, fmt.Errorf("recipient id %q: want 22 characters of base64url", s)
	}
	copy(id[:], raw)
	return id, nil
}

// MarshalText lets an ID stand in JSON as its String.
func (id ID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads what MarshalText wrote.
func (id *ID) UnmarshalText(b []byte) error {
	got, err := ParseID(string(b))
	if err != nil {
		return err
	}
	*id = got
	return nil
}
