package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/internal/journal"
	"github.com/consentgate/consentgate/internal/stats"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
	"github.com/consentgate/consentgate/unsub"
)

func (a *App) openStore(ctx context.Context) error {
	s, keys, err := OpenStore(ctx, a.cfg, a.log, true)
	if err != nil {
		return err
	}
	a.onClose("store", s.Close)
	a.keys = keys
	a.noteExport()
	a.counts = stats.NewSums(s, time.Now)
	a.onClose("counters", a.lastCounts)
	a.metrics = a.newMetrics()
	counting := stats.Counting(s, a.counts, time.Now, a.metrics.Withdrawn)
	a.marks = &marks{store: s, now: time.Now, log: a.log}
	_ = a.marks.read(ctx) // so that the first message need not wait; run reports what is wrong
	a.store = &watched{Store: counting, marks: a.marks, fingerprint: keys.Fingerprint(), log: a.log}
	if r, ok := s.(interface {
		Lineage(ctx context.Context) (string, error)
	}); ok {
		a.store.lineage = r.Lineage
	}
	if box, ok := s.(gate.Inbox); ok {
		a.inbox = &inbox{
			box: box, intake: gate.Intake{Store: a.store, Keys: keys}, trusted: a.store.trusted.Load,
			reader: readerName(a.cfg.Hostname, a.cfg.DataDir), now: time.Now, count: a.counts.Add, log: a.log,
		}
	}
	err = a.store.verify(ctx)
	if a.store.answers.Store(err == nil); errors.Is(err, errOtherKey) {
		return err
	}
	if err == nil {
		a.auditLooser(ctx, s)
	}
	return nil
}

func (a *App) openJournals(context.Context) error {
	blocks, err := a.openJournal("blocks", journal.Options{})
	if err != nil {
		return err
	}
	a.blocks = &blockLog{journal: blocks, store: a.store, log: a.log}
	withdrawals, err := a.openJournal("withdrawals", journal.Options{Retention: unsub.Retention})
	if err != nil {
		return err
	}
	a.withdrawals, err = unsub.NewWithdrawals(unsub.WithdrawalsOptions{
		Journal: withdrawals, Store: a.store, Records: a.store, Now: time.Now, Log: a.log,
	})
	if err != nil {
		return err
	}
	a.store.back = a.withdrawals.Reconnected
	if a.inbox != nil {
		a.inbox.intake.Store = a.withdrawals
	}
	return nil
}

func (a *App) openJournal(name string, o journal.Options) (*journal.Journal, error) {
	o.Log = a.log
	j, err := journal.Open(filepath.Join(a.cfg.DataDir, "journal", name), o)
	if errors.Is(err, journal.ErrHeld) {
		return nil, fmt.Errorf("data_dir %s is in use by another gate: stop it, or give this one a data_dir of its own (%w)", a.cfg.DataDir, journal.ErrHeld)
	}
	if err != nil {
		return nil, fmt.Errorf("journal of %s: %w", name, err)
	}
	a.journals = append(a.journals, namedJournal{name, j})
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
	a.pool = a.newPool(ctx, a.cfg, targets)
	a.onClose("upstream pools", a.closePools)
	return nil
}

func (a *App) newPool(ctx context.Context, cfg *config.Config, targets []upstream.Target) *upstream.Pool {
	pool := upstream.New(upstream.Options{Targets: targets, Hello: cfg.Hostname, Reply: cfg.Timeouts.Envelope, Logger: a.log})
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	if err := pool.Probe(ctx); err != nil {
		a.log.Warn("upstream not reachable, mail is answered 451 until it is", "err", err)
	}
	return pool
}

// openWeb binds the public listener where a public URL is set.
func (a *App) openWeb(ctx context.Context) (err error) {
	if a.streams, err = unsub.NewStreams(a.store, a.cfg.Streams()); err != nil {
		return err
	}
	if a.cfg.Unsubscribe.PublicURL == "" {
		return nil
	}
	asks, err := a.confirmingOf(a.cfg)
	if err != nil {
		return err
	}
	a.confirming.Store(asks)
	if err := a.openDesk(); err != nil {
		return err
	}
	brand, err := a.cfg.Unsubscribe.Brand.Public()
	if err != nil {
		return err
	}
	if err := a.openHooks(); err != nil {
		return err
	}
	var lc net.ListenConfig
	socket, err := lc.Listen(ctx, "tcp", a.cfg.Unsubscribe.Listen)
	if err != nil {
		return fmt.Errorf("unsubscribe.listen: %w", err)
	}
	a.onClose("public listener", func() error { return ignoreClosed(socket.Close()) })
	pages := unsub.New(unsub.Options{
		Tokens: unsub.Tokens{Keys: a.keys}, Streams: a.streams, Withdrawals: a.withdrawals,
		Store: a.store, Texts: a.store, Unseal: a.keys.Unseal, Brand: brand,
		Confirm: a.confirmHook(), Caps: a.cfg.Confirmation.Caps(),
		SignUps:  unsub.SignUps{Form: a.form, Desk: a.desk},
		Purposes: a.cfg.Unsubscribe.Purposes, Now: time.Now, Log: a.log,
	})
	a.web, a.webSocket = publicServer(a.cfg.Unsubscribe, socket, under(publicPath(a.cfg), a.besidePages(pages)), a.log)
	return nil
}

// publicPath is what stands before the handler's own paths in every link, without a slash at its end.
func publicPath(cfg *config.Config) string {
	u, err := url.Parse(cfg.Unsubscribe.PublicURL)
	if err != nil {
		return ""
	}
	return u.Path
}

// under serves h below a path, and at the root as well: HTTPS servers in front pass the path on or take it off.
func under(path string, h http.Handler) http.Handler {
	below := http.StripPrefix(path, h)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, path+"/") {
			below.ServeHTTP(w, r)
			return
		}
		h.ServeHTTP(w, r)
	})
}
