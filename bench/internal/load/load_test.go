//go:build linux

package load_test

import (
	"context"
	"crypto/tls"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/bench/internal/countsink"
	"github.com/consentgate/consentgate/bench/internal/load"
	"github.com/consentgate/consentgate/bench/internal/procs"
)

func serve(t *testing.T) *countsink.Server {
	t.Helper()
	s, err := countsink.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve() }()
	t.Cleanup(func() {
		s.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestSMTPSourceSendsEachNumberOnce(t *testing.T) {
	t.Parallel()
	source, err := procs.Find("smtp-source")
	if err != nil {
		t.Fatal(err)
	}
	for _, kept := range []bool{true, false} {
		s := serve(t)
		j := load.Job{From: "news@bench.test", Sessions: 3, Messages: 20, Size: 1000, Recipients: 4, Kept: kept}
		if _, err := load.Source(t.Context(), source, s.Addr(), j); err != nil {
			t.Fatal(err)
		}
		got, want := s.Report(), countsink.Series{Total: 80, Distinct: 80, Highest: 80}
		if got.Series[load.Recipients] != want || got.Messages != 20 {
			t.Errorf("kept %v: %d messages, %+v, want 20 and %+v", kept, got.Messages, got.Series, want)
		}
	}
}

func TestEveryModeSendsToEveryAddressInTurn(t *testing.T) {
	t.Parallel()
	for _, mode := range []load.Mode{load.StepByStep, load.Pipelined, load.NewConnection} {
		one, other := serve(t), serve(t)
		took, err := load.Latency(t.Context(), mode, []string{one.Addr(), other.Addr()}, "news@bench.test", 500, 100)
		if err != nil {
			t.Fatalf("%v: %v", mode, err)
		}
		for i, s := range []*countsink.Server{one, other} {
			want := countsink.Series{Total: 100, Distinct: 100, Highest: 100}
			if got := s.Report().Series[load.Recipients]; got != want || len(took[i]) != 100 {
				t.Errorf("%v, address %d: %+v and %d times, want %+v", mode, i, got, len(took[i]), want)
			}
		}
	}
}

func TestAWatchNamesTheWithdrawnOnlyToWhoDecides(t *testing.T) {
	t.Parallel()
	s := serve(t)
	w := load.Watch{Addr: s.Addr(), From: "news@bench.test", Size: 500}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	sent, err := w.Run(ctx)
	if err != nil || sent.Messages == 0 || sent.Recipients != 2*sent.Messages {
		t.Fatalf("sent %+v, error %v", sent, err)
	}
	want := countsink.Series{Total: sent.Recipients, Distinct: sent.Recipients, Highest: sent.Recipients}
	if got := s.Report().Series; got[load.Watched] != want || len(got) != 1 {
		t.Errorf("%+v, want %+v of watch and nobody else", got, want)
	}
	w.Decides = true
	if _, err := w.Run(ctx); err == nil || !strings.Contains(err.Error(), "not refused") {
		t.Errorf("a mailer that takes everybody passes for a gate: error %v", err)
	}
}

func TestIdleSessionsSendOneMessageEach(t *testing.T) {
	t.Parallel()
	s := serve(t)
	open, err := load.Open(s.Addr(), 5)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if err := open.Send("news@bench.test", 500); err != nil {
		t.Fatal(err)
	}
	if got := s.Report().Series[load.Recipients]; got.Distinct != 5 {
		t.Errorf("%+v, want 5 recipients", got)
	}
}

func TestNothingIsSentOffLoopback(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"192.0.2.1:25", "mail.example.com:25", ""} {
		if _, err := load.Source(t.Context(), "/bin/true", addr, load.Job{}); err == nil {
			t.Errorf("smtp-source would send to %q", addr)
		}
		if _, err := load.Dial(addr); err == nil {
			t.Errorf("a connection to %q", addr)
		}
	}
}

func TestASwarmDoesNotInsistWhereItIsRefused(t *testing.T) {
	t.Parallel()
	s := serve(t)
	w := load.Swarm{Addr: s.Addr(), TLS: &tls.Config{MinVersion: tls.VersionTLS12}, Retry: 1000}
	// This upstream does not know STARTTLS: 500.
	sent, err := w.Run(t.Context(), load.Job{From: "news@bench.test", Sessions: 1, Messages: 1, Size: 100, Recipients: 1})
	if !errors.Is(err, load.ErrRefused) || sent.Retried != 0 {
		t.Errorf("%d retries, error %v, want none and %v", sent.Retried, err, load.ErrRefused)
	}
}
