package config

import (
	"time"

	"github.com/goccy/go-yaml"
)

// Limits bound what clients may ask for.
type Limits struct {
	Message            int64 // bytes
	Header             int64 // bytes
	Fields             int   // of a header
	Recipients         int   // of one transaction
	Refused            int   // recipients of one session before it is closed with 421
	RefusedHourly      int   // recipients of one credential or network
	RefusedDelay       time.Duration
	AuthFails          int // of one session
	AuthFailsHourly    int // of one network, before its sign-ins are slowed the most
	Hops               int // Received fields before a message counts as looping
	OwnHops            int // passes through this gate before it does
	Sessions           int // at once, all listeners together
	NetworkSessions    int // at once, from one IPv4 address or one IPv6 /64
	CredentialSessions int // at once, of one credential
	NullSender         int // messages from <> in one hour
	MinRate            int // octets a second of a message; 0: none
}

// defaultLimits are those of docs/configuration.md.
func defaultLimits() Limits {
	return Limits{
		Message: 50 << 20, Header: 256 << 10, Fields: 1000, Recipients: 1000, Refused: 1000, RefusedHourly: 10000, RefusedDelay: time.Second,
		AuthFails: 3, AuthFailsHourly: 100, Hops: 50, OwnHops: 3, Sessions: 20000, NetworkSessions: 10000, CredentialSessions: 1000,
		NullSender: 100, MinRate: 500,
	}
}

func (l *Limits) read() reader {
	return section(func() fields {
		return fields{
			"message":                 size(&l.Message, 64<<10, 1<<30),
			"header":                  size(&l.Header, 8<<10, 16<<20),
			"header_fields":           number(&l.Fields, 50, 100_000),
			"recipients":              number(&l.Recipients, 1, 100_000),
			"refused_recipients":      number(&l.Refused, 1, 1_000_000),
			"refused_per_hour":        number(&l.RefusedHourly, 1, 10_000_000),
			"refused_delay":           duration(&l.RefusedDelay, 0, 10*time.Second),
			"auth_failures":           number(&l.AuthFails, 1, 100),
			"auth_failures_per_hour":  number(&l.AuthFailsHourly, 1, 1_000_000),
			"hops":                    number(&l.Hops, 10, 1000),
			"own_hops":                number(&l.OwnHops, 1, 100),
			"sessions":                number(&l.Sessions, 1, 1_000_000),
			"sessions_per_network":    number(&l.NetworkSessions, 1, 1_000_000),
			"sessions_per_credential": number(&l.CredentialSessions, 1, 1_000_000),
			"null_sender":             number(&l.NullSender, 0, 1_000_000),
			"min_rate":                number(&l.MinRate, 0, 1_000_000),
		}
	})
}

func (l Limits) tree() yaml.MapSlice {
	return pairs("message", formatSize(l.Message), "header", formatSize(l.Header), "header_fields", l.Fields,
		"recipients", l.Recipients, "refused_recipients", l.Refused, "refused_per_hour", l.RefusedHourly, "refused_delay", formatDuration(l.RefusedDelay),
		"auth_failures", l.AuthFails, "auth_failures_per_hour", l.AuthFailsHourly, "hops", l.Hops, "own_hops", l.OwnHops, "sessions", l.Sessions,
		"sessions_per_network", l.NetworkSessions, "sessions_per_credential", l.CredentialSessions,
		"null_sender", l.NullSender, "min_rate", l.MinRate)
}

// Timeouts bound how long the gate waits.
type Timeouts struct {
	Idle        time.Duration // for a command
	Data        time.Duration // for the next octets of a message
	Write       time.Duration // for a reply to leave
	Handshake   time.Duration // of TLS
	ProxyHeader time.Duration // for a PROXY header
	Lookup      time.Duration // for the store
	Envelope    time.Duration // for the upstream's replies to MAIL, RCPT and DATA
	Deliver     time.Duration // for all copies, after the client's dot
	Drain       time.Duration // for transactions under way at the end of the program
}

// defaultTimeouts are those of docs/configuration.md.
func defaultTimeouts() Timeouts {
	return Timeouts{
		Idle: 5 * time.Minute, Data: 3 * time.Minute, Write: time.Minute, Handshake: 30 * time.Second,
		ProxyHeader: 5 * time.Second, Lookup: 250 * time.Millisecond, Envelope: 30 * time.Second,
		Deliver: time.Minute, Drain: 30 * time.Second,
	}
}

func (t *Timeouts) read() reader {
	return section(func() fields {
		return fields{
			"idle":         duration(&t.Idle, 5*time.Second, time.Hour),
			"data":         duration(&t.Data, 5*time.Second, time.Hour),
			"write":        duration(&t.Write, time.Second, 10*time.Minute),
			"handshake":    duration(&t.Handshake, time.Second, 5*time.Minute),
			"proxy_header": duration(&t.ProxyHeader, 100*time.Millisecond, time.Minute),
			"lookup":       duration(&t.Lookup, 10*time.Millisecond, 10*time.Second),
			"envelope":     duration(&t.Envelope, time.Second, 5*time.Minute),
			"deliver":      duration(&t.Deliver, time.Second, 10*time.Minute),
			"drain":        duration(&t.Drain, 0, 10*time.Minute),
		}
	})
}

func (t Timeouts) tree() yaml.MapSlice {
	return pairs("idle", formatDuration(t.Idle), "data", formatDuration(t.Data), "write", formatDuration(t.Write),
		"handshake", formatDuration(t.Handshake), "proxy_header", formatDuration(t.ProxyHeader),
		"lookup", formatDuration(t.Lookup), "envelope", formatDuration(t.Envelope),
		"deliver", formatDuration(t.Deliver), "drain", formatDuration(t.Drain))
}
