package smtpproxy

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/netip"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
	"github.com/consentgate/consentgate/smtpproxy/wire"
)

// TLSMode is how a listener speaks TLS.
type TLSMode string

// The TLS modes of a listener.
const (
	TLSNone     TLSMode = "none"
	TLSStartTLS TLSMode = "starttls"
	TLSImplicit TLSMode = "implicit"
)

// Listener is one address that clients connect to.
type Listener struct {
	Address     string
	TLS         TLSMode
	Config      *tls.Config // for StartTLS and Implicit
	RequireAuth bool
	Networks    []netip.Prefix // who may relay without AUTH; empty: loopback
	Proxies     []netip.Prefix // who sends a PROXY header, and must; empty: nobody
	Streams     []string       // candidates; empty: all
	Senders     []string       // reverse-path patterns; empty: any
	OnBlock     gate.OnBlock   // empty: the stream's
	LMTP        bool           // speaks LMTP (RFC 2033): each recipient is answered for itself
}

// Credential is a client that signs in with AUTH.
type Credential struct {
	Username     string
	PasswordHash string // bcrypt
	Streams      []string
	Senders      []string
	OnBlock      gate.OnBlock
}

// Limits bound what one session may ask for.
type Limits struct {
	Wire       wire.Limits
	Recipients int // of one transaction
	Refused    int // recipients of one session before it is closed with 421
	// RefusedHourly is how many of one credential, or without one of one network, are told that they were refused.
	RefusedHourly int
	AuthFails     int // of one session
	// AuthFailsHourly is how many sign-ins of one network may fail before those that follow are slowed the most.
	AuthFailsHourly int
	SignIns         int // passwords checked, or waiting for that, at once
	Hops            int // Received fields before a message counts as looping
	OwnHops         int // passes through this gate before it does

	Sessions           int           // at once, all listeners together
	NetworkSessions    int           // at once, from one IPv4 address or one IPv6 /64
	CredentialSessions int           // at once, of one credential
	RefusedDelay       time.Duration // what the last refused recipient of the budget costs; see slowing

	NullSender int           // messages from <> in one hour
	Lookup     time.Duration // budget of one store lookup
	Fresh      time.Duration // consent read longer ago is read again before the final dot
	Envelope   time.Duration // until the upstream has answered MAIL, RCPT and DATA
	Deliver    time.Duration // after the client's dot; past it no new copy starts
	SpoolMem   int           // bytes of a split message kept in memory before it goes to a file

	// Of wire.Options, where zero is their default.
	Idle, Progress, Write, Handshake time.Duration
	MinRate                          int           // negative: none
	ProxyHeader                      time.Duration // for a PROXY header to arrive
}

// DefaultLimits are the defaults that docs/configuration.md lists.
func DefaultLimits() Limits {
	return Limits{
		Wire:       wire.Limits{Line: 4096, AuthLine: 12288, Header: 256 << 10, Fields: 1000, Message: 50 << 20},
		Recipients: 1000, Refused: 1000, RefusedHourly: 10000, RefusedDelay: time.Second,
		AuthFails: 3, AuthFailsHourly: 100, SignIns: 64, Hops: 50, OwnHops: 3, NullSender: 100,
		Sessions: 20000, NetworkSessions: 10000, CredentialSessions: 1000,
		Lookup: 250 * time.Millisecond, Fresh: 250 * time.Millisecond,
		Envelope: 30 * time.Second, Deliver: 60 * time.Second,
		SpoolMem: 256 << 10,
		Idle:     5 * time.Minute, Progress: 3 * time.Minute, Write: time.Minute, Handshake: 30 * time.Second, MinRate: 500,
		ProxyHeader: 5 * time.Second,
	}
}

// Decider answers about one recipient of one stream; gate.Policy is the one there is.
type Decider interface {
	Decide(now time.Time, s *gate.Stream, a gate.Address, l gate.Lookup) gate.Decision
}

// Upstream hands out connections to the real mailer; upstream.Pool is the one there is.
type Upstream interface {
	Get(ctx context.Context, need upstream.Need) (*upstream.Lease, error)
	Caps() upstream.Caps
}

// BlockLog takes block entries before the reply leaves; durable ones are on disk when it returns.
type BlockLog interface {
	Record(entries []gate.BlockEntry, durable bool) error
}

// Links appends a recipient's List-Unsubscribe, and -Post where one-click works, as header lines.
type Links interface {
	AppendHeader(b []byte, id gate.ID, s *gate.Stream) []byte
}

// Settings are what a reload may change, all at once and between transactions. Address, TLS mode and LMTP of a
// listener, and how many there are, stay as they were bound.
type Settings struct {
	Mode           gate.Mode // of mail from <>, which is in no stream
	Listeners      []Listener
	Credentials    []Credential // may be none
	Streams        []*gate.Stream
	DefaultStream  string // name, or empty: mail that matches no stream is refused
	MinimalReplies bool   // replies.detail: minimal
	LogPermits     bool   // a log line for each permitted recipient
	Limits         Limits
	BareLines      wire.BarePolicy

	Policy   Decider
	Upstream Upstream
	Mask     func(a gate.Address, id gate.ID) string // the recipient as log.addresses wants it
	Links    Links                                   // nil where no stream asks for lines
}

// Options is everything a Server needs. All fields but Instance, Pending, SpoolDir and After must be set.
type Options struct {
	Settings
	Hostname string // our name in greeting and Received
	Instance string // tells gates of the same Hostname apart
	SpoolDir string // for split messages over Limits.SpoolMem; empty: the system's

	Records  gate.Reader
	Requests gate.Applier // takes the requests that mail of by_mail streams stands for
	Keys     gate.Sealer
	Ledger   gate.Ledger
	// PartlyDelivered reports that the ledger has notes, or may have. It is asked for every message that names several
	// recipients; while it says yes they are spooled, so that a retry sends only the rest.
	PartlyDelivered func() bool

	Blocks  BlockLog
	Count   func(gate.Counter)
	Pending func(id gate.ID, purpose string) bool // withdrawn here, perhaps not yet in the store
	Now     func() time.Time
	After   func(time.Duration) <-chan time.Time // nil: time.After
	NewID   func() string                        // ULID
	Log     *slog.Logger
}
