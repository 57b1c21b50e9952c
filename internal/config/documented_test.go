package config_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/internal/config"
)

// TestEveryCapHasItsDefaultInTheDocument: each row of limits and timeouts names the value that is in force without it,
// and there is a row for each.
func TestEveryCapHasItsDefaultInTheDocument(t *testing.T) {
	t.Parallel()
	text, err := parse(t, "", config.Options{}).Redacted()
	if err != nil {
		t.Fatal(err)
	}
	var inForce struct{ Limits, Timeouts map[string]any }
	if err := yaml.Unmarshal(text, &inForce); err != nil {
		t.Fatal(err)
	}
	for section, want := range map[string]map[string]any{"limits": inForce.Limits, "timeouts": inForce.Timeouts} {
		values := make(map[string]string, len(want))
		for key, v := range want {
			values[key] = fmt.Sprint(v)
		}
		if diff := cmp.Diff(values, defaults(t, section)); diff != "" {
			t.Errorf("%s (-in force +documented):\n%s", section, diff)
		}
	}
}

// defaults are what the document says of a section's keys.
func defaults(t *testing.T, section string) map[string]string {
	t.Helper()
	_, rows, found := strings.Cut(read(t, "../../docs/configuration.md"), "### `"+section+"`")
	if !found {
		t.Fatalf("docs/configuration.md has no section %s", section)
	}
	rows, _, _ = strings.Cut(rows, "\n##")
	out := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| `([^`]+)` \\|").FindAllStringSubmatch(rows, -1) {
		out[m[1]] = m[2]
	}
	return out
}
