//go:build linux

package app

import (
	"context"
	"fmt"
	"log/slog"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/smtpproxy/smtptest"
)

// fullDisk refuses every octet that the process would write into a file, until the function that it returns is called.
// No other test may run meanwhile.
func fullDisk(t *testing.T) (free func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ) // which would end the process
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: 0, Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	free = func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
			t.Error(err)
		}
		signal.Reset(syscall.SIGXFSZ)
	}
	t.Cleanup(free)
	return free
}

// TestOnAFullDiskNothingIsPromised: the embedded store cannot lease the message that is to be split, and the journal
// cannot note a block. Both put the client off, nothing leaves, and all is well once there is room.
func TestOnAFullDiskNothingIsPromised(t *testing.T) { //nolint:paralleltest // see fullDisk
	up := smtptest.Start(t)
	cfg, err := config.Parse("", fmt.Appendf(nil, `
data_dir: %q
listeners: [{address: "127.0.0.1:0"}]
upstreams: [{address: %q}]
default_stream: news
streams: {news: {kind: marketing, purpose: news, unsubscribe: [https]}}
unsubscribe: {listen: "127.0.0.1:0", public_url: "http://127.0.0.1:8025"}
`, t.TempDir(), up.Addr()), config.Options{Env: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	a, err := New(t.Context(), cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx, Reloads{}) }()
	agree(t, a, "ann@example.com", "ben@example.com")

	c := smtptest.Dial(t, a.SMTPAddrs()[0].String(), up)
	const begin = "C: MAIL FROM:<news@example.com>\nS: 250\nC: RCPT TO:<ann@example.com>\nS: 250\nC: RCPT TO:<ben@example.com>\nS: 250\n"
	const text = "C: DATA\nS: 354\nC: Subject: news\nC:\nC: text\nC: .\n"
	c.Play("S: 220\nC: EHLO client.example\nS* 250\n")
	free := fullDisk(t)
	c.Play(begin + "C: RCPT TO:<nobody@example.com>\nS: 451 4.3.0\n" + text + "S: 451 4.3.0\n")
	if got := up.Messages(); len(got) != 0 {
		t.Errorf("%d messages were begun upstream, want none", len(got))
	}
	free()
	c.Play(begin + "C: RCPT TO:<nobody@example.com>\nS: 550 5.7.1\n" + text + "S: 250\nC: QUIT\nS: 221\nS.\n")
	if got := up.Messages(); len(got) != 2 {
		t.Errorf("%d messages upstream, want one for each of two", len(got))
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestOnAFullDiskMailUnsubscribesNobody: what the journal cannot take is put off, and nothing is claimed.
func TestOnAFullDiskMailUnsubscribesNobody(t *testing.T) { //nolint:paralleltest // see fullDisk
	up := smtptest.Start(t)
	a := running(t, withInbound(t, t.TempDir(), up.Addr(), "domain: u.example.com"))
	agree(t, a, "ann@example.com")
	send(t, a, "250")
	to := mailtoOf(t, up)
	free := fullDisk(t)
	write(t, a, to, "452 4.3.1")
	free()
	send(t, a, "250")
	write(t, a, to, "250 2.0.0")
	send(t, a, "550 5.7.1")
}

// agree gives people a consent to news.
func agree(t *testing.T, a *App, who ...string) {
	t.Helper()
	var events []gate.Event
	for i, address := range who {
		events = append(events, gate.Event{
			ID: fmt.Sprint("event-", i), Recipient: address, Purpose: "news", Type: gate.Granted, Method: gate.MethodActive,
			DefaultState: gate.DefaultUnticked, Time: time.Now().Add(-time.Hour), Source: gate.Source{Kind: "form", ID: "footer"}, Actor: "test",
		})
	}
	for _, o := range (gate.Intake{Store: a.store, Keys: a.keys}).Apply(t.Context(), time.Now(), events, false) {
		if o.Err != nil {
			t.Fatal(o.Err)
		}
	}
}
