package main

import (
	"context"
	"log/slog"

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

It logs one line "listening" for each listener, then "ready". SIGTERM and Ctrl-C drain and end it.`,
		Example: `  consentgate serve --listen 127.0.0.1:2525 --upstream 127.0.0.1:25 --mode observe
  consentgate serve --upstream smtp+starttls://gate@smtp.example.net:587 \
      --transactional '*@shop.example.com' --store redis://127.0.0.1:6379/0`,
		Args: cobra.NoArgs,
		RunE: p.run(p.untilSignal(func(ctx context.Context, _ []string) error { return p.serve(ctx, o) })),
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.Listen, "listen", nil, "`address` to take mail on (default 127.0.0.1:2525); repeatable")
	f.StringArrayVar(&o.Upstream, "upstream", nil, "real mailer `U`: host:port, smtp+starttls://name@host:587 or smtps://name@host; repeatable")
	f.StringVar(&o.Mode, "mode", "", "observe or enforce (default enforce)")
	f.StringArrayVar(&o.Transactional, "transactional", nil, "reverse-path `pattern` of mail that needs no consent, such as '*@shop.example.com'; repeatable")
	f.StringArrayVar(&o.Networks, "network", nil, "`CIDR` of clients that may relay; repeatable")
	f.StringVar(&o.OnBlock, "on-block", "", "what a blocked recipient's client hears: reject or discard (default reject)")
	f.StringVar(&o.PublicURL, "public-url", "", "`URL` at which people reach the unsubscribe pages")
	return cmd
}

func (p *program) serve(ctx context.Context, o config.Overlay) error {
	cfg, err := p.configWith(o)
	if err != nil {
		return err
	}
	if err := cfg.CheckServe(); err != nil {
		return err
	}
	p.sayStore(cfg)
	return app.Run(ctx, cfg, p.log(slog.LevelInfo))
}
