package admin

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/consentgate/consentgate/gate"
)

type blocksInput struct {
	Since       time.Time `query:"since" doc:"Only entries from this time on"`
	Until       time.Time `query:"until" doc:"Only entries up to this time"`
	Reason      string    `query:"reason" doc:"Only this reason, such as no_consent"`
	Stream      string    `query:"stream" doc:"Only this stream"`
	RecipientID string    `query:"recipient_id" doc:"Only this recipient, as check and records/search name it"`
	Limit       int       `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"Entries of a page"`
	After       string    `query:"after" maxLength:"64" doc:"The next of the page before"`
	Reveal      bool      `query:"reveal" doc:"Show full addresses; role dpo, and it is noted in the audit log"`
}

type blocksOutput struct {
	Body struct {
		Blocks []gate.BlockEntry `json:"blocks"`
		Next   string            `json:"next,omitempty" doc:"For after, of the next page; absent on the last"`
	}
}

func (in *blocksInput) query() (gate.BlockQuery, error) {
	q := gate.BlockQuery{Since: in.Since, Until: in.Until, Reason: gate.Reason(in.Reason), Stream: in.Stream}
	if in.RecipientID == "" {
		return q, nil
	}
	var err error
	q.Recipient, err = recipientID(in.RecipientID)
	return q, err
}

// selection says for the audit log which entries are shown.
func (in *blocksInput) selection() string {
	var parts []string
	for _, f := range [][2]string{{"stream", in.Stream}, {"reason", in.Reason}, {"since", moment(in.Since)}, {"until", moment(in.Until)}} {
		if f[1] != "" {
			parts = append(parts, f[0]+" "+f[1])
		}
	}
	if len(parts) == 0 && in.RecipientID == "" {
		parts = append(parts, "entries all")
	}
	return strings.Join(append(parts, fmt.Sprint("page of ", in.Limit)), ", ")
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// blocks answers a page. A page begins behind the last entry of the one before, wherever that stands by now: new
// entries come in front, and those that were dropped meanwhile were the oldest.
func (s *Server) blocks(ctx context.Context, in *blocksInput) (*blocksOutput, error) {
	q, err := in.query()
	if err != nil {
		return nil, err
	}
	if err := s.mayReveal(ctx, in.Reveal, "blocked.reveal", q.Recipient, in.selection()); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	out := new(blocksOutput)
	out.Body.Blocks = make([]gate.BlockEntry, 0, in.Limit)
	skipping := in.After != ""
	for e, err := range s.opt.Store.Blocks(ctx, q) {
		switch {
		case err != nil:
			return nil, s.failed(err)
		case skipping:
			skipping = e.ID != in.After
		case len(out.Body.Blocks) == in.Limit:
			out.Body.Next = out.Body.Blocks[in.Limit-1].ID
			return out, nil
		default:
			out.Body.Blocks = append(out.Body.Blocks, s.entry(e, in.Reveal))
		}
	}
	return out, nil
}

// entry is a block entry as it is shown: the sealed address never is.
func (s *Server) entry(e gate.BlockEntry, reveal bool) gate.BlockEntry {
	if reveal {
		if full := s.shown(e.Address, true); full != "" {
			e.Recipient = full
		}
	}
	e.Address = ""
	return e
}
