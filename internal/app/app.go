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
	"path/filepath"
	"slices"
	"time"

	"github.com/oklog/ulid/v2"
	"golang.org/x/sync/errgroup"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/internal/journal"
	"github.com/consentgate/consentgate/internal/seal"
	"github.com/consentgate/consentgate/policies"
	"github.com/consentgate/consentgate/smtpproxy"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
	"github.com/consentgate/consentgate/smtpproxy/wire"
	"github.com/consentgate/consentgate/unsub"
)

// How long the parts get to end, and how often they look around.
const (
	drainTime    = 30 * time.Second // transactions under way, on SIGTERM
	flushTime    = 3 * time.Second  // journals and counters into the store, after that
	countPeriod  = time.Second
	watchPeriod  = time.Second
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
	cfg *config.Config
	log *slog.Logger

	store       *watched
	keys        *seal.Keys
	pool        *upstream.Pool
	blocks      *blockLog
	counts      *counts
	streams     *unsub.Streams
	withdrawals *unsub.Withdrawals
	smtp        *smtpproxy.Server
	web         *http.Server
	webSocket   net.Listener // nil where no public URL is set

	closers []closer // last in, first out
}

type closer struct {
	name  string
	close func() error
}

// Run serves until ctx ends. It is New, App.Run and App.Close in one.
func Run(ctx context.Context, cfg *config.Config, log *slog.Logger) error {
	a, err := New(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer a.Close()
	return a.Run(ctx)
}

// New opens the store and the journals and binds every listener; nothing is served yet.
func New(ctx context.Context, cfg *config.Config, log *slog.Logger) (*App, error) {
	a := &App{cfg: cfg, log: log}
	for _, w := range cfg.Warnings {
		log.Warn("config", "note", w)
	}
	if err := a.open(ctx); err != nil {
		a.Close()
		return nil, err
	}
	return a, nil
}

// open brings the parts up in the order of their needs.
func (a *App) open(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		a.openStore, a.openJournals, a.openUpstream, a.openWeb, a.openSMTP,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (a *App) openStore(ctx context.Context) error {
	s, keys, err := OpenStore(ctx, a.cfg, a.log, true)
	if err != nil {
		return err
	}
	a.onClose("store", s.Close)
	a.keys = keys
	a.store = &watched{Store: s, fingerprint: keys.Fingerprint(), log: a.log}
	a.counts = newCounts(s, time.Now, a.log)
	if err := a.store.verify(ctx); errors.Is(err, errOtherKey) {
		return err
	}
	return nil
}

func (a *App) openJournals(context.Context) error {
	blocks, err := a.openJournal("blocks", 0)
	if err != nil {
		return err
	}
	a.blocks = &blockLog{journal: blocks, store: a.store, log: a.log}
	withdrawals, err := a.openJournal("withdrawals", unsub.Retention)
	if err != nil {
		return err
	}
	a.withdrawals, err = unsub.NewWithdrawals(unsub.WithdrawalsOptions{
		Journal: withdrawals, Store: a.store, Records: a.store, Now: time.Now, Log: a.log,
	})
	if err == nil {
		a.store.back = a.withdrawals.Reconnected
	}
	return err
}

func (a *App) openJournal(name string, retention time.Duration) (*journal.Journal, error) {
	j, err := journal.Open(filepath.Join(a.cfg.DataDir, "journal", name), journal.Options{Retention: retention, Log: a.log})
	if err != nil {
		return nil, fmt.Errorf("journal of %s: %w", name, err)
	}
	a.onClose("journal of "+name, j.Close)
	return j, nil
}

// openUpstream makes the pool and asks the upstream once what it can do. One that is away is no reason not to start:
// clients hear 451 until it is back.
func (a *App) openUpstream(ctx context.Context) error {
	targets, err := a.cfg.Targets()
	if err != nil {
		return err
	}
	a.pool = upstream.New(upstream.Options{Targets: targets, Hello: a.cfg.Hostname, Logger: a.log})
	a.onClose("upstream pool", a.pool.Close)
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	if err := a.pool.Probe(ctx); err != nil {
		a.log.Warn("upstream not reachable, mail is answered 451 until it is", "err", err)
	}
	return nil
}

// openWeb binds the public listener where a public URL is set.
func (a *App) openWeb(ctx context.Context) (err error) {
	if a.streams, err = unsub.NewStreams(a.store, a.cfg.Streams()); err != nil {
		return err
	}
	if a.cfg.Unsubscribe.PublicURL == "" {
		return nil
	}
	var lc net.ListenConfig
	if a.webSocket, err = lc.Listen(ctx, "tcp", a.cfg.Unsubscribe.Listen); err != nil {
		return fmt.Errorf("unsubscribe.listen: %w", err)
	}
	a.onClose("public listener", func() error { return ignoreClosed(a.webSocket.Close()) })
	a.web = &http.Server{
		Handler: unsub.New(unsub.Options{
			Tokens: unsub.Tokens{Keys: a.keys}, Streams: a.streams, Withdrawals: a.withdrawals,
			Persons: a.store, Unseal: a.keys.Unseal, Log: a.log,
		}),
		ReadHeaderTimeout: webHeaders, ReadTimeout: webRequest, WriteTimeout: webRequest, IdleTimeout: webIdle,
		MaxHeaderBytes: webMaxHeader, ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	return nil
}

func (a *App) openSMTP(ctx context.Context) error {
	opt, err := a.smtpOptions()
	if err != nil {
		return err
	}
	a.smtp, err = smtpproxy.New(ctx, opt)
	return err
}

func (a *App) smtpOptions() (smtpproxy.Options, error) {
	policy, err := Policy(a.cfg)
	if err != nil {
		return smtpproxy.Options{}, err
	}
	links, err := unsub.NewLinks(unsub.Tokens{Keys: a.keys}, a.cfg.Unsubscribe.PublicURL, "")
	if err != nil {
		return smtpproxy.Options{}, err
	}
	listeners, err := a.listeners()
	if err != nil {
		return smtpproxy.Options{}, err
	}
	return smtpproxy.Options{
		Hostname: a.cfg.Hostname, Listeners: listeners, Credentials: a.credentials(),
		Streams: a.cfg.Streams(), DefaultStream: a.cfg.DefaultStream,
		MinimalReplies: a.cfg.Replies.Detail == "minimal", LogPermits: a.cfg.Log.Permits,
		Limits: a.limits(), BareLines: a.bareLines(), SpoolDir: a.cfg.DataDir,
		Policy: policy, Records: a.store, Keys: a.keys, Ledger: a.store, Upstream: a.pool,
		Blocks: a.blocks, Count: a.counts.add, Mask: a.mask(), Links: links, Pending: a.withdrawals.Pending,
		Now: time.Now, NewID: func() string { return ulid.Make().String() }, Log: a.log,
	}, nil
}

// Policy is the packs and jurisdictions that the config enables.
func Policy(cfg *config.Config) (*gate.Policy, error) {
	packs, err := policies.Load()
	if err != nil {
		return nil, err
	}
	policy, err := gate.NewPolicy(packs, cfg.Jurisdictions, cfg.DefaultJurisdiction)
	if err != nil {
		return nil, err
	}
	for _, s := range cfg.Streams() {
		if err := policy.CheckStream(s); err != nil {
			return nil, err
		}
	}
	return policy, nil
}

func (a *App) listeners() ([]smtpproxy.Listener, error) {
	certificate, err := a.cfg.TLSConfig()
	if err != nil {
		return nil, err
	}
	out := make([]smtpproxy.Listener, len(a.cfg.Listeners))
	for i, l := range a.cfg.Listeners {
		out[i] = smtpproxy.Listener{
			Address: l.Address, TLS: smtpproxy.TLSMode(l.TLS), Config: certificate, RequireAuth: l.RequireAuth,
			Networks: l.Networks, Streams: l.Streams, Senders: l.Senders, OnBlock: l.OnBlock,
		}
	}
	return out, nil
}

func (a *App) credentials() []smtpproxy.Credential {
	out := make([]smtpproxy.Credential, len(a.cfg.Credentials))
	for i, c := range a.cfg.Credentials {
		out[i] = smtpproxy.Credential{
			Username: c.Username, PasswordHash: c.PasswordHash, Streams: c.Streams, Senders: c.Senders, OnBlock: c.OnBlock,
		}
	}
	return out
}

func (a *App) limits() smtpproxy.Limits {
	l, c := smtpproxy.DefaultLimits(), a.cfg.Limits
	l.Wire.Message, l.Wire.Header, l.Wire.Fields = c.Message, int(c.Header), c.Fields
	l.Recipients, l.Refused, l.AuthFails = c.Recipients, c.Refused, c.AuthFails
	l.Hops, l.Sessions, l.NullSender = c.Hops, c.Sessions, c.NullSender
	return l
}

func (a *App) bareLines() wire.BarePolicy {
	if a.cfg.BareLines == "normalise" {
		return wire.Normalise
	}
	return wire.Reject
}

// mask shows recipients in the block log as log.addresses wants them.
func (a *App) mask() func(gate.Address, gate.ID) string {
	switch a.cfg.Log.Addresses {
	case "full":
		return func(addr gate.Address, _ gate.ID) string { return addr.String() }
	case "hashed":
		return func(_ gate.Address, id gate.ID) string { return id.String() }
	}
	return func(addr gate.Address, _ gate.ID) string { return addr.Masked() }
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
func (a *App) Run(ctx context.Context) error {
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
	part("block log", a.blocks.ship)
	part("withdrawals", a.withdrawals.Run)
	part("counters", func(ctx context.Context) error { a.counts.run(ctx, countPeriod); return nil })
	part("streams", func(ctx context.Context) error { a.streams.Remember(ctx, a.log); return nil })
	part("upstream probe", a.probe)
	part("public listener", a.serveWeb)
	a.announce()
	err := a.smtp.Serve(front, drainTime)
	a.flush(ctx)
	stop()
	return errors.Join(err, parts.Wait())
}

// announce tells where the program listens; others wait for the word ready.
func (a *App) announce() {
	for i, addr := range a.smtp.Addrs() {
		a.log.Info("listening", "listener", "smtp", "address", addr.String(), "tls", string(a.cfg.Listeners[i].TLS))
	}
	if a.webSocket != nil {
		a.log.Info("listening", "listener", "unsubscribe", "address", a.webSocket.Addr().String())
	}
	a.log.Info("ready", "mode", string(a.cfg.Mode))
}

func (a *App) probe(ctx context.Context) error {
	wait := probePeriod
	if !a.pool.Caps().Known {
		wait = probeAgain
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(wait):
		}
		wait = probePeriod
		if err := a.pool.Probe(ctx); err != nil {
			a.log.Debug("upstream probe", "err", err)
			wait = probeAgain
		}
	}
}

func (a *App) serveWeb(ctx context.Context) error {
	if a.web == nil {
		return nil
	}
	ended := make(chan error, 1)
	go func() { ended <- a.web.Serve(a.webSocket) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
		defer cancel()
		err := a.web.Shutdown(last)
		if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	}
}

// flush gives block entries a moment to reach the store; what does not is shipped at the next start.
func (a *App) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	if err := a.blocks.journal.Drain(ctx); err != nil {
		a.log.Warn("block entries stay in the journal until the next start", "err", err)
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
