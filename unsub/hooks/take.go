package hooks

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
	"unicode"

	"github.com/consentgate/consentgate/gate"
)

// maxNote bounds what is kept of a provider's own words, in octets.
const maxNote = 200

// take makes the reports events. Refusals come first and are durable before anything is said; the rest is worth nothing
// without the store, and the provider has to send it again where that is away. A report that cannot be an event is
// counted and logged, without the address, and keeps no other from being one.
func (h *Handler) take(ctx context.Context, name string, src Source, got reports) (int, error) {
	h.unread(name, got.unread)
	if got.news != "" {
		h.o.Log.Info("a webhook reports about itself", "provider", name, "what", got.news)
	}
	var refusals, others []gate.Change
	for _, r := range got.list {
		c, err := h.change(name, src, r)
		switch {
		case errors.Is(err, errNothing):
		case errors.Is(err, gate.ErrInvalidEvent):
			h.unread(name, 1)
		case err != nil:
			return 0, err
		case c.Event.IsRefusal():
			refusals = append(refusals, c)
		default:
			others = append(others, c)
		}
	}
	stored := true
	if len(refusals) > 0 {
		var err error
		if stored, err = h.o.Refusals.Report(ctx, refusals); err != nil {
			return 0, err
		}
	}
	if err := h.apply(ctx, others); err != nil {
		return 0, err
	}
	if !stored {
		return http.StatusAccepted, nil
	}
	return http.StatusOK, nil
}

// unread counts and logs reports that are not taken.
func (h *Handler) unread(name string, n int) {
	if n == 0 {
		return
	}
	for range n {
		h.o.Count(gate.Counter{What: gate.CountUnreadable})
	}
	h.o.Log.Error("a webhook holds reports that cannot be read", "provider", name, "reports", n)
}

func (h *Handler) apply(ctx context.Context, changes []gate.Change) error {
	if len(changes) == 0 {
		return nil
	}
	for _, a := range h.o.Store.Apply(ctx, changes) {
		if a.Err != nil {
			return a.Err
		}
	}
	return nil
}

// errNothing: a report about something that the gate has no word for.
var errNothing = errors.New("nothing to record")

// change makes a report a change of its recipient. The address goes no further than here but sealed.
func (h *Handler) change(name string, src Source, r report) (gate.Change, error) {
	purpose, ok := src.purpose(r)
	if !ok {
		return gate.Change{}, errNothing
	}
	addr, err := gate.ParseAddress(strings.TrimSpace(r.address))
	if err != nil {
		return gate.Change{}, fmt.Errorf("%w: recipient", gate.ErrInvalidEvent)
	}
	now := h.o.Now().UTC()
	id := h.o.Keys.ID(addr)
	e := gate.Event{
		ID: eventID(name, r, purpose, id), Type: r.what, Purpose: purpose, Time: timeOf(r, now),
		Actor: "hook:" + name, Source: gate.Source{Kind: "provider", ID: name}, Note: plain(r.note),
	}
	if r.what == gate.Granted {
		e.Method = cmp.Or(src.Method, gate.MethodImported)
	}
	if err := e.Validate(now); err != nil {
		return gate.Change{}, err
	}
	sealed, err := h.o.Keys.Seal(addr)
	if err != nil {
		return gate.Change{}, fmt.Errorf("seal recipient: %w", err)
	}
	return gate.Change{ID: id, Sealed: sealed, Event: e}, nil
}

// purpose is what a report is about. A bounce and a complaint are about the recipient as a whole; a group that nobody
// mapped counts as everything where the person says no, and as nothing where it says yes.
func (s Source) purpose(r report) (string, bool) {
	switch r.what {
	case gate.Bounced:
		return "", true
	case gate.Complained:
		return gate.AllPurposes, true
	}
	p := cmp.Or(s.Groups[r.group], s.Purpose, gate.AllPurposes)
	return p, r.what != gate.Granted || p != gate.AllPurposes
}

// eventID is the same for the same report, and tells nobody whom it is about.
func eventID(name string, r report, purpose string, id gate.ID) string {
	sum := sha256.New()
	for _, part := range append([]string{name, string(r.what), purpose, id.String()}, r.ref...) {
		fmt.Fprintf(sum, "%d:%s", len(part), part)
	}
	return name + "-" + strings.ToLower(base32.StdEncoding.EncodeToString(sum.Sum(nil)[:20]))
}

// timeOf is when the person acted. A provider whose clock is ahead, or that tells no time, means now.
func timeOf(r report, now time.Time) time.Time {
	if r.time.Unix() <= 0 || r.time.After(now) {
		return now
	}
	return r.time
}

// plain keeps the printable ASCII of a note, and nothing of one that may hold an address: notes are not sealed.
func plain(s string) string {
	if strings.Contains(s, "@") {
		return ""
	}
	s = strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII || !unicode.IsPrint(r) {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), maxNote)]
}
