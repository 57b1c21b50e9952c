package gate_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/consentgate/consentgate/gate"
)

func TestWhatIsWrongWithTheJSONOfAnEventIsSaidWithItsField(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		``:                                    "no JSON object",
		`ann@example.com,newsletter`:          "no JSON object",
		`[]`:                                  "no JSON object",
		`{"id":"a"} {"id":"b"}`:               "more than one JSON object",
		`{"id":"a"} x`:                        "more than one JSON object",
		`{"id":"a","purpos":"news"}`:          `"purpos": there is no such field`,
		`{"source":{"kin":"form"}}`:           `"kin": there is no such field`,
		`{"method":7}`:                        "method: holds a number; want text in quotes",
		`{"evidence":{"optout_offered":"y"}}`: "evidence.optout_offered: holds a string; want true or false",
		`{"source":"form"}`:                   "source: holds a string; want an object",
		`{"time":"soon"}`:                     `time: "soon" is no time`,
		`{"evidence":{"confirmed_at":7}}`:     "evidence.confirmed_at: 7 is no time",
	} {
		_, err := gate.ParseEvent([]byte(text))
		if !errors.Is(err, gate.ErrInvalidEvent) || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseEvent(%s) = %v, want %q", text, err, want)
		}
	}
}

func FuzzParseEvent(f *testing.F) {
	for _, text := range []string{
		`{"id":"a","recipient":"ann@example.com","type":"granted","time":"2026-11-01T10:00:00Z"}`, `{"time":7}`, `{} {}`, `{"source":{"kin":1}}`, "[", "",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		e, err := gate.ParseEvent(text)
		switch {
		case err != nil && (!errors.Is(err, gate.ErrInvalidEvent) || e != gate.Event{}):
			t.Errorf("got %+v with %v", e, err)
		case err != nil:
			return
		}
		again, err := json.Marshal(e)
		if err != nil {
			return // a year that JSON has no form for
		}
		if back, err := gate.ParseEvent(again); err != nil || !back.Time.Equal(e.Time) || back.ID != e.ID || back.Type != e.Type {
			t.Errorf("%s reads back as %+v, %v", again, back, err)
		}
	})
}

func TestAnEventMayStandOnSeveralLines(t *testing.T) {
	t.Parallel()
	e, err := gate.ParseEvent([]byte("\n{\n\"id\": \"a\",\n \"type\": \"granted\"}\n\n"))
	if err != nil || e.ID != "a" || e.Type != gate.Granted {
		t.Errorf("got %+v, %v", e, err)
	}
}
