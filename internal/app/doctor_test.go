package app

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
)

// patient is a gate's settings and files, all in order, for a test to break.
type patient struct {
	t                      *testing.T
	dir, address, upstream string
	more                   string // of the config
}

func newPatient(t *testing.T) *patient {
	t.Helper()
	return &patient{t: t, dir: t.TempDir(), address: "127.0.0.1:0", upstream: smtptest.Start(t).Addr()}
}

func (p *patient) config() *config.Config {
	p.t.Helper()
	return parsed(p.t, fmt.Sprintf("data_dir: %q\nlisteners: [{address: %q}]\nupstreams: [{address: %q}]\n%s",
		p.dir, p.address, p.upstream, p.more))
}

func (p *patient) init() {
	p.t.Helper()
	if _, err := InitStore(p.t.Context(), p.config(), slog.New(slog.DiscardHandler), false); err != nil {
		p.t.Fatal(err)
	}
}

// certificate gives the patient one that ends an hour after at.
func (p *patient) certificate(at time.Time) {
	p.t.Helper()
	files := config.TLS{Certificate: filepath.Join(p.dir, "cert.pem"), Key: filepath.Join(p.dir, "key.pem")}
	writePair(p.t, files, 1, at)
	p.more += fmt.Sprintf("tls: {certificate: %q, key: %q}\n", files.Certificate, files.Key)
}

// mailgun gives the patient the webhooks of a provider.
func (p *patient) mailgun(key string) {
	p.t.Helper()
	file := filepath.Join(p.dir, "mailgun")
	if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.more += fmt.Sprintf("unsubscribe: {public_url: \"https://u.example.com\"}\nhooks: {mailgun: {signing_key_file: %q}}\n", file)
}

// worst are the worst findings, "part health", and their texts.
func worst(found []Finding) (parts []string, texts string) {
	level := Doubt
	for _, f := range found {
		if f.Health == Broken {
			level = Broken
		}
	}
	for _, f := range found {
		if f.Health == level {
			parts = append(parts, f.Part+" "+string(f.Health))
			texts += f.Text + "\n"
		}
	}
	return parts, texts
}

func (p *patient) examine() []Finding {
	d := Doctor{Config: p.config(), Now: time.Now, Log: slog.New(slog.DiscardHandler)}
	return d.Examine(p.t.Context())
}

func TestTheDoctorNamesWhatIsBroken(t *testing.T) {
	t.Parallel()
	for sentence, tc := range map[string]struct {
		broken func(p *patient)
		part   string
		text   string
	}{
		"no store was ever made": {func(p *patient) { _ = os.RemoveAll(p.dir) }, "store fail", "store init"},
		"the id key is another's": {func(p *patient) {
			other := newPatient(p.t)
			other.init()
			_ = os.Rename(filepath.Join(other.dir, "id.key"), filepath.Join(p.dir, "id.key"))
		}, "store fail", "another id key"},
		"the keys are gone":                {func(p *patient) { _ = os.Remove(filepath.Join(p.dir, "id.key")) }, "keys fail", "id.key"},
		"the upstream does not answer":     {func(p *patient) { p.upstream = free(p.t) }, "upstream fail", "connection refused"},
		"the address is another program's": {func(p *patient) { p.address = taken(p.t) }, "listener fail", "no gate runs from this data_dir"},
		"there is no place for journals": {func(p *patient) {
			_ = os.WriteFile(filepath.Join(p.dir, "journal"), nil, 0o600)
		}, "journal fail", "journal"},
		"the certificate ended":      {func(p *patient) { p.certificate(time.Now().Add(-2 * time.Hour)) }, "certificate fail", "ended on"},
		"the certificate ends soon":  {func(p *patient) { p.certificate(time.Now()) }, "certificate warn", "ends on"},
		"others may read the id key": {func(p *patient) { _ = os.Chmod(filepath.Join(p.dir, "id.key"), 0o644) }, "keys fail", "chmod 600"},
		"others may read the TLS key": {func(p *patient) {
			p.certificate(time.Now().AddDate(1, 0, 0))
			_ = os.Chmod(filepath.Join(p.dir, "key.pem"), 0o644)
		}, "keys warn", "-rw-r--r--"},
		"others may read a provider's secret": {func(p *patient) {
			p.mailgun("a-key-of-mailgun-1234")
			_ = os.Chmod(filepath.Join(p.dir, "mailgun"), 0o644)
		}, "keys warn", "mailgun can be read by others"},
		"a provider's secret is not there": {func(p *patient) {
			p.mailgun("a-key-of-mailgun-1234")
			_ = os.Remove(filepath.Join(p.dir, "mailgun"))
		}, "config fail", "hooks.mailgun.signing_key_file"},
		"a provider's secret could be guessed": {func(p *patient) { p.mailgun("secret") }, "config fail", "needs 16"},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			p := newPatient(t)
			p.init()
			tc.broken(p)
			parts, texts := worst(p.examine())
			if !strings.Contains(strings.Join(parts, ", "), tc.part) || !strings.Contains(texts, tc.text) {
				t.Errorf("found %v, want %s with %q:\n%s", parts, tc.part, tc.text, texts)
			}
		})
	}
}

// free is an address that nobody listens on.
func free(t *testing.T) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// taken is an address that another program listens on.
func taken(t *testing.T) string {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().String()
}

func TestTheDoctorFindsNothingBrokenBesideARunningGate(t *testing.T) {
	t.Parallel()
	p := newPatient(t)
	p.address = free(t)
	web := free(t)
	p.more = fmt.Sprintf("unsubscribe: {listen: %q, public_url: \"http://%s\"}\n", web, web)
	running(t, p.config())
	found := p.examine()
	for _, f := range found {
		if f.Health == Broken {
			t.Errorf("%s: %s", f.Part, f.Text)
		}
		if f.Part == "listener" && !strings.Contains(f.Text, "a gate runs") {
			t.Errorf("of the gate at %s: %s", p.address, f.Text)
		}
		if f.Part == "public_url" && f.Health != Sound {
			t.Errorf("public URL: %s", f.Text)
		}
	}
}

// apart is a store whose server has a clock of its own.
type apart struct {
	gate.Store
	at time.Time
}

func (a apart) Clock(context.Context) (time.Time, error) { return a.at, nil }

func TestTheDoctorComparesClocks(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for off, want := range map[time.Duration]Health{0: Sound, time.Second: Sound, time.Minute: Doubt, -time.Minute: Doubt} {
		d := Doctor{Now: func() time.Time { return now }}
		d.clock(t.Context(), apart{gatetest.NewStore(), now.Add(off)})
		if len(d.found) != 1 || d.found[0].Health != want {
			t.Errorf("%v apart: %+v, want %s", off, d.found, want)
		}
	}
}
