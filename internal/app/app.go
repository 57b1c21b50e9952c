// Package app wires the parts into one program and owns their lifetimes: New opens and binds, Run serves until its
// context ends and then drains, Close gives everything back. It decides nothing itself.
//
// cmd/consentgate and tests of the whole program import it.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/internal/metrics"
	"github.com/consentgate/consentgate/internal/seal"
	"github.com/consentgate/consentgate/internal/stats"
	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
	"github.com/consentgate/consentgate/unsub"
	"github.com/consentgate/consentgate/unsub/hooks"
	"github.com/consentgate/consentgate/unsub/inbound"
)

// How long the parts get to end, and how often they look around.
const (
	flushTime    = 3 * time.Second // journals and counters into the store, when sessions have ended
	countPeriod  = time.Second
	watchPeriod  = time.Second
	ledgerPeriod = 250 * time.Millisecond
	probeTime    = 10 * time.Second
	probePeriod  = time.Minute     // capabilities of a reachable upstream
	probeAgain   = 5 * time.Second // one that was not
	webHeaders   = 10 * time.Second
	webRequest   = 30 * time.Second
	webIdle      = 2 * time.Minute
	webMaxHeader = 16 << 10
)

// App is the program between New and Close.
type App struct {
	log *slog.Logger

	mu   sync.Mutex     // of what a reload replaces
	cfg  *config.Config // in force
	pool *upstream.Pool // of its upstreams
	// formerPool was in force before the last reload that changed the upstreams; nil before that.
	formerPool *upstream.Pool

	store       *watched
	marks       *marks
	ledger      *openLedger
	inbox       *inbox // nil where the store has none
	keys        *seal.Keys
	blocks      *blockLog
	counts      *stats.Sums
	metrics     *metrics.Metrics
	journals    []namedJournal
	streams     *unsub.Streams
	reloaded    chan struct{} // holds a token where the store has yet to remember reloaded streams
	withdrawals *unsub.Withdrawals
	desk        *unsub.Desk // nil where no public URL is set
	smtp        *smtpproxy.Server
	web         *http.Server
	hooks       *hooks.Handler             // nil where no public URL is set
	webSocket   net.Listener               // nil where no public URL is set
	admin       *private                   // nil where the config has none
	inbound     *inbound.Door              // nil where the config has none
	confirming  atomic.Pointer[confirming] // nil where the config names no sender of messages to confirm
	selfTest    selfTest
	notify      notifier

	closers []closer // last in, first out
}

type closer struct {
	name  string
	close func() error
}

// Run serves until ctx ends. It is New, App.Run and App.Close in one.
func Run(ctx context.Context, cfg *config.Config, log *slog.Logger, r Reloads) error {
	a, err := New(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer a.Close()
	return a.Run(ctx, r)
}

// New opens the store and the journals and binds every listener; nothing is served yet.
func New(ctx context.Context, cfg *config.Config, log *slog.Logger) (*App, error) {
	a := &App{cfg: cfg, log: log, notify: newNotifier(os.Getenv, os.Getpid(), log), reloaded: make(chan struct{}, 1)}
	a.warn(cfg)
	if err := a.open(ctx); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// warn logs what the operator should see of settings that come into force.
func (a *App) warn(cfg *config.Config) {
	for _, w := range cfg.Warnings {
		a.log.Warn("config", "note", w)
	}
}

// open brings the parts up in the order of their needs.
func (a *App) open(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		a.openStore, a.openJournals, a.openUpstream, a.openWeb, a.openInbound, a.openAdmin, a.openSMTP,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// SMTPAddrs are the bound SMTP addresses in the order of the listeners.
func (a *App) SMTPAddrs() []net.Addr { return a.smtp.Addrs() }

// WebAddr is the bound public address, nil where there is none.
func (a *App) WebAddr() net.Addr {
	if a.webSocket == nil {
		return nil
	}
	return a.webSocket.Addr()
}

// Run serves until ctx ends or a part fails, then drains sessions, brings journals and counters into the store and
// returns.
func (a *App) Run(ctx context.Context, r Reloads) error {
	front, leave := context.WithCancel(ctx)
	defer leave()
	// What sessions need while they drain goes on until they have ended.
	back, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var parts errgroup.Group
	part := func(name string, run func(context.Context) error) {
		parts.Go(func() error {
			if err := run(back); err != nil && back.Err() == nil {
				leave()
				return fmt.Errorf("%s: %w", name, err)
			}
			return nil
		})
	}
	part("store", func(ctx context.Context) error { return a.store.run(ctx, watchPeriod) })
	part("marks", func(ctx context.Context) error { a.marks.run(ctx, marksPeriod); return nil })
	part("delivery ledger", func(ctx context.Context) error { a.ledger.run(ctx, ledgerPeriod); return nil })
	part("inbox", func(ctx context.Context) error { a.inbox.run(ctx, inboxPeriod); return nil })
	part("block log", a.blocks.ship)
	part("withdrawals", a.withdrawals.Run)
	part("forms", a.runDesk)
	part("counters", func(ctx context.Context) error { a.flushCounts(ctx, countPeriod); return nil })
	part("keys", func(ctx context.Context) error { a.refreshKeys(ctx, watchPeriod); return nil })
	part("retention", func(ctx context.Context) error { a.retain(ctx, retentionFirst, retentionPeriod); return nil })
	part("streams", func(ctx context.Context) error { a.rememberStreams(ctx); return nil })
	part("upstream probe", a.probe)
	part("public listener", a.serveWeb)
	part("private listener", a.serveAdmin)
	part("self-test", func(ctx context.Context) error { a.testSelf(ctx, selfTestFirst); return nil })
	part("service manager", func(ctx context.Context) error {
		a.notify.run(ctx, front, func() { a.smtp.Sessions() })
		return nil
	})
	part("reloads", func(ctx context.Context) error { a.reloading(ctx, r); return nil })
	a.announce()
	err := a.serveMail(front, leave)
	a.flush(ctx)
	stop()
	return errors.Join(err, parts.Wait())
}

// announce tells where the program listens; others wait for the word ready.
func (a *App) announce() {
	cfg, _ := a.inForce()
	for i, addr := range a.smtp.Addrs() {
		a.log.Info("listening", "listener", "smtp", "address", addr.String(), "tls", string(cfg.Listeners[i].TLS))
	}
	if a.webSocket != nil {
		a.log.Info("listening", "listener", "unsubscribe", "address", a.webSocket.Addr().String())
	}
	if a.inbound != nil {
		a.log.Info("listening", "listener", "inbound", "address", a.inbound.Addr().String(), "protocol", string(cfg.Inbound.Protocol))
	}
	if a.admin != nil {
		a.log.Info("listening", "listener", "admin", "address", a.admin.socket.Addr().String(), "tls", string(cfg.Admin.TLS))
	}
	a.log.Info("ready", "mode", string(cfg.Mode))
	a.notify.tell(notifyReady)
	debug.FreeOSMemory() // what starting took: packs and settings as YAML, above all
}

func (a *App) probe(ctx context.Context) error {
	wait := probePeriod
	if !a.upstreamUp() {
		wait = probeAgain
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = probePeriod
		_, pool := a.inForce()
		if err := pool.Probe(ctx); err != nil {
			a.log.Debug("upstream probe", "err", err)
			wait = probeAgain
		}
	}
}

func (a *App) serveWeb(ctx context.Context) error {
	if a.web == nil {
		return nil
	}
	return serveHTTP(ctx, a.web, a.webSocket)
}

// serveHTTP serves until ctx ends, and then gives requests under way a moment.
func serveHTTP(ctx context.Context, web *http.Server, socket net.Listener) error {
	ended := make(chan error, 1)
	go func() { ended <- web.Serve(socket) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
		defer cancel()
		err := web.Shutdown(last)
		if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	}
}

// flush gives block entries and answers of forms a moment to reach the store; what does not is shipped at the next start.
func (a *App) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	if err := a.blocks.journal.Drain(ctx); err != nil {
		a.log.Warn("block entries stay in the journal until the next start", "err", err)
	}
	if a.desk == nil {
		return
	}
	if err := a.desk.Drain(ctx); err != nil {
		a.log.Warn("answers of forms wait until the next start, messages to confirm are left unsent", "err", err)
	}
}

func (a *App) onClose(name string, f func() error) {
	a.closers = append(a.closers, closer{name, f})
}

// Close gives back what New opened, last first. It may be called twice.
func (a *App) Close() {
	for _, c := range slices.Backward(a.closers) {
		if err := c.close(); err != nil {
			a.log.Warn("close", "part", c.name, "err", err)
		}
	}
	a.closers = nil
}

func ignoreClosed(err error) error {
	if errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}
