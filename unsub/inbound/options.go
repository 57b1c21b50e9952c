package inbound

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/netip"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy/wire"
	"github.com/consentgate/consentgate/unsub"
)

// Refusals takes a person's no and makes it last; unsub.Withdrawals is the one there is. An error means that it is not
// kept.
type Refusals interface {
	Withdraw(ctx context.Context, x unsub.Withdrawal) (unsub.Result, error)
	Report(ctx context.Context, refusals []gate.Change) (applied bool, err error)
}

// Streams finds what a token withdraws from; unsub.Streams is the one there is.
type Streams interface {
	Find(ctx context.Context, code string) (unsub.Flow, error)
}

// Settings are what a reload may change.
type Settings struct {
	Domain     string         // of the addresses that unsubscribe, an A-label in lower case
	Complaints string         // canonical address of the feedback loops; empty: none is taken
	Networks   []netip.Prefix // who may connect; empty: everybody who can
	TLS        *tls.Config    // for STARTTLS; nil: not offered
	Links      *unsub.Links   // tells our own URIs in a returned message
	Sessions   int            // at once; half of them from one network
	Wire       wire.Options   // limits and timeouts; its Buffers are the door's
}

// Options of New. All fields but Settings.Complaints, Networks and TLS must be set.
type Options struct {
	Settings
	Address  string // host:port
	LMTP     bool   // speaks LMTP (RFC 2033) instead of SMTP
	Hostname string // our name in the greeting

	Tokens   unsub.Tokens
	Streams  Streams
	Refusals Refusals
	Count    func(gate.Counter)
	Now      func() time.Time
	Log      *slog.Logger
}

// What a session may ask for. A report is read as it arrives and never held, so its size costs time alone.
const (
	MaxMessage    = 10 << 20
	maxRecipients = 100
	maxUnknown    = 100 // recipients of one session that are nobody, before it is closed with 421
)
