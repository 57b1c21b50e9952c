package hooks

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/consentgate/consentgate/gate"
)

// mailgunAge is how old a signature may be. Mailgun repeats for eight hours what was not taken.
const mailgunAge = 24 * time.Hour

// claimTimeout is how long a token waits for the store.
const claimTimeout = 2 * time.Second

// mailgunRequest is a webhook of Mailgun: one event, and a signature that does not cover it.
type mailgunRequest struct {
	Signature struct {
		Timestamp text   `json:"timestamp"`
		Token     string `json:"token"`
		Signature string `json:"signature"`
	} `json:"signature"`
	Event json.RawMessage `json:"event-data"`
}

type mailgunEvent struct {
	ID        text   `json:"id"`
	Event     string `json:"event"`
	Recipient string `json:"recipient"`
	Timestamp text   `json:"timestamp"`
	Severity  string `json:"severity"`
	Reason    string `json:"reason"`
	Status    struct {
		Bounce string `json:"bounce-type"`
	} `json:"delivery-status"`
	List struct {
		Address string `json:"address"`
	} `json:"mailing-list"`
}

// openMailgun reads what is signed with HMAC-SHA256 over a timestamp and a token, and nothing else. So a token counts for
// the one body that it first came with: whoever overheard one cannot put another event under it.
func openMailgun(s Source, m memory) (reading, error) {
	if s.Secret == "" {
		return nil, errNoSecret
	}
	return func(r request) (reports, error) {
		var m2 mailgunRequest
		if err := json.Unmarshal(r.body, &m2); err != nil {
			return reports{}, fmt.Errorf("%w: no JSON object", errUnreadable)
		}
		sign := m2.Signature
		signature, _ := hex.DecodeString(sign.Signature) // what is none is no signature either
		if err := s.checkMAC(signature, []byte(sign.Timestamp), []byte(sign.Token)); err != nil {
			return reports{}, err
		}
		if age := r.now.Sub(sign.Timestamp.unix()); age > mailgunAge || age < -mailgunAge {
			return reports{}, fmt.Errorf("%w: the signature is of another day", errForged)
		}
		got, err := decodeEach(m2.Event, mailgunEvent.reports)
		if err != nil || len(got.list) == 0 {
			return got, err // what changes nothing uses nothing up
		}
		if !m.use(r.Context(), sign.Token, m2.Event, r.now) {
			return reports{}, fmt.Errorf("%w: the signature was used for another event", errForged)
		}
		return got, nil
	}, nil
}

// use reports whether the token is new to every gate of the store, or came with this body before. While the store is
// away each gate goes by what it saw itself since its start: a no must not wait for that.
func (m memory) use(ctx context.Context, token string, body []byte, now time.Time) bool {
	sum := sha256.Sum256(body)
	ctx, cancel := context.WithTimeout(ctx, claimTimeout)
	defer cancel()
	name := sha256.Sum256([]byte(token))
	_, free, err := m.store.Enter(ctx, "mailgun:"+hex.EncodeToString(name[:16]), hex.EncodeToString(sum[:]), 2*mailgunAge)
	switch {
	case err != nil:
		return m.tokens.use(token, sum, now)
	case free:
		m.tokens.keep(token, sum, now)
	}
	return free
}

func (e mailgunEvent) reports() []report {
	what := e.what()
	if what == "" {
		return nil
	}
	return []report{{
		ref: []string{string(e.ID), e.Event, string(e.Timestamp)}, address: e.Recipient, what: what,
		group: e.List.Address, time: e.Timestamp.unix(), note: e.Reason,
	}}
}

func (e mailgunEvent) what() gate.EventType {
	switch e.Event {
	case "complained":
		return gate.Complained
	case "unsubscribed":
		return gate.Withdrawn
	case "failed":
		if e.Severity == "permanent" {
			return e.failed()
		}
	}
	return ""
}

// failed tells a mailbox that does not exist, and Mailgun's own suppressions, from what was given up for other reasons.
func (e mailgunEvent) failed() gate.EventType {
	switch e.Reason {
	case "bounce":
		if e.Status.Bounce == "soft" {
			return ""
		}
		return gate.Bounced
	case "suppress-bounce":
		return gate.Bounced
	case "suppress-complaint":
		return gate.Complained
	case "suppress-unsubscribe":
		return gate.Withdrawn
	}
	return ""
}

// maxTokens bounds what is remembered of Mailgun's tokens, some megabytes.
const maxTokens = 50_000

// tokens remembers which body a token came with, for as long as its signature is good. The zero tokens is empty.
type tokens struct {
	mu    sync.Mutex
	seen  map[string]use
	order []string // oldest first
}

type use struct {
	body [sha256.Size]byte
	at   time.Time
}

// use reports whether the token is new, or came with this body before: a repeated request is one whose answer got lost.
func (t *tokens) use(token string, sum [sha256.Size]byte, now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if u, ok := t.seen[token]; ok {
		return u.body == sum
	}
	t.put(token, sum, now)
	return true
}

// keep remembers the body that the store knows for a token.
func (t *tokens) keep(token string, sum [sha256.Size]byte, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.put(token, sum, now)
}

// put remembers a body and forgets what is old or too much; t is locked.
func (t *tokens) put(token string, sum [sha256.Size]byte, now time.Time) {
	if t.seen == nil {
		t.seen = make(map[string]use)
	}
	for len(t.order) >= maxTokens || len(t.order) > 0 && now.Sub(t.seen[t.order[0]].at) > 2*mailgunAge {
		delete(t.seen, t.order[0])
		t.order = t.order[1:]
	}
	if _, again := t.seen[token]; !again {
		t.order = append(t.order, token)
	}
	t.seen[token] = use{sum, now}
}
