package admin

import (
	"context"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/consentgate/consentgate/gate"
)

// How wrong tokens are slowed: each waits, and only so many may wait at once.
const (
	defaultRefusedDelay = time.Second
	refusedAtOnce       = 16
)

// guard knows who asks. It is safe for concurrent use.
type guard struct {
	tokens  func() []Token
	delay   time.Duration
	waiting chan struct{}
	count   func(gate.Counter)
	log     *slog.Logger
}

// holderKey is the context's key of the Token of a request.
type holderKey struct{}

// holder is who asks, where the guard let the request pass.
func holder(ctx context.Context) Token {
	t, _ := ctx.Value(holderKey{}).(Token)
	return t
}

// need is middleware that lets holders of one of the roles pass.
func (g *guard) need(roles ...Role) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		t, refusal := g.admit(ctx.Context(), ctx.Header("Authorization"), ctx.RemoteAddr(), roles)
		if refusal != nil {
			_, w := humago.Unwrap(ctx)
			refusal.write(w)
			return
		}
		next(huma.WithValue(ctx, holderKey{}, t))
	}
}

// admit returns the holder of the request's token, or why the request is refused.
func (g *guard) admit(ctx context.Context, authorization, client string, roles []Role) (Token, *problem) {
	scheme, text, _ := strings.Cut(authorization, " ")
	if text = strings.TrimSpace(text); !strings.EqualFold(scheme, "Bearer") || text == "" {
		return Token{}, unauthorised("send a token: Authorization: Bearer cgt_…")
	}
	t, ok := find(g.tokens(), text)
	if !ok {
		return Token{}, g.unknown(ctx, client)
	}
	if !slices.ContainsFunc(roles, t.Role.covers) {
		g.count(gate.Counter{What: gate.CountForbidden})
		return Token{}, newProblem(http.StatusForbidden, "a token of role "+string(t.Role)+" may not do this: it takes "+names(roles))
	}
	return t, nil
}

// unknown slows a wrong token. Where too many wait already, it is sent away at once, so that nobody can pile up
// requests.
func (g *guard) unknown(ctx context.Context, client string) *problem {
	g.count(gate.Counter{What: gate.CountUnknownToken})
	select {
	case g.waiting <- struct{}{}:
		defer func() { <-g.waiting }()
	default:
		p := newProblem(http.StatusTooManyRequests, "too many wrong tokens: wait a moment")
		p.header = http.Header{"Retry-After": {"5"}}
		return p
	}
	g.log.Warn("request with an unknown token", "client", client)
	select {
	case <-time.After(g.delay):
	case <-ctx.Done():
	}
	return unauthorised("the token is not known here: make one with consentgate token new")
}

func unauthorised(detail string) *problem {
	p := newProblem(http.StatusUnauthorized, detail)
	p.header = http.Header{"Www-Authenticate": {`Bearer realm="consentgate"`}}
	return p
}

func names(roles []Role) string {
	texts := make([]string, len(roles))
	for i, r := range roles {
		texts[i] = string(r)
	}
	return strings.Join(texts, " or ")
}
