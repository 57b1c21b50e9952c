package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/consentgate/consentgate/admin"
	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/internal/config"
	"github.com/consentgate/consentgate/unsub"
)

// adminWrite is how long the answer to a request may take: a full batch of events in a slow store.
const adminWrite = 2 * time.Minute

// private is the private listener.
type private struct {
	server  *admin.Server
	web     *http.Server
	socket  net.Listener
	current atomic.Pointer[tls.Config] // the certificate in force
}

// AdminAddr is the bound private address, nil where there is none.
func (a *App) AdminAddr() net.Addr {
	if a.admin == nil {
		return nil
	}
	return a.admin.socket.Addr()
}

// openAdmin binds the private listener where the config has one.
func (a *App) openAdmin(ctx context.Context) error {
	if a.cfg.Admin.Listen == "" {
		return nil
	}
	set, certificate, err := a.adminSettings(a.cfg)
	if err != nil {
		return err
	}
	p := new(private)
	if p.server, err = admin.New(a.adminOptions(set)); err != nil { //nolint:contextcheck // requests bring a context of their own
		return err
	}
	var lc net.ListenConfig
	if p.socket, err = lc.Listen(ctx, "tcp", a.cfg.Admin.Listen); err != nil {
		return fmt.Errorf("admin.listen: %w", err)
	}
	a.onClose("private listener", func() error { return ignoreClosed(p.socket.Close()) })
	if a.cfg.Admin.TLS != config.TLSNone {
		p.current.Store(certificate)
		p.socket = tls.NewListener(p.socket, &tls.Config{
			MinVersion:         tls.VersionTLS12,
			GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) { return p.current.Load().GetConfigForClient(h) },
		})
	}
	p.web = &http.Server{
		Handler:           p.server,
		ReadHeaderTimeout: webHeaders, ReadTimeout: webRequest, WriteTimeout: adminWrite, IdleTimeout: webIdle,
		MaxHeaderBytes: webMaxHeader, ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
	}
	a.admin = p
	return nil
}

func (a *App) adminOptions(set admin.Settings) admin.Options {
	return admin.Options{
		Settings: set, Store: journaled{a.store, a.withdrawals}, Keys: a.keys, Confirm: a.adminConfirm(), Erase: a.erase, Audit: a.audit, Count: a.counts.Add,
		Parts:   []admin.Part{{Name: "store", Up: a.store.up}, {Name: "upstream", Up: a.upstreamUp}},
		Metrics: a.metrics, Stats: a.adminStats, Acts: a.store.Acts,
		Now: time.Now, Log: a.log,
	}
}

// journaled is the store for events that others bring: refusals among them are in the journal before they are acknowledged,
// and the answer is as the marks on sources leave it.
type journaled struct {
	*watched
	applier gate.Applier
}

// Apply implements [gate.Applier].
func (j journaled) Apply(ctx context.Context, changes []gate.Change) []gate.Applied {
	return j.marked().Applied(ctx, changes, j.applier.Apply(ctx, changes))
}

// adminSettings are the config's as the private listener knows them, and the certificate, nil where there is none.
func (a *App) adminSettings(cfg *config.Config) (admin.Settings, *tls.Config, error) {
	set := admin.Settings{
		Tokens: cfg.Admin.Tokens, Streams: cfg.Streams(), DefaultStream: cfg.DefaultStream,
		OpenMetrics: cfg.Admin.Metrics == config.MetricsOpen,
	}
	var err error
	if set.Policy, err = Policy(cfg); err != nil {
		return set, nil, err
	}
	if cfg.Unsubscribe.PublicURL != "" {
		links, err := unsub.NewLinks(unsub.Tokens{Keys: a.keys}, cfg.Unsubscribe.PublicURL, "")
		if err != nil {
			return set, nil, err
		}
		set.Links = links
	}
	certificate, err := newCertificate(cfg, time.Now)
	return set, certificate, err
}

// reloadAdmin puts the settings in force; the caller has found them good.
func (a *App) reloadAdmin(set admin.Settings, certificate *tls.Config) {
	if a.admin == nil {
		return
	}
	a.admin.server.Reload(set)
	if certificate != nil {
		a.admin.current.Store(certificate)
	}
}

func (a *App) serveAdmin(ctx context.Context) error {
	if a.admin == nil {
		return nil
	}
	return serveHTTP(ctx, a.admin.web, a.admin.socket)
}

// upstreamUp reports whether the last that was heard of an upstream was good.
func (a *App) upstreamUp() bool {
	_, pool := a.inForce()
	return pool.Up()
}

func (a *App) audit(ctx context.Context, act gate.Act) error {
	_, err := a.store.AppendAct(ctx, act)
	return err
}

// erase is the API's way through gate.Eraser.
func (a *App) erase(ctx context.Context, id gate.ID, keepProof bool, actor string) (gate.Forgotten, error) {
	return gate.Eraser{Store: a.store}.Erase(ctx, id, gate.Erasure{
		ID: ulid.Make().String(), Time: time.Now().UTC(), Actor: actor, KeepProof: keepProof,
	})
}
