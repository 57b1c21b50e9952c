package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/internal/app"
	"github.com/consentgate/consentgate/internal/config"
)

func (p *program) serveCommand() *cobra.Command {
	var o config.Overlay
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "run the gate",
		Long: `Run the gate: take mail, ask the consent store about every recipient, pass on what is
permitted. A first run in --mode observe delivers everything and logs what would be blocked.

No config file is needed. Without one there are two streams: marketing, which needs consent,
and transactional, for the reverse-paths that --transactional names.

It logs one line "listening" for each listener, then "ready". SIGTERM and Ctrl-C drain and end it.
SIGHUP reads the settings, credentials and certificates again: all of them count from each
session's next transaction, or, where something is wrong with them, none does and the log says what.`,
		Example: `  consentgate serve --listen 127.0.0.1:2525 --upstream 127.0.0.1:25 --mode observe
  consentgate serve --upstream smtp+starttls://gate@smtp.example.net:587 \
      --transactional '*@shop.example.com' --store redis://127.0.0.1:6379/0`,
		Args: noArgs,
		RunE: p.run(p.untilSignal(func(ctx context.Context, _ []string) error { return p.serve(ctx, o) })),
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.Listen, "listen", nil, "`address` to take mail on (default 127.0.0.1:2525); repeatable")
	f.StringArrayVar(&o.Upstream, "upstream", nil, "real mailer `U`: host:port, smtp+starttls://name@host:587 or smtps://name@host; repeatable")
	f.StringVar(&o.Mode, "mode", "", "`what` becomes of what would be blocked: observe (delivered and logged) or enforce (default enforce)")
	f.StringArrayVar(&o.Transactional, "transactional", nil, "reverse-path `pattern` of mail that needs no consent, such as '*@shop.example.com'; repeatable")
	f.StringArrayVar(&o.Networks, "network", nil, "clients that may send without signing in, as a `CIDR` such as 10.0.0.0/8; repeatable")
	f.StringVar(&o.OnBlock, "on-block", "", "`what` the client hears of a blocked recipient: reject or discard (default reject)")
	f.StringVar(&o.PublicURL, "public-url", "", "`URL` at which people reach the unsubscribe pages")
	return cmd
}

func (p *program) serve(ctx context.Context, o config.Overlay) error {
	if p.calm != nil {
		p.calm()
	}
	load := func() (*config.Config, error) { return p.serveConfig(o) }
	cfg, err := load()
	if err != nil {
		return err
	}
	p.sayStore(cfg)
	tune(os.Getenv)
	hangup, stop := hangups()
	defer stop()
	return app.Run(ctx, cfg, p.log(slog.LevelInfo), app.Reloads{Wanted: hangup, Load: load})
}

// hangups tells of SIGHUP. Several in a row are one: the files are read after the last.
func hangups() (wanted <-chan os.Signal, stop func()) {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGHUP)
	return c, func() { signal.Stop(c) }
}
