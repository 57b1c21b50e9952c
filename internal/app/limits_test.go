package app

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/smtpproxy"
)

func configOf(t *testing.T, text string) *config.Config {
	t.Helper()
	c, err := config.Parse("config.yaml", []byte(text), config.Options{
		Env: func(string) string { return "" }, Flags: config.Overlay{DataDir: t.TempDir()},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestWithoutAConfigTheLimitsAreTheRelaysOwn(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff(smtpproxy.DefaultLimits(), limits(configOf(t, ""))); diff != "" {
		t.Errorf("(-relay +config):\n%s", diff)
	}
}

// A limit that is left out of the translation would keep its default.
func TestEveryLimitOfTheConfigReachesTheRelay(t *testing.T) {
	t.Parallel()
	got := limits(configOf(t, `
limits: {message: 1MiB, header: 9KiB, header_fields: 51, recipients: 2, refused_recipients: 3, refused_per_hour: 12, refused_delay: 2s,
  auth_failures: 4, auth_failures_per_hour: 13, hops: 11, own_hops: 5, sessions: 6, sessions_per_network: 7, sessions_per_credential: 8,
  null_sender: 9, min_rate: 0}
timeouts: {idle: 6s, data: 7s, write: 8s, handshake: 9s, proxy_header: 10s, lookup: 1s, envelope: 11s, deliver: 12s}
`))
	want := smtpproxy.DefaultLimits()
	want.Wire.Message, want.Wire.Header, want.Wire.Fields = 1<<20, 9<<10, 51
	want.Recipients, want.Refused, want.RefusedHourly, want.RefusedDelay = 2, 3, 12, 2e9
	want.AuthFails, want.AuthFailsHourly = 4, 13
	want.Hops, want.OwnHops, want.Sessions, want.NetworkSessions, want.CredentialSessions = 11, 5, 6, 7, 8
	want.NullSender, want.MinRate = 9, -1
	want.Idle, want.Progress, want.Write, want.Handshake, want.ProxyHeader = 6e9, 7e9, 8e9, 9e9, 10e9
	want.Lookup, want.Envelope, want.Deliver = 1e9, 11e9, 12e9
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
