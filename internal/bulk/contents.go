package bulk

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"github.com/consentgate/consentgate/gate"
)

// contents reads all that a store holds, block entries and counters apart.
func contents(ctx context.Context, s gate.Store) (c Contents, err error) {
	var all sum
	for p, err := range s.Persons(ctx) {
		if err != nil {
			return c, err
		}
		c.Recipients++
		c.Events += len(p.Events)
		all.add(digest(p))
	}
	c.Digest = all.String()
	streams, err := s.Streams(ctx)
	if err != nil {
		return c, err
	}
	wordings, err := s.WordingTexts(ctx, "")
	if err != nil {
		return c, err
	}
	marks, err := s.Marks(ctx)
	if err != nil {
		return c, err
	}
	c.Streams, c.Wordings, c.Marks = len(streams), len(wordings), len(marks)
	head := gate.AuditEntry{}
	for e, err := range s.Acts(ctx, 1) {
		if err != nil {
			return c, err
		}
		head = e
	}
	c.Acts = fmt.Sprint(head.Seq, " ", head.Hash)
	return c, nil
}

// digest is over everything that is said of a person: id, record, sealed address and events, as text. The record's
// version is a matter of the store.
func digest(p gate.Person) [sha256.Size]byte {
	h := sha256.New()
	e := json.NewEncoder(h) // strings and times of four-digit years: it cannot fail
	_ = e.Encode(p.ID)
	_ = e.Encode(p.Record.Fields())
	_ = e.Encode(p.Sealed)
	for _, event := range p.Events {
		event.Recipient = ""
		_ = e.Encode(event)
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// sum adds digests up, whatever their order: four lanes modulo 2^64. It finds accidents, and does not withstand who
// chooses the contents.
type sum [4]uint64

func (s *sum) add(d [sha256.Size]byte) {
	for i := range s {
		s[i] += binary.BigEndian.Uint64(d[8*i:])
	}
}

func (s *sum) String() string {
	var b []byte
	for _, lane := range s {
		b = binary.BigEndian.AppendUint64(b, lane)
	}
	return hex.EncodeToString(b)
}
