package gate

import (
	"context"
	"errors"
	"iter"
	"strings"
	"time"
)

// Arrival is an event that an application left in a store's inbox.
type Arrival struct {
	Entry string // id of the entry
	Event string // JSON, as it was given; empty: the entry holds none
}

// Reject says why an arrival was not taken. It holds no address: the application has its own events.
type Reject struct {
	Entry     string    `json:"entry"`
	Time      time.Time `json:"time"`
	EventID   string    `json:"event_id,omitempty"`
	Recipient string    `json:"recipient,omitempty"` // masked; empty where it was no address
	Reason    string    `json:"reason"`
}

// Inbox is where a store takes events from applications that write to it themselves. Several gates share the work.
type Inbox interface {
	// Arrivals hands reader about n arrivals that no other reader has. What a reader does not settle is handed to
	// another one after a while, so an arrival may be seen twice.
	Arrivals(ctx context.Context, reader string, n int) ([]Arrival, error)
	// Settle removes arrivals for good and keeps the rejects of them to be read, the latest some thousands.
	Settle(ctx context.Context, entries []string, rejects []Reject) error
	// Rejects yields what was kept, newest first.
	Rejects(ctx context.Context) iter.Seq2[Reject, error]
}

// Arrived applies arrivals and returns the entries that are done with and, among these, what was rejected. An event
// without an id gets one from its entry, so that an entry that is seen twice is one event. Its actor is redis:inbox and
// whom it names itself: whoever may write there can claim to be anybody. An entry that the store did
// not take is not done with; err is why.
func (in Intake) Arrived(ctx context.Context, now time.Time, arrivals []Arrival) (done []string, rejects []Reject, err error) {
	events := make([]Event, 0, len(arrivals))
	entries := make([]string, 0, len(arrivals))
	for _, a := range arrivals {
		e, err := a.read()
		if err != nil {
			done, rejects = append(done, a.Entry), append(rejects, a.reject(now, e, err))
			continue
		}
		events, entries = append(events, e), append(entries, a.Entry)
	}
	for i, o := range in.Apply(ctx, now, events, false) {
		switch {
		case errors.Is(o.Err, ErrInvalidEvent):
			rejects = append(rejects, Arrival{Entry: entries[i]}.reject(now, o.Event, o.Err))
		case o.Err != nil:
			err = o.Err
			continue
		}
		done = append(done, entries[i])
	}
	return done, rejects, err
}

func (a Arrival) read() (Event, error) {
	if a.Event == "" {
		return Event{}, invalidEvent("event", "missing; add the entry as: XADD cg:in * event JSON")
	}
	e, err := ParseEvent([]byte(a.Event))
	if e.ID == "" {
		e.ID = "in:" + a.Entry
	}
	e.Actor = ActorBy("redis:inbox", e.Actor)
	return e, err
}

func (a Arrival) reject(now time.Time, e Event, why error) Reject {
	r := Reject{Entry: a.Entry, Time: now.UTC(), EventID: withoutAddresses(e.ID), Reason: withoutAddresses(why.Error())}
	if addr, err := ParseAddress(e.Recipient); err == nil {
		r.Recipient = addr.Masked()
	}
	return r
}

// withoutAddresses masks every word that may be an address: a sentence about a wrong field may repeat what was in it. What
// our own sentences say of addresses stays.
func withoutAddresses(text string) string {
	if !strings.Contains(text, "@") {
		return text
	}
	words := strings.Split(text, " ")
	for i, w := range words {
		if bare := strings.Trim(w, ".,;:"); strings.Contains(w, "@") && bare != "@" && bare != "local@domain" {
			words[i] = "***"
		}
	}
	return strings.Join(words, " ")
}
