package gate_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// on is noon of the n-th day of the histories in these tests.
func on(day int) time.Time {
	return time.Date(2026, time.January, 1, 12, 0, 0, 0, time.UTC).AddDate(0, 0, day)
}

// event reads one line of a history: the day, the type, and words in any order.
//
//	3 granted active              method, via, default state, audience and jurisdiction by their names
//	4 withdrawn *                 of every purpose
//	5 granted soft for=partners   another purpose than newsletter
//	6 granted active from=form:footer sale=S1 category=books ref=R id=7 proven
//
// proven adds what the methods need as proof.
func event(t testing.TB, line string) gate.Event {
	t.Helper()
	words := strings.Fields(line)
	day, err := strconv.Atoi(words[0])
	if err != nil {
		t.Fatalf("event %q: %v", line, err)
	}
	e := gate.Event{ID: line, Type: gate.EventType(words[1]), Time: on(day), Purpose: "newsletter"}
	for _, word := range words[2:] {
		if key, value, ok := strings.Cut(word, "="); ok {
			setField(t, &e, key, value)
			continue
		}
		setWord(t, &e, word)
	}
	if e.Type == gate.Confirmed && !strings.Contains(line, " ref=") {
		e.Evidence.Ref = "proof"
	}
	return e
}

func setWord(t testing.TB, e *gate.Event, word string) {
	t.Helper()
	switch word {
	case "*":
		e.Purpose = gate.AllPurposes
	case "-":
		e.Purpose = ""
	case "passive", "active", "double", "verbal", "soft", "b2b", "implied", "imported":
		e.Method = gate.Method(word)
	case "mailbox", "account", "phone", "in_person":
		e.Via = gate.Via(word)
	case "ticked", "unticked", "bundled":
		e.DefaultState = gate.DefaultState(word)
	case "confirmed":
		e.Evidence.ConfirmedAt = e.Time
	case "offered":
		e.Evidence.OptoutOffered = true
	case "EU", "FR", "DE", "US", "IT", "CA":
		e.Jurisdiction = word
	case "proven":
		e.Controller, e.Wording.ID = "acme", "nl-1"
		if e.DefaultState == "" {
			e.DefaultState = gate.DefaultUnticked
		}
		if e.Source.Kind == "" {
			e.Source = gate.Source{Kind: "form", ID: "footer"}
		}
	default:
		t.Fatalf("event %q: unknown word %q", e.ID, word)
	}
}

func setField(t testing.TB, e *gate.Event, key, value string) {
	t.Helper()
	switch key {
	case "for":
		e.Purpose = value
	case "from":
		e.Source.Kind, e.Source.ID, _ = strings.Cut(value, ":")
	case "sale":
		e.Evidence.SaleRef = value
	case "category":
		e.Evidence.Category = value
	case "ref":
		e.Evidence.Ref = value
	case "audience":
		e.Audience = value
	case "method":
		e.Method = gate.Method(value)
	case "id":
		e.ID = value
	default:
		t.Fatalf("event %q: unknown field %q", e.ID, key)
	}
}

// history reads events separated by semicolons.
func history(t testing.TB, lines string) []gate.Event {
	t.Helper()
	var events []gate.Event
	for line := range strings.SplitSeq(lines, ";") {
		if line = strings.TrimSpace(line); line != "" {
			events = append(events, event(t, line))
		}
	}
	return events
}

func record(t testing.TB, lines string) gate.Record {
	t.Helper()
	return gate.Fold(history(t, lines))
}

func text(r gate.Record) string { return fmt.Sprint(r.Fields()) }
