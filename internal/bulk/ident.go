package bulk

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// named gives the events of rows their ids before they are applied.
type named struct{ to gate.Applier }

// Apply implements [gate.Applier].
func (n named) Apply(ctx context.Context, changes []gate.Change) []gate.Applied {
	var buf []byte
	for i := range changes {
		c := &changes[i]
		if c.Event.ID != idOfRow && c.Event.ID != idOfUndated {
			continue
		}
		buf = appendContent(buf[:0], c)
		sum := sha256.Sum256(buf)
		c.Event.ID = "row-" + base64.RawURLEncoding.EncodeToString(sum[:16])
	}
	return n.to.Apply(ctx, changes)
}

// appendContent appends what makes two rows the same event: whom it concerns (by the recipient id, so that the event's
// id says nothing of the address without the id key), and what happened when and how. Who imported which file, and
// notes, are no part of it, so that a file may be imported again under another name.
func appendContent(b []byte, c *gate.Change) []byte {
	e := &c.Event
	b = append(b, c.ID[:]...)
	if e.ID == idOfUndated {
		b = append(b, '-')
	} else {
		b = strconv.AppendInt(b, e.Time.UnixNano(), 10)
	}
	source := e.Source
	if source.Kind == "import" {
		source = gate.Source{}
	}
	for _, s := range [...]string{
		string(e.Type), e.Purpose, string(e.Method), string(e.Via), e.Jurisdiction, e.Audience, e.Controller,
		string(e.DefaultState), source.Kind, source.ID, source.URL,
		e.Wording.ID, e.Wording.Version, e.Wording.SHA256, e.Wording.Language,
		e.Evidence.SaleRef, e.Evidence.Category, e.Evidence.Ref, strconv.FormatBool(e.Evidence.OptoutOffered),
	} {
		b = append(append(b, 0), s...)
	}
	return appendTime(b, e.Evidence.ConfirmedAt)
}

func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return b
	}
	return strconv.AppendInt(append(b, 0), t.UnixNano(), 10)
}
