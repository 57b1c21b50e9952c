package metrics_test

import (
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/metrics"
)

func scrape(m *metrics.Metrics) string {
	w := httptest.NewRecorder()
	m.ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

func newMetrics(totals map[gate.Counter]int64) *metrics.Metrics {
	return metrics.New(metrics.Options{
		Totals:  func() map[gate.Counter]int64 { return totals },
		Streams: func() []string { return []string{"news", "receipts"} },
		Gauges: func() []metrics.Gauge {
			return []metrics.Gauge{
				{Name: "journal_octets", Help: "Not shipped.", Label: `journal="blocks"`, Value: 12},
				{Name: "journal_octets", Help: "Not shipped.", Label: `journal="withdrawals"`, Value: 0},
			}
		},
	})
}

func TestEverySeriesIsThereFromTheStart(t *testing.T) {
	t.Parallel()
	text := scrape(newMetrics(nil))
	for _, want := range []string{
		`consentgate_verdicts_total{stream="news",verdict="permit",reason="none"} 0`,
		`consentgate_verdicts_total{stream="receipts",verdict="block",reason="hard_bounced"} 0`,
		`consentgate_verdicts_total{stream="news",verdict="would_block",reason="passive_unconfirmed"} 0`,
		`consentgate_verdicts_total{stream="news",verdict="defer",reason="store_unavailable"} 0`,
		`consentgate_events_total{type="withdrawn"} 0`,
		`consentgate_deliveries_total{stream="news",outcome="accepted"} 0`,
		`consentgate_messages_total{stream="news",what="unsubscribe_kept"} 0`,
		`consentgate_sessions_total 0`, `consentgate_turned_away_total 0`,
		`consentgate_withdrawal_seconds_count 0`,
		`consentgate_inbound_total{what="unsubscribed"} 0`, `consentgate_inbound_total{what="unmatched"} 0`,
		`consentgate_confirmation_mails_total{what="sent"} 0`, `consentgate_confirmation_mails_total{what="capped"} 0`,
		`consentgate_hooks_refused_total{why="forged"} 0`, `consentgate_hooks_refused_total{why="unreadable"} 0`,
		`consentgate_journal_octets{journal="blocks"} 12`, `consentgate_journal_octets{journal="withdrawals"} 0`,
	} {
		if !strings.Contains(text, "\n"+want+"\n") {
			t.Errorf("lacks %s", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestWhatWasCountedIsTold(t *testing.T) {
	t.Parallel()
	m := newMetrics(map[gate.Counter]int64{
		{What: gate.CountPermitted, Stream: "news"}:                                        1,
		{What: gate.CountBlocked, Stream: "news", Reason: gate.ReasonWithdrawn}:            2,
		{What: gate.CountBlockedLate, Stream: "news", Reason: gate.ReasonWithdrawn}:        3,
		{What: gate.CountBlocked, Reason: gate.ReasonSenderNotAllowed}:                     4,
		{What: gate.CountEvent, Event: gate.Granted}:                                       5,
		{What: gate.CountRepeated, Event: gate.Granted}:                                    6,
		{What: gate.CountEvent, Event: gate.Withdrawn, Stream: "gone"}:                     7,
		{What: gate.CountSessions}:                                                         8,
		{What: gate.CountUndecided, Stream: `a"b\c`}:                                       9,
		{What: gate.CountDeferred, Stream: "news", Reason: gate.ReasonUpstreamUnavailable}: 10,
		{What: gate.CountWouldBlock, Stream: "receipts", Reason: gate.ReasonHardBounced}:   11,
		{What: gate.CountAwaiting, Event: gate.Granted}:                                    12,
		{What: gate.CountPartly, Stream: "news"}:                                           13,
		{What: gate.CountAccepted, Stream: "removed"}:                                      14,
		{What: gate.CountTurnedAway}:                                                       15,
		{What: gate.CountWithoutStore, Stream: "receipts"}:                                 16,
	})
	m.Withdrawn(30 * time.Millisecond)
	m.Withdrawn(2 * time.Second)
	text := scrape(m)
	for _, want := range []string{
		`verdicts_total{stream="news",verdict="permit",reason="none"} 1`,
		`verdicts_total{stream="news",verdict="block",reason="withdrawn"} 5`,
		`verdicts_total{stream="none",verdict="block",reason="sender_not_allowed"} 4`,
		`verdicts_total{stream="news",verdict="defer",reason="upstream_unavailable"} 10`,
		`verdicts_total{stream="receipts",verdict="would_block",reason="hard_bounced"} 11`,
		`events_total{type="granted"} 11`, `events_total{type="withdrawn"} 7`, `sessions_total 8`, `turned_away_total 15`,
		`deliveries_total{stream="a\"b\\c",outcome="unknown"} 9`, `deliveries_total{stream="removed",outcome="accepted"} 14`,
		`messages_total{stream="news",what="partly_delivered"} 13`, `messages_total{stream="receipts",what="permitted_without_store"} 16`,
		`withdrawal_seconds_bucket{le="0.01"} 0`, `withdrawal_seconds_bucket{le="0.05"} 1`, `withdrawal_seconds_bucket{le="5"} 2`,
		`withdrawal_seconds_bucket{le="+Inf"} 2`, `withdrawal_seconds_sum 2.03`, `withdrawal_seconds_count 2`,
	} {
		if !strings.Contains(text, "\nconsentgate_"+want+"\n") {
			t.Errorf("lacks %s", want)
		}
	}
	if strings.Contains(text, `"gone"`) {
		t.Error("an event's stream has series of its own")
	}
}

// Each line is a comment or a sample; a name has one HELP and one TYPE, before its samples; no series stands twice.
func TestTheTextIsWellFormed(t *testing.T) {
	t.Parallel()
	line := regexp.MustCompile(`^(consentgate|go|process)_[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+$`)
	seen := make(map[string]bool)
	for text := range strings.Lines(scrape(newMetrics(nil))) {
		text = strings.TrimSuffix(text, "\n")
		key := text
		if !strings.HasPrefix(text, "# ") {
			key, _, _ = strings.Cut(text, " ")
			if !line.MatchString(text) && !strings.Contains(text, `le="+Inf"`) {
				t.Errorf("no sample: %s", text)
			}
		}
		if seen[key] {
			t.Errorf("stands twice: %s", key)
		}
		seen[key] = true
	}
}
