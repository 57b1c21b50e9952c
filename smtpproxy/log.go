package smtpproxy

import (
	"context"
	"log/slog"
)

// sessionLog names a session in every line of a log. [slog.Logger.With] would do the same and hold four times the
// memory for as long as the session lives.
type sessionLog struct {
	slog.Handler
	id string
}

// Handle implements [slog.Handler].
func (l sessionLog) Handle(ctx context.Context, r slog.Record) error {
	r.AddAttrs(slog.String("session", l.id))
	return l.Handler.Handle(ctx, r)
}

// WithAttrs implements [slog.Handler].
func (l sessionLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return sessionLog{l.Handler.WithAttrs(attrs), l.id}
}

// WithGroup implements [slog.Handler].
func (l sessionLog) WithGroup(name string) slog.Handler {
	return sessionLog{l.Handler.WithGroup(name), l.id}
}
