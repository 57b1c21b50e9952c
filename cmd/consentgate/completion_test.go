package main

import (
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
)

func TestEveryWordThatIsCompletedIsOneThatEventsTake(t *testing.T) {
	t.Parallel()
	now := time.Now()
	event := gate.Event{ID: "1", Type: gate.Confirmed, Purpose: "news", Time: now, Via: gate.ViaPhone, Evidence: gate.Evidence{Ref: "1"}}
	check := func(word string, set func(*gate.Event)) {
		e := event
		set(&e)
		if err := e.Validate(now); err != nil {
			t.Errorf("%s: %v", word, err)
		}
	}
	check("nothing", func(*gate.Event) {})
	for _, m := range methods() {
		check(string(m), func(e *gate.Event) { e.Method = m })
	}
	for _, d := range defaultStates() {
		check(string(d), func(e *gate.Event) { e.DefaultState = d })
	}
	for _, v := range waysToConfirm() {
		check(string(v), func(e *gate.Event) { e.Via = v })
	}
	for _, s := range sources() {
		check(s, func(e *gate.Event) { e.Source = gate.Source{Kind: strings.TrimSuffix(s, ":"), ID: "x"} })
	}
	for _, kv := range evidenceKeys() {
		value := map[string]string{"optout_offered=": "true", "confirmed_at=": "2026-11-01T10:00:00Z"}[kv]
		if value == "" {
			value = "x"
		}
		var ev gate.Evidence
		if err := setEvidence(&ev, kv+value); err != nil || ev == (gate.Evidence{}) {
			t.Errorf("%s: %v", kv, err)
		}
	}
}

func TestEveryWordThatEventsTakeIsCompleted(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for field, words := range map[string][]string{
		"method": texts(methods()), "default_state": texts(defaultStates()), "source.kind": sources(),
	} {
		e := gate.Event{ID: "1", Type: gate.Granted, Purpose: "news", Time: now}
		switch field {
		case "method":
			e.Method = "x"
		case "default_state":
			e.DefaultState = "x"
		default:
			e.Source.Kind = "x"
		}
		_, known, _ := strings.Cut(e.Validate(now).Error(), "use one of ")
		if got := strings.ReplaceAll(strings.Join(words, ", "), ":", ""); got != known {
			t.Errorf("%s: completed are %s; there are %s", field, got, known)
		}
	}
}

func TestOneThingIsNotManyThings(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"1 line": count(1, "line"), "0 lines": count(0, "line"), "2 lines": count(2, "line"),
		"1 line is": countAre(1, "line"), "2 lines are": countAre(2, "line"),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
