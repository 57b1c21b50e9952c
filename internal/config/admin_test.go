package config_test

import (
	"strings"
	"testing"

	"github.com/consentgate/consentgate/internal/config"
)

const adminToken = `tokens: [{name: ops, hash: "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", role: operator}]`

func TestTheAdminListenerIsOnLoopbackAndWithoutTLSUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	const certificate = "tls: {certificate: /c.pem, key: /k.pem}\n"
	for text, want := range map[string]config.Admin{
		``:                            {TLS: config.TLSImplicit, Metrics: config.MetricsToken}, // there is none
		`admin: {` + adminToken + `}`: {Listen: "127.0.0.1:8026", TLS: config.TLSNone, Metrics: config.MetricsOpen},
		`admin: {listen: "[::1]:80"}`: {Listen: "[::1]:80", TLS: config.TLSNone, Metrics: config.MetricsOpen},
		certificate + `admin: {listen: "10.0.0.1:80"}`: {
			Listen: "10.0.0.1:80", TLS: config.TLSImplicit, Metrics: config.MetricsToken,
		},
		`admin: {listen: "10.0.0.1:80", tls: none, metrics: open}`: {Listen: "10.0.0.1:80", TLS: config.TLSNone, Metrics: config.MetricsOpen},
	} {
		c := parse(t, text, config.Options{})
		got := c.Admin
		if got.Listen != want.Listen || got.TLS != want.TLS || got.Metrics != want.Metrics {
			t.Errorf("%s: got %+v", text, got)
		}
		warned := strings.Contains(strings.Join(c.Warnings, "\n"), "tokens and answers cross the network in the clear")
		if warned != strings.Contains(text, "tls: none") {
			t.Errorf("%s: warnings %q", text, c.Warnings)
		}
	}
}

func TestPrintedSettingsHoldNoHashOfAToken(t *testing.T) {
	t.Parallel()
	out, err := parse(t, `admin: {`+adminToken+`}`, config.Options{}).Redacted()
	if err != nil {
		t.Fatal(err)
	}
	if text := string(out); strings.Contains(text, "aaaa") || !strings.Contains(text, "hash: xxxxx") || !strings.Contains(text, "name: ops") {
		t.Errorf("printed:\n%s", text)
	}
}
