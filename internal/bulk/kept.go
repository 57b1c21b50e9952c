package bulk

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/consentgate/consentgate/gate"
)

// keptLine is a line about somebody whose address is not kept: they are named by recipient id, beside the fingerprint of
// the id key that it was made with. Under another key nobody would be found by it.
type keptLine struct {
	RecipientID gate.ID `json:"recipient_id,omitzero"`
	IDKey       string  `json:"id_key,omitempty"`
	gate.Event
}

// kept writes what keeps mail away from somebody whose address is not kept, and that they were erased: without these
// lines the next sync of grants would bring them back. whole says that the history holds nothing else.
func (ex *Exporter) kept(enc *json.Encoder, p gate.Person) (lines int, whole bool, err error) {
	events := gate.Refusals(p.Events)
	for _, e := range p.Events {
		if e.Type == gate.Erased {
			events = append(events, e)
		}
	}
	for _, e := range events {
		if !ex.selects(e) {
			continue
		}
		if err := enc.Encode(keptLine{p.ID, ex.IDKey, e}); err != nil {
			return lines, false, err
		}
		lines++
	}
	return lines, len(events) >= len(p.Events), nil
}

// kept reads a line that the gate's intake does not take, because only an export writes it: one by recipient id, or an
// erasure. ok is false where text is none. Both only ever take permission away.
func (im *Importer) kept(file *opened, text string) (c gate.Change, ok bool, err error) {
	byID := strings.Contains(text, `"recipient_id"`)
	if _, events := file.mapper.(jsonEvents); !events || !byID && !strings.Contains(text, `"erased"`) {
		return c, false, nil
	}
	var l keptLine
	if err := decodeLine(text, &l); err != nil {
		return c, byID, err
	}
	if !byID && l.Type != gate.Erased {
		return c, false, nil
	}
	c = gate.Change{ID: l.RecipientID, Event: l.Event}
	c.Event.Recipient = ""
	if err := im.checkKept(l); err != nil {
		return c, true, err
	}
	if l.Recipient != "" {
		addr, err := gate.ParseAddress(l.Recipient)
		if err != nil {
			return c, true, fmt.Errorf("recipient: %w", err)
		}
		c.ID = im.Keys.ID(addr)
	}
	return c, true, l.Validate(im.Reading.Now)
}

func (im *Importer) checkKept(l keptLine) error {
	switch {
	case !l.RecipientID.IsZero() && l.Recipient != "":
		return errors.New("recipient_id: stands beside recipient; remove one of them")
	case l.RecipientID.IsZero() && l.Recipient == "":
		return errors.New("recipient: missing; say whom the line is about")
	case l.RecipientID.IsZero():
		return nil
	case l.IDKey != im.IDKey:
		return fmt.Errorf("id_key: the recipient id was made with id key %q and this store has %s: nobody would be found by it; "+
			"import into a store with the same keys (key import), or withdraw by address", l.IDKey, im.IDKey)
	case !speaksAgainst(l.Type) && l.Type != gate.Erased:
		return fmt.Errorf("type: %s needs the recipient's address; by recipient_id only refusals and erasures are taken", l.Type)
	}
	return nil
}
