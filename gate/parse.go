package gate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"
)

// ParseEvent reads one event from JSON, strictly: one object, and no field that events do not have. It does not
// validate. The error wraps ErrInvalidEvent; its sentence names the JSON field where that is known.
func ParseEvent(text []byte) (Event, error) {
	var e Event
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&e); err != nil {
		return Event{}, unreadable(text, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return Event{}, fmt.Errorf("%w: more than one JSON object; put each on a line of its own", ErrInvalidEvent)
	}
	return e, nil
}

// unreadable says what is wrong with the text, and in which field where that is known.
func unreadable(text []byte, err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && wrong.Field != "" {
		return invalidEvent(wrong.Field, "holds a %s; want %s", wrong.Value, jsonType(wrong))
	}
	if field, unknown := strings.CutPrefix(err.Error(), "json: unknown field "); unknown {
		return invalidEvent(field, "there is no such field; remove it, or see docs/consent.md")
	}
	if field, got := wrongTime(text); field != "" {
		return invalidEvent(field, "%s is no time; write it as 2026-11-01T10:00:00Z", got)
	}
	return fmt.Errorf("%w: no JSON object; want one event a line", ErrInvalidEvent)
}

// wrongTime finds the time that cannot be read: the JSON package does not say which one it was.
func wrongTime(text []byte) (field, got string) {
	var e struct {
		Time     json.RawMessage
		Evidence struct {
			ConfirmedAt json.RawMessage `json:"confirmed_at"`
		}
	}
	if json.Unmarshal(text, &e) != nil {
		return "", ""
	}
	var at time.Time
	switch {
	case e.Time != nil && json.Unmarshal(e.Time, &at) != nil:
		return "time", string(e.Time)
	case e.Evidence.ConfirmedAt != nil && json.Unmarshal(e.Evidence.ConfirmedAt, &at) != nil:
		return "evidence.confirmed_at", string(e.Evidence.ConfirmedAt)
	}
	return "", ""
}

func jsonType(e *json.UnmarshalTypeError) string {
	switch e.Type.Kind().String() {
	case "string":
		return "text in quotes"
	case "bool":
		return "true or false"
	}
	return "an object or a time in quotes"
}
