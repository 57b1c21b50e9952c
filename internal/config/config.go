package config

import (
	"net/netip"
	"time"

	"github.com/consentgate/consentgate/gate"
	"github.com/consentgate/consentgate/policies"
	"github.com/consentgate/consentgate/smtpproxy/upstream"
	"github.com/consentgate/consentgate/unsub"
)

// Config is every setting in force: file, environment and flags over the defaults.
type Config struct {
	File     string   // the file that was read; empty for none
	Warnings []string // sentences the operator should see at start

	DataDir             string // absolute
	Store               string // store URL; holds a password at times: print it through RedactURL
	Hostname            string // our name in greeting and Received
	Mode                gate.Mode
	Jurisdictions       []string
	DefaultJurisdiction string
	Policies            Policies
	DefaultStream       string // empty: mail that matches no stream is refused
	BareLines           string // "reject" or "normalise": what a bare CR or LF gets
	IDKeyFile           string // empty: in DataDir
	StoreAddresses      string // "encrypted", "plain" or "none"
	StoreChecks         string // "strict" or "warn"

	TLS          TLS
	Listeners    []Listener
	Credentials  []Credential
	Upstreams    []Upstream
	Unsubscribe  Unsubscribe
	Inbound      Inbound
	Brands       []Controller // in the order of the file
	Confirmation Confirmation
	Forms        []unsub.Form // in the order of the file
	Hooks        []Hook
	Admin        Admin
	Log          Log
	Retention    Retention
	Replies      Replies
	Limits       Limits
	Timeouts     Timeouts

	lines     map[string]int // of the fields in File
	streams   []*gate.Stream
	packs     []policies.Entry
	storeFile string // a file that holds the store URL
	password  string // CONSENTGATE_UPSTREAM_PASSWORD
}

// TLS names the certificate of the SMTP listeners, PEM files both.
type TLS struct {
	Certificate string
	Key         string
}

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
	Address     string // host:port
	TLS         TLSMode
	RequireAuth bool
	Networks    []netip.Prefix // who may relay without AUTH; empty: loopback
	Proxies     []netip.Prefix // who sends a PROXY header, and must; empty: nobody
	Streams     []string       // candidates; empty: all
	Senders     []string       // reverse-path patterns; empty: any
	OnBlock     gate.OnBlock   // of on_block, else of client; empty: the stream's
	Client      string         // preset, e.g. "listmonk"
	Protocol    Protocol
}

// Protocol is what a listener speaks.
type Protocol string

// The protocols. With LMTP (RFC 2033) each recipient is answered for itself.
const (
	SMTP Protocol = "smtp"
	LMTP Protocol = "lmtp"
)

// Credential is a client that signs in with AUTH.
type Credential struct {
	Username     string
	PasswordHash string // bcrypt
	Streams      []string
	Senders      []string
	OnBlock      gate.OnBlock // of the client preset; empty: the listener's or the stream's
	Client       string
}

// Upstream is one real mailer. Its password is not read before Config.Targets.
type Upstream struct {
	upstream.Target
	PasswordFile string
	CostPerMail  Price
}

// Unsubscribe is the public listener. It runs where PublicURL is set.
type Unsubscribe struct {
	Listen    string
	PublicURL string // without a slash at its end
	// Proxies are the HTTPS servers whose X-Forwarded-For is believed.
	Proxies     []netip.Prefix
	Connections int // at once
	// MailtoDomain is of the addresses in List-Unsubscribe; Inbound's unless another gate takes their mail.
	MailtoDomain string
	Existing     gate.ExistingHeader // where a stream says nothing
	OnSigned     gate.OnSigned       // where a stream says nothing
	SelfTest     string              // "on" or "off"; empty: on where PublicURL is https
	Brand        Brand
	Purposes     unsub.PurposeNames // on the public pages
}

// Log is the blocked-send log.
type Log struct {
	Addresses string // "masked", "full" or "hashed"
	Permits   bool
	Entries   int
	retention time.Duration // Config.Retention.Blocks, once complete
}

// Replies is how much SMTP replies tell.
type Replies struct {
	Detail string // "full" or "minimal"
}

// clientPresets is what a refused recipient should hear, by the software that sends: those on discard drop the whole
// message, pause, or retry into duplicates when one recipient of several is refused.
func clientPresets() map[string]gate.OnBlock {
	return map[string]gate.OnBlock{
		"listmonk": gate.OnBlockDiscard, "mautic": gate.OnBlockDiscard, "rails": gate.OnBlockDiscard,
		"laravel": gate.OnBlockDiscard, "javamail": gate.OnBlockDiscard, "wordpress": gate.OnBlockDiscard,
		"django": gate.OnBlockReject, "nodemailer": gate.OnBlockReject, "postfix": gate.OnBlockReject,
	}
}
