package main

import (
	"context"
	"log/slog"
	"net"

	"github.com/spf13/cobra"

	"github.com/consentgate/consentgate/internal/sink"
)

func (p *program) sinkCommand() *cobra.Command {
	var o sink.Options
	cmd := &cobra.Command{
		Use:   "sink",
		Short: "run a capture mailbox: take all mail, deliver none, show it",
		Long: `Run a capture mailbox in place of a real upstream: it takes every message, delivers none and shows
them on a page. Nothing is kept when it ends.`,
		Example: `  consentgate sink --listen 127.0.0.1:1025 --http 127.0.0.1:8080
  consentgate serve --upstream 127.0.0.1:1025`,
		Args: noArgs,
		RunE: p.run(p.untilSignal(func(ctx context.Context, _ []string) error {
			for flag, address := range map[string]string{"--listen": o.Listen, "--http": o.HTTP} {
				if _, _, err := net.SplitHostPort(address); err != nil {
					return usage("%s %q is not host:port: write for example 127.0.0.1:1025", flag, address)
				}
			}
			o.Log = p.log(slog.LevelInfo)
			return sink.Run(ctx, o)
		})),
	}
	cmd.Flags().StringVar(&o.Listen, "listen", "127.0.0.1:1025", "`address` to take mail on")
	cmd.Flags().StringVar(&o.HTTP, "http", "127.0.0.1:8080", "`address` of the page")
	return cmd
}
