package config_test

import (
	"strings"
	"testing"

	"github.com/consentgate/consentgate/internal/config"
)

const withForm = `
confirmation: {from: hello@example.com}
forms: {footer: {purpose: marketing, wording: nl, language: en}}
streams: {marketing: {}}
`

func TestFormsBehindAnHTTPSServerThatIsNotNamedAreWarnedOf(t *testing.T) {
	t.Parallel()
	for unsubscribe, want := range map[string]bool{
		`public_url: "https://u.example.com"`:                                 true,
		`public_url: "https://u.example.com", trusted_proxies: ["127.0.0.1"]`: false,
		`public_url: "http://127.0.0.1:8025"`:                                 false,
	} {
		c := parse(t, "unsubscribe: {brand: {name: Example}, "+unsubscribe+"}"+withForm, config.Options{})
		if got := strings.Contains(strings.Join(c.Warnings, "\n"), "unsubscribe.trusted_proxies"); got != want {
			t.Errorf("%s: warned %v, want %v", unsubscribe, got, want)
		}
	}
}
