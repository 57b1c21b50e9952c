package gate

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"
)

// ErrTrail: the audit log is not as it was written; the text names the first entry that is wrong.
var ErrTrail = errors.New("audit log was altered")

// Act is what an operator did. It never holds an address: the subject is named by recipient id.
type Act struct {
	Time    time.Time `json:"time"`
	Actor   string    `json:"actor"`            // e.g. "cli:anna@mail1", "token:crm"
	Role    string    `json:"role,omitempty"`   // under which it was allowed
	Name    string    `json:"act"`              // e.g. "consent.erase"
	Subject ID        `json:"subject,omitzero"` // the recipient; zero: nobody in particular
	Detail  string    `json:"detail,omitempty"` // one line, e.g. "purpose newsletter"
}

// AuditEntry is an act in the audit log. Each entry holds the hash of the one before it, so that none can be changed,
// left out or put elsewhere without all that follow. The zero entry is what stands before the first.
type AuditEntry struct {
	Seq uint64 `json:"seq"` // from 1
	Act
	Prev string `json:"prev"`           // hash of the entry before; empty in the first
	Hash string `json:"hash,omitempty"` // SHA-256 in hex over the JSON of the entry without this field
}

// Next returns a as the entry that follows e. Times have a resolution of one millisecond.
func (e AuditEntry) Next(a Act) AuditEntry {
	a.Time = a.Time.UTC().Truncate(time.Millisecond)
	for _, text := range []*string{&a.Actor, &a.Role, &a.Name, &a.Detail} {
		*text = strings.ToValidUTF8(*text, "?")
	}
	next := AuditEntry{Seq: e.Seq + 1, Act: a, Prev: e.Hash}
	next.Hash = next.digest()
	return next
}

// Text is the entry as stores keep it and as its hash is computed: JSON in the order of the fields, without blanks.
func (e AuditEntry) Text() string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(e) // strings, a number and a time of four-digit years cannot fail
	return strings.TrimSuffix(b.String(), "\n")
}

func (e AuditEntry) digest() string {
	e.Hash = ""
	sum := sha256.Sum256([]byte(e.Text()))
	return hex.EncodeToString(sum[:])
}

// ReadAuditEntry reads what Text wrote. What cannot be read is an entry with nothing but its number, which
// CheckTrail finds: a reader must not stop at what it is to report.
func ReadAuditEntry(seq uint64, text string) AuditEntry {
	var e AuditEntry
	if err := json.Unmarshal([]byte(text), &e); err != nil || e.Text() != text {
		return AuditEntry{Seq: seq}
	}
	return e
}

// CheckTrail follows the whole chain and returns its head. noted is a head (Seq and Hash) that was written down
// elsewhere, or the zero entry: without it nobody can tell a log whose end was cut off from one that never was longer.
// The error wraps ErrTrail where something is wrong, and is the iterator's own where the log cannot be read.
func CheckTrail(entries iter.Seq2[AuditEntry, error], noted AuditEntry) (head AuditEntry, err error) {
	var bad error
	gap := uint64(0) // number of the entry that did not stand in its place; looked for in the rest
	for e, err := range entries {
		switch {
		case err != nil:
			return head, err
		case gap != 0 && e.Seq == gap:
			return head, fmt.Errorf("%w: entry %d does not stand in its place", ErrTrail, gap)
		case gap != 0:
		case e.Seq != head.Seq+1:
			gap = head.Seq + 1
			bad = fmt.Errorf("%w: entry %d is missing", ErrTrail, gap)
		default:
			if err := e.follows(head, noted); err != nil {
				return head, err
			}
			head = e
		}
	}
	if bad == nil && head.Seq < noted.Seq {
		bad = fmt.Errorf("%w: it ends at entry %d, and entry %d was noted: its end was cut off", ErrTrail, head.Seq, noted.Seq)
	}
	return head, bad
}

func (e AuditEntry) follows(head, noted AuditEntry) error {
	switch {
	case e.Hash != e.digest():
		return fmt.Errorf("%w: entry %d was changed", ErrTrail, e.Seq)
	case e.Prev != head.Hash && head.Seq == 0:
		return fmt.Errorf("%w: entry 1 names an entry before it", ErrTrail)
	case e.Prev != head.Hash:
		return fmt.Errorf("%w: entry %d was replaced: entry %d follows another", ErrTrail, head.Seq, e.Seq)
	case e.Seq == noted.Seq && e.Hash != noted.Hash:
		return fmt.Errorf("%w: entry %d is not the one that was noted", ErrTrail, e.Seq)
	}
	return nil
}
