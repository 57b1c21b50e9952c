package app

import (
	"log/slog"
	"net/http"
	"net/smtp"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/admin"
	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/gate/gatetest"
	"github.com/consentgate/consentgate/internal/stats"
)

func passiveGrant(id string, n byte) gate.Change {
	return gate.Change{ID: gate.ID{n}, Event: gate.Event{
		ID: id, Type: gate.Granted, Method: gate.MethodPassive, Purpose: "newsletter", Time: time.Now(),
		Source: gate.Source{Kind: "contest", ID: "quiz"},
	}}
}

func TestWhatIsCountedIsInTheReportAndInTheMetrics(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	defer s.stop()
	if a := s.store.Apply(t.Context(), []gate.Change{passiveGrant("1", 1)})[0]; a.Err != nil {
		t.Fatal(a.Err)
	}
	err := smtp.SendMail(s.SMTPAddrs()[0].String(), nil, "news@example.com", []string{"nobody@example.com"}, []byte("Subject: x\r\n\r\nx\r\n"))
	if err == nil {
		t.Fatal("mail to somebody without consent was taken")
	}
	gatetest.Eventually(t, "the API has both", func() bool {
		status, body := s.get(t, http.DefaultClient, "/api/v1/stats?by=source&days=1", admin.RoleViewer)
		return status == http.StatusOK && strings.Contains(body, `{"key":"contest:quiz","granted":1,`) && strings.Contains(body, `"not_sent":1`)
	})
	_, text := s.get(t, http.DefaultClient, "/metrics", admin.RoleViewer)
	for _, want := range []string{
		`consentgate_verdicts_total{stream="newsletter",verdict="block",reason="no_consent"} 1`,
		`consentgate_verdicts_total{stream="null_sender",verdict="permit",reason="none"} 0`,
		`consentgate_events_total{type="granted"} 1`, `consentgate_sessions_total 1`, `consentgate_store_up 1`,
		`consentgate_journal_octets{journal="withdrawals"} 0`,
	} {
		if !strings.Contains(text, want+"\n") {
			t.Errorf("/metrics lacks %s:\n%s", want, text)
		}
	}
}

func TestTheLastCountsReachTheStoreBeforeItIsClosed(t *testing.T) {
	t.Parallel()
	s := serve(t, "")
	if a := s.store.Apply(t.Context(), []gate.Change{passiveGrant("1", 1)})[0]; a.Err != nil {
		t.Fatal(a.Err)
	}
	s.stop()
	cfg := s.config()
	store, _, err := OpenStore(t.Context(), cfg, slog.New(slog.DiscardHandler), false)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	r, err := Report(t.Context(), store, cfg, stats.ByMethod, time.Now(), 24*time.Hour)
	if err != nil || r.Total.Granted != 1 {
		t.Errorf("granted %d, %v; want the one", r.Total.Granted, err)
	}
}
