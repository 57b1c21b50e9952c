package hooks

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// report is one thing that a provider says of one recipient.
type report struct {
	ref     []string // what tells it from every other report of the provider; a repeated one has the same
	address string   // as the provider writes it
	what    gate.EventType
	group   string    // the provider's list, group, topic or message stream; empty where it names none
	time    time.Time // of the act; zero where the provider does not say
	note    string    // what more it says
}

// reports are the reports of a request, and how many more it had that cannot be read.
type reports struct {
	list   []report
	unread int
	news   string // of the webhook itself, for the operator
}

// add appends what one of the provider's events comes to.
func (r *reports) add(list []report, err error) {
	r.list = append(r.list, list...)
	if err != nil {
		r.unread++
	}
}

// decodeEach reads a JSON array, or one object alone, event by event: one that cannot be read leaves the others alone.
func decodeEach[T any](body []byte, read func(T) []report) (reports, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(body, &raw); err != nil {
		var one json.RawMessage
		if json.Unmarshal(body, &one) != nil || len(one) == 0 || one[0] != '{' {
			return reports{}, fmt.Errorf("%w: no JSON object and no array of them", errUnreadable)
		}
		raw = []json.RawMessage{one}
	}
	var got reports
	for _, r := range raw {
		var event T
		if err := json.Unmarshal(r, &event); err != nil {
			got.add(nil, err)
			continue
		}
		got.add(read(event), nil)
	}
	return got, nil
}

// text reads a JSON string, number or boolean as text, and anything else as none: providers are not at one about what
// an id is.
type text string

func (t *text) UnmarshalJSON(b []byte) error {
	var s string
	switch {
	case json.Unmarshal(b, &s) == nil:
		*t = text(s)
	case len(b) > 0 && strings.IndexByte("-0123456789tf", b[0]) >= 0:
		*t = text(b)
	}
	return nil
}

// texts reads an array of them, or one alone.
type texts []text

func (t *texts) UnmarshalJSON(b []byte) error {
	var list []text
	if json.Unmarshal(b, &list) == nil {
		*t = list
		return nil
	}
	var one text
	if err := one.UnmarshalJSON(b); err != nil || one == "" {
		return err
	}
	*t = texts{one}
	return nil
}

// unix reads seconds since 1970, with a fraction or without, as a number or a string.
func (t text) unix() time.Time {
	seconds, err := strconv.ParseFloat(string(t), 64)
	if err != nil || !(seconds > 0 && seconds < 1<<40) {
		return time.Time{}
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9)).UTC()
}

// stamp reads a time of ISO 8601 in the forms that providers use.
func (t text) stamp() time.Time {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05-0700", "2006-01-02T15:04:05", time.DateTime} {
		if at, err := time.Parse(layout, string(t)); err == nil {
			return at.UTC()
		}
	}
	return time.Time{}
}
