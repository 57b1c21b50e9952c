package app_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/consentgate/consentgate/internal/app"
)

// TestTheDemoShowsWhatItsTableSays runs the whole program once: gate, embedded store, capture mailbox and real SMTP.
func TestTheDemoShowsWhatItsTableSays(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := app.Demo(t.Context(), app.DemoOptions{Once: true, Out: &out}); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{
		"contest@example.net", "passive_unconfirmed", "no_consent", "withdrawn", "complained", "expired",
		"List-Unsubscribe: <http://127.0.0.1:", "List-Unsubscribe-Post: List-Unsubscribe=One-Click", "Capture mailbox",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("output lacks %q:\n%s", want, out.String())
		}
	}
	if n := strings.Count(out.String(), "newsletter  block"); n != 5 {
		t.Errorf("%d newsletters blocked, want 5:\n%s", n, out.String())
	}
}

func TestTheDemoSpeaksJSONLineByLine(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := app.Demo(t.Context(), app.DemoOptions{Once: true, JSON: true, Out: &out}); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	for _, line := range lines {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %s", line)
		}
	}
	if n := len(lines); n != 8*2+2 {
		t.Errorf("%d lines, want one for each of 16 outcomes, one for the header, one for the addresses", n)
	}
}
