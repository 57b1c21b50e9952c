package config_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/unsub/hooks"
)

// hooked is a config in which mailgun and brevo have secrets in a folder.
func hooked(t *testing.T, dir string) *config.Config {
	t.Helper()
	return parse(t, strings.ReplaceAll(`
unsubscribe: {public_url: https://u.example.com}
default_stream: news
streams: {news: {match: {mail_from: ["news@example.com"]}}}
hooks:
  mailgun: {signing_key_file: DIR/mailgun, purposes: {4711: news}}
  brevo: {username: gate, password_file: DIR/brevo}
`, "DIR", dir), config.Options{})
}

func TestTheSecretsOfHooksAreReadWhenTheyAreNeeded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, secret := range map[string]string{"mailgun": "mailgun-signing-key-1\n", "brevo": "password-of-brevo-1\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := hooked(t, dir).HookSettings()
	if err != nil {
		t.Fatal(err)
	}
	want := hooks.Settings{
		"mailgun": {Secret: "mailgun-signing-key-1", Groups: map[string]string{"4711": "news"}},
		"brevo":   {Username: "gate", Password: "password-of-brevo-1"},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAllSecretsOfHooksThatCannotBeReadAreReported(t *testing.T) {
	t.Parallel()
	_, err := hooked(t, t.TempDir()).HookSettings()
	if err == nil {
		t.Fatal("read secrets that are not there")
	}
	for _, want := range []string{"hooks.mailgun.signing_key_file: ", "hooks.brevo.password_file: "} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}
