package app

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/consentgate/consentgate/internal/metrics"
	"github.com/consentgate/consentgate/internal/seal"
	"github.com/consentgate/consentgate/unsub"
)

// When the gate first tries its own public URL, how often from then on, and how often while that fails.
const (
	selfTestFirst  = 5 * time.Second
	selfTestPeriod = time.Hour
	selfTestAgain  = time.Minute
	selfTestTime   = 10 * time.Second
)

// selfTest is whether the POSTs of mail providers would arrive. It tells and changes nothing: mail goes on, since
// people can still be reached and the fault may lie between the gate and its own front door.
type selfTest struct {
	failing atomic.Bool
	last    string // the fault that was told
}

// testSelf tries the public URL until ctx ends. What is wrong is told once, until it is another thing.
func (a *App) testSelf(ctx context.Context, first time.Duration) {
	for wait := first; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = a.testSelfOnce(ctx)
	}
}

// testSelfOnce returns when it is due again.
func (a *App) testSelfOnce(ctx context.Context) time.Duration {
	cfg, _ := a.inForce()
	if !cfg.Unsubscribe.SelfTests() {
		return selfTestAgain // a reload may switch it on
	}
	err := tryPublicURL(ctx, a.keys, cfg.Unsubscribe.PublicURL)
	if ctx.Err() != nil {
		return selfTestAgain
	}
	if a.tellSelfTest(cfg.Unsubscribe.PublicURL, err); err != nil {
		return selfTestAgain
	}
	return selfTestPeriod
}

// tryPublicURL posts to it on a connection of its own, as a stranger would.
func tryPublicURL(ctx context.Context, keys *seal.Keys, public string) error {
	links, err := unsub.NewLinks(unsub.Tokens{Keys: keys}, public, "")
	if err != nil {
		return err
	}
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}
	return unsub.TryCanary(ctx, http.Client{Transport: transport, Timeout: selfTestTime}, links.Canary())
}

func (a *App) tellSelfTest(public string, err error) {
	fault := ""
	if err != nil {
		fault = err.Error()
	}
	a.selfTest.failing.Store(err != nil)
	switch {
	case fault == a.selfTest.last:
	case err == nil:
		a.log.Info("one-click reaches the gate again", "public_url", public)
	default:
		a.log.Error("one-click does not reach the gate from outside: mail providers would meet the same", "public_url", public, "err", err)
	}
	a.selfTest.last = fault
}

func (a *App) selfTestGauge() []metrics.Gauge {
	if cfg, _ := a.inForce(); !cfg.Unsubscribe.SelfTests() {
		return nil
	}
	return []metrics.Gauge{{
		Name: "self_test_ok", Help: "0 where the last POST to our own public URL did not come back as it should.",
		Value: flag(!a.selfTest.failing.Load()),
	}}
}
