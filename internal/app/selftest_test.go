package app

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/consentgate/consentgate/internal/metrics"
)

// The public URL leads to a server in front of the gate, as it does in earnest.
func TestAFrontThatLosesPostsIsToldOnceAndShownUntilItIsMended(t *testing.T) {
	t.Parallel()
	var front atomic.Pointer[http.Handler]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*front.Load()).ServeHTTP(w, r) }))
	defer server.Close()
	a := withPublicURL(t, server.URL)
	var log bytes.Buffer
	a.log = slog.New(slog.NewTextHandler(&log, nil))
	a.cfg.Unsubscribe.SelfTest = "on"
	redirect := http.RedirectHandler("https://www.example.com/", http.StatusFound)

	for i, step := range []struct {
		front http.Handler
		wait  time.Duration
		logs  string // what is added; empty: nothing
	}{
		{a.web.Handler, selfTestPeriod, ""},
		{redirect, selfTestAgain, "level=ERROR msg=\"one-click does not reach the gate from outside"},
		{redirect, selfTestAgain, ""},
		{http.NotFoundHandler(), selfTestAgain, "answers 404 Not Found"},
		{a.web.Handler, selfTestPeriod, "level=INFO msg=\"one-click reaches the gate again"},
		{a.web.Handler, selfTestPeriod, ""},
	} {
		front.Store(&step.front)
		log.Reset()
		if wait := a.testSelfOnce(t.Context()); wait != step.wait {
			t.Errorf("step %d: again in %v, want %v", i, wait, step.wait)
		}
		if (log.Len() == 0) != (step.logs == "") || !strings.Contains(log.String(), step.logs) {
			t.Errorf("step %d: log %q, want %q", i, log.String(), step.logs)
		}
		if got := gauge(a.selfTestGauge()); got != fmt.Sprint(flag(step.wait == selfTestPeriod)) {
			t.Errorf("step %d: gauge %s", i, got)
		}
	}
}

func gauge(all []metrics.Gauge) string {
	if len(all) != 1 || all[0].Name != "self_test_ok" {
		return fmt.Sprint(all)
	}
	return fmt.Sprint(all[0].Value)
}

func TestASelfTestThatIsOffAsksNobodyAndHasNoGauge(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("asked: %s", r.URL) }))
	defer server.Close()
	a := withPublicURL(t, server.URL) // a loopback host, so off where nothing is said
	if wait := a.testSelfOnce(t.Context()); wait != selfTestAgain || len(a.selfTestGauge()) != 0 {
		t.Errorf("again in %v, gauges %v", wait, a.selfTestGauge())
	}
	a.cfg.Unsubscribe.PublicURL, a.cfg.Unsubscribe.SelfTest = "https://u.example.com", "off"
	a.testSelfOnce(t.Context())
}
